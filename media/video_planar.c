/* SPDX-License-Identifier: MIT */
#include "media/video_planar.h"

#include <libavutil/avconfig.h>
#include <libavutil/pixdesc.h>

static bool describe_matrix(enum AVColorSpace matrix, pipersr_yuv_matrix *found)
{
    switch (matrix) {
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
        *found = PIPERSR_YUV_BT601;
        return true;
    case AVCOL_SPC_BT709:
        *found = PIPERSR_YUV_BT709;
        return true;
    case AVCOL_SPC_BT2020_NCL:
        *found = PIPERSR_YUV_BT2020;
        return true;
    default:
        return false;
    }
}

/* One plane for each component, samples in the low bits of bytes or of words in our byte order. */
static bool has_plain_planes(const AVPixFmtDescriptor *description)
{
    const uint64_t unfit = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_ALPHA |
                           AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL |
                           AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER;
    const int depth = description->comp[0].depth;
    if ((description->flags & unfit) != 0 || depth < 8 || depth > 16 ||
        (description->nb_components != 1 && description->nb_components != 3)) {
        return false;
    }
    bool big_endian = (description->flags & AV_PIX_FMT_FLAG_BE) != 0;
    if (depth > 8 && big_endian != (AV_HAVE_BIGENDIAN != 0)) {
        return false;
    }
    for (int i = 0; i < description->nb_components; i++) {
        const AVComponentDescriptor *component = &description->comp[i];
        if (component->plane != i || component->step != (depth > 8 ? 2 : 1) ||
            component->offset != 0 || component->shift != 0 || component->depth != depth) {
            return false;
        }
    }
    return true;
}

static bool describe_sampling(const AVPixFmtDescriptor *description, pipersr_yuv_sampling *sampling)
{
    if (description->nb_components == 1) {
        *sampling = PIPERSR_YUV_400;
        return true;
    }
    *sampling = description->log2_chroma_h == 1   ? PIPERSR_YUV_420
                : description->log2_chroma_w == 1 ? PIPERSR_YUV_422
                                                  : PIPERSR_YUV_444;
    return description->log2_chroma_w <= 1 &&
           description->log2_chroma_h <= description->log2_chroma_w;
}

static bool describe_siting(enum AVChromaLocation location, bool half_height,
                            pipersr_yuv_siting *siting)
{
    switch (location) {
    case AVCHROMA_LOC_UNSPECIFIED:
    case AVCHROMA_LOC_LEFT:
        *siting = PIPERSR_YUV_LEFT;
        return true;
    case AVCHROMA_LOC_CENTER:
        *siting = PIPERSR_YUV_CENTRE;
        return true;
    case AVCHROMA_LOC_TOPLEFT:
        *siting = PIPERSR_YUV_TOP_LEFT;
        return true;
    case AVCHROMA_LOC_BOTTOMLEFT: /* without half the rows, the height says nothing */
        *siting = PIPERSR_YUV_LEFT;
        return !half_height;
    default:
        *siting = PIPERSR_YUV_CENTRE;
        return !half_height;
    }
}

bool media_planar_describe(const struct media_samples *samples, pipersr_yuv_format *format)
{
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(samples->format);
    *format = (pipersr_yuv_format){0};
    if (description == NULL || !has_plain_planes(description) ||
        !describe_sampling(description, &format->sampling) ||
        !describe_matrix(samples->matrix, &format->matrix) ||
        !describe_siting(samples->chroma_location, format->sampling == PIPERSR_YUV_420,
                         &format->siting)) {
        return false;
    }
    format->bits = (uint32_t)description->comp[0].depth;
    format->full_range = samples->full_range;
    return true;
}

bool media_planar_same(const pipersr_yuv_format *a, const pipersr_yuv_format *b)
{
    return a->sampling == b->sampling && a->bits == b->bits && a->matrix == b->matrix &&
           a->full_range == b->full_range && a->siting == b->siting;
}

pipersr_yuv_frame media_planar_view(const AVFrame *frame)
{
    pipersr_yuv_frame view = {.width_px = (uint32_t)frame->width,
                              .height_px = (uint32_t)frame->height};
    for (int i = 0; i < 3; i++) {
        view.plane[i] = frame->data[i];
        view.stride_bytes[i] = frame->linesize[i];
    }
    return view;
}
