/* SPDX-License-Identifier: MIT */
#include "media/video_colour.h"

#include <string.h>

#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

/* Chroma from four neighbours each way, none of the shortcuts that shift colours by a code or two,
 * chroma for every RGB pixel. */
enum {
    CONVERSION_FLAGS = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP
};

/* Standards leave it open what an untagged picture is; players go by its size. This is mpv's rule,
 * and near to VLC's: standard definition is BT.601, everything larger BT.709. */
static bool is_standard_definition(int width_px, int height_px)
{
    return width_px < 1280 && height_px <= 576;
}

enum AVColorSpace media_colour_guess_matrix(int width_px, int height_px)
{
    return is_standard_definition(width_px, height_px) ? AVCOL_SPC_SMPTE170M : AVCOL_SPC_BT709;
}

static enum AVColorPrimaries guess_primaries(int width_px, int height_px)
{
    if (is_standard_definition(width_px, height_px)) {
        if (height_px == 576) {
            return AVCOL_PRI_BT470BG;
        }
        if (height_px == 480 || height_px == 486) {
            return AVCOL_PRI_SMPTE170M;
        }
    }
    return AVCOL_PRI_BT709;
}

static const struct {
    enum AVPixelFormat full_range, plain;
} yuvj_formats[] = {
    {AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P}, {AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV422P},
    {AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV444P}, {AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUV440P},
    {AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUV411P},
};

enum AVPixelFormat media_colour_plain_format(enum AVPixelFormat format)
{
    for (size_t i = 0; i < sizeof yuvj_formats / sizeof yuvj_formats[0]; i++) {
        if (yuvj_formats[i].full_range == format) {
            return yuvj_formats[i].plain;
        }
    }
    return format;
}

bool media_colour_is_rgb(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(format);
    return description != NULL &&
           (description->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) != 0;
}

/* libswscale's coefficients for a matrix, or -1 for one that it has none for. */
static int matrix_coefficients(enum AVColorSpace matrix)
{
    switch (matrix) {
    case AVCOL_SPC_BT709:
        return SWS_CS_ITU709;
    case AVCOL_SPC_FCC:
        return SWS_CS_FCC;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
        return SWS_CS_SMPTE170M;
    case AVCOL_SPC_SMPTE240M:
        return SWS_CS_SMPTE240M;
    case AVCOL_SPC_BT2020_NCL:
        return SWS_CS_BT2020;
    default:
        return -1;
    }
}

enum media_status media_colour_describe(const AVFrame *frame, struct media_samples *samples,
                                        struct media_error *error)
{
    enum AVPixelFormat format = frame->format;
    const char *name = av_get_pix_fmt_name(format);
    if (!sws_isSupportedInput(format)) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "pixel format %s cannot be converted to RGB; convert the video first",
                          name != NULL ? name : "?");
    }
    *samples = (struct media_samples){
        .format = media_colour_plain_format(format),
        .width_px = frame->width,
        .height_px = frame->height,
        .matrix = frame->colorspace,
        .full_range = frame->color_range == AVCOL_RANGE_JPEG,
        .chroma_location = frame->chroma_location,
    };
    if (samples->format != format) {
        samples->full_range = true;
    }
    if (media_colour_is_rgb(format)) {
        samples->matrix = AVCOL_SPC_RGB;
        samples->full_range = true;
        return MEDIA_OK;
    }
    /* "RGB" on YUV samples is a tagging error that players ignore. */
    if (samples->matrix == AVCOL_SPC_UNSPECIFIED || samples->matrix == AVCOL_SPC_RESERVED ||
        samples->matrix == AVCOL_SPC_RGB) {
        samples->matrix = media_colour_guess_matrix(frame->width, frame->height);
    }
    if (matrix_coefficients(samples->matrix) < 0) {
        const char *matrix = av_color_space_name(samples->matrix);
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "colour matrix %s is not supported; convert the video to bt2020nc or "
                          "bt709 first",
                          matrix != NULL ? matrix : "?");
    }
    return MEDIA_OK;
}

struct media_colour_tags media_colour_tags_for(const AVFrame *frame,
                                               const struct media_samples *samples,
                                               enum AVPixelFormat format, int width_px,
                                               int height_px)
{
    struct media_colour_tags tags = {
        .matrix = frame->colorspace,
        .range = frame->color_range,
        .primaries = frame->color_primaries,
        .transfer = frame->color_trc,
        .chroma_location = frame->chroma_location,
    };
    if (media_colour_is_rgb(format)) {
        tags.matrix = AVCOL_SPC_RGB;
        tags.range = AVCOL_RANGE_JPEG;
        return tags;
    }
    if (samples->matrix == AVCOL_SPC_RGB) { /* RGB in, YUV out: nothing to keep, so say it all */
        tags.matrix = media_colour_guess_matrix(width_px, height_px);
        tags.range = AVCOL_RANGE_MPEG;
        return tags;
    }
    if (samples->full_range) {
        tags.range = AVCOL_RANGE_JPEG; /* also for yuvj formats, which may lack the tag */
    }
    if (tags.matrix != samples->matrix &&
        samples->matrix != media_colour_guess_matrix(width_px, height_px)) {
        tags.matrix = samples->matrix;
    }
    enum AVColorPrimaries guess = guess_primaries(samples->width_px, samples->height_px);
    if (tags.primaries == AVCOL_PRI_UNSPECIFIED && guess != guess_primaries(width_px, height_px)) {
        tags.primaries = guess;
    }
    return tags;
}

enum AVPixelFormat media_colour_network_format(enum AVPixelFormat format, bool keep_alpha)
{
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(format);
    bool deep = description != NULL && description->comp[0].depth > 8;
    if (keep_alpha) {
        return deep ? AV_PIX_FMT_RGBA64 : AV_PIX_FMT_RGBA;
    }
    return deep ? AV_PIX_FMT_RGB48 : AV_PIX_FMT_RGB24;
}

pipersr_format media_colour_engine_format(enum AVPixelFormat network_format)
{
    switch (network_format) {
    case AV_PIX_FMT_RGBA64:
        return PIPERSR_RGBA16;
    case AV_PIX_FMT_RGBA:
        return PIPERSR_RGBA8;
    case AV_PIX_FMT_RGB48:
        return PIPERSR_RGB16;
    default:
        return PIPERSR_RGB8;
    }
}

/* Offsets of the chroma samples from the luma samples, in 1/256 of a luma sample. */
static void chroma_position(const struct media_samples *samples, int64_t *x, int64_t *y)
{
    enum { BY_FORMAT = -513 }; /* libswscale's own word for "not subsampled, nothing to say" */
    *x = BY_FORMAT;
    *y = BY_FORMAT;
    int x_shift = 0, y_shift = 0;
    if (media_colour_is_rgb(samples->format) ||
        av_pix_fmt_get_chroma_sub_sample(samples->format, &x_shift, &y_shift) < 0) {
        return;
    }
    enum AVChromaLocation location = samples->chroma_location;
    bool centred = location == AVCHROMA_LOC_CENTER || location == AVCHROMA_LOC_TOP ||
                   location == AVCHROMA_LOC_BOTTOM;
    bool top = location == AVCHROMA_LOC_TOP || location == AVCHROMA_LOC_TOPLEFT;
    bool bottom = location == AVCHROMA_LOC_BOTTOM || location == AVCHROMA_LOC_BOTTOMLEFT;
    int64_t x_middle = (128 << x_shift) - 128, y_middle = (128 << y_shift) - 128;
    if (x_shift > 0) {
        *x = centred ? x_middle : 0;
    }
    if (y_shift > 0) {
        *y = top ? 0 : bottom ? 2 * y_middle : y_middle;
    }
}

static bool set_options(struct SwsContext *context, const struct media_samples *from,
                        const struct media_samples *to)
{
    int64_t from_x, from_y, to_x, to_y;
    chroma_position(from, &from_x, &from_y);
    chroma_position(to, &to_x, &to_y);
    const struct {
        const char *name;
        int64_t value;
    } options[] = {
        {"srcw", from->width_px},        {"srch", from->height_px}, {"src_format", from->format},
        {"src_range", from->full_range}, {"src_h_chr_pos", from_x}, {"src_v_chr_pos", from_y},
        {"dstw", to->width_px},          {"dsth", to->height_px},   {"dst_format", to->format},
        {"dst_range", to->full_range},   {"dst_h_chr_pos", to_x},   {"dst_v_chr_pos", to_y},
        {"sws_flags", CONVERSION_FLAGS},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (av_opt_set_int(context, options[i].name, options[i].value, 0) < 0) {
            return false;
        }
    }
    return true;
}

static bool same_samples(const struct media_samples *a, const struct media_samples *b)
{
    return a->format == b->format && a->width_px == b->width_px && a->height_px == b->height_px &&
           a->matrix == b->matrix && a->full_range == b->full_range &&
           a->chroma_location == b->chroma_location;
}

enum media_status media_colour_prepare(struct media_colour_conversion *conversion,
                                       const struct media_samples *from,
                                       const struct media_samples *to, struct media_error *error)
{
    if (conversion->context != NULL && same_samples(&conversion->from, from) &&
        same_samples(&conversion->to, to)) {
        return MEDIA_OK;
    }
    media_colour_free(conversion);
    conversion->context = sws_alloc_context();
    if (conversion->context == NULL) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    conversion->from = *from;
    conversion->to = *to;
    int from_matrix = matrix_coefficients(from->matrix),
        to_matrix = matrix_coefficients(to->matrix);
    if (!set_options(conversion->context, from, to) ||
        sws_init_context(conversion->context, NULL, NULL) < 0) {
        media_colour_free(conversion);
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "libswscale cannot convert %s to %s at %dx%d",
                          av_get_pix_fmt_name(from->format), av_get_pix_fmt_name(to->format),
                          from->width_px, from->height_px);
    }
    /* The RGB side's coefficients are not looked at. Grey and RGB to RGB refuse the call: there is
     * no matrix to set. */
    sws_setColorspaceDetails(
        conversion->context, sws_getCoefficients(from_matrix >= 0 ? from_matrix : SWS_CS_DEFAULT),
        from->full_range, sws_getCoefficients(to_matrix >= 0 ? to_matrix : SWS_CS_DEFAULT),
        to->full_range, 0, 1 << 16, 1 << 16);
    return MEDIA_OK;
}

enum media_status media_colour_convert(struct media_colour_conversion *conversion,
                                       const AVFrame *from, AVFrame *to, struct media_error *error)
{
    int rows = sws_scale(conversion->context, (const uint8_t *const *)from->data, from->linesize, 0,
                         from->height, to->data, to->linesize);
    if (rows != to->height) {
        return media_fail(error, MEDIA_ERROR_INTERNAL, "libswscale converted %d of %d rows", rows,
                          to->height);
    }
    return MEDIA_OK;
}

void media_colour_free(struct media_colour_conversion *conversion)
{
    sws_freeContext(conversion->context);
    conversion->context = NULL;
}
