/* SPDX-License-Identifier: MIT */
#include "media/video_losses.h"

#include <stdio.h>

#include <libavutil/dovi_meta.h>
#include <libavutil/pixdesc.h>

#include "media/video_compat.h"

static void note(const struct media_job *job, const char *line)
{
    if (job->on_note != NULL) {
        job->on_note(job->opaque, line);
    }
}

static const struct {
    enum media_loss loss;
    const char *word, *name;
} kinds[] = {
    {MEDIA_LOSS_DOLBY_VISION, "dolby-vision", "Dolby Vision"},
    {MEDIA_LOSS_HDR10PLUS, "hdr10plus", "HDR10+"},
    {MEDIA_LOSS_HDR_VIVID, "hdr-vivid", "HDR Vivid"},
};

enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static unsigned take_away(AVFrame *frame)
{
    static const struct {
        enum AVFrameSideDataType type;
        enum media_loss loss;
    } types[] = {
        {AV_FRAME_DATA_DOVI_RPU_BUFFER, MEDIA_LOSS_DOLBY_VISION},
        {AV_FRAME_DATA_DOVI_METADATA, MEDIA_LOSS_DOLBY_VISION},
        {AV_FRAME_DATA_DYNAMIC_HDR_PLUS, MEDIA_LOSS_HDR10PLUS},
        {AV_FRAME_DATA_DYNAMIC_HDR_VIVID, MEDIA_LOSS_HDR_VIVID},
    };
    unsigned found = 0;
    for (size_t i = 0; frame->nb_side_data > 0 && i < sizeof types / sizeof types[0]; i++) {
        if (av_frame_get_side_data(frame, types[i].type) != NULL) {
            found |= types[i].loss;
            av_frame_remove_side_data(frame, types[i].type);
        }
    }
    return found;
}

/* Without its description, the base layer of such a stream is no picture in any ordinary colours.
 */
static bool is_dolby_vision_only(const AVStream *stream, bool *has_dolby_vision)
{
    size_t size_bytes = 0;
    const void *data = media_stream_side_data(stream, AV_PKT_DATA_DOVI_CONF, &size_bytes);
    *has_dolby_vision = data != NULL && size_bytes >= sizeof(AVDOVIDecoderConfigurationRecord);
    if (!*has_dolby_vision) {
        return false;
    }
    const AVDOVIDecoderConfigurationRecord *record = data;
    return record->dv_profile == 5;
}

enum media_status media_losses_of_frame(AVFrame *frame, const AVStream *stream, unsigned allowed,
                                        unsigned *found, struct media_error *error)
{
    bool has_dolby_vision;
    if (is_dolby_vision_only(stream, &has_dolby_vision)) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "Dolby Vision of profile 5: its colours mean nothing without it, and it "
                          "is lost when pictures are enlarged");
    }
    *found |= take_away(frame) | (has_dolby_vision ? MEDIA_LOSS_DOLBY_VISION : 0);
    for (size_t i = 0; i < N_KINDS; i++) {
        if ((*found & ~allowed & kinds[i].loss) != 0) {
            return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                              "%s describes each old picture and cannot be kept; --allow-lossy %s "
                              "goes without it",
                              kinds[i].name, kinds[i].word);
        }
    }
    return MEDIA_OK;
}

void media_losses_note(const struct media_job *job, unsigned losses)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        if ((losses & kinds[i].loss) != 0) {
            char line[96];
            snprintf(line, sizeof line, "%s is lost, as --allow-lossy says", kinds[i].name);
            note(job, line);
        }
    }
}

static bool is_hdr(const AVFrame *frame)
{
    return frame->color_trc == AVCOL_TRC_SMPTE2084 || frame->color_trc == AVCOL_TRC_ARIB_STD_B67;
}

static enum media_status check_depth(const struct media_job *job,
                                     const struct media_video_options *options, int from_bits,
                                     int to_bits, const char *codec, struct media_error *error)
{
    /* A format that was asked for by its name is as good as allowed. */
    const bool allowed = options->pix_fmt != NULL || (options->allow_lossy & MEDIA_LOSS_DEPTH) != 0;
    if (from_bits > 8 && to_bits <= 8 && !allowed) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "%s takes %d bits per sample, not %d; choose another --codec, or "
                          "--allow-lossy depth",
                          codec, to_bits, from_bits);
    }
    if (from_bits > to_bits) {
        char line[128];
        snprintf(line, sizeof line, "%s takes %d bits per sample, not %d: the rest is lost", codec,
                 to_bits, from_bits);
        note(job, line);
    }
    return MEDIA_OK;
}

enum media_status media_losses_of_format(const struct media_job *job,
                                         const struct media_video_options *options,
                                         enum AVPixelFormat source, const AVFrame *first_frame,
                                         const struct media_video_encoder *encoder,
                                         bool has_description, struct media_error *error)
{
    const AVPixFmtDescriptor *from = av_pix_fmt_desc_get(source);
    const AVPixFmtDescriptor *to = av_pix_fmt_desc_get(encoder->format);
    const char *codec = encoder->codec->name;
    if (is_hdr(first_frame) && !has_description) {
        if ((options->allow_lossy & MEDIA_LOSS_HDR) == 0) {
            return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                              "HDR colours cannot be described in this format; write .mkv or .mp4, "
                              "or add --allow-lossy hdr");
        }
        note(job, "what the HDR colours mean is not written: the format has no words for it");
    }
    enum media_status status =
        check_depth(job, options, from->comp[0].depth, to->comp[0].depth, codec, error);
    if (status != MEDIA_OK) {
        return status;
    }
    char line[160];
    const bool is_coarser =
        from->log2_chroma_w < to->log2_chroma_w || from->log2_chroma_h < to->log2_chroma_h;
    if (is_coarser && !encoder->chose_coarser) {
        snprintf(line, sizeof line, "%s does not take %s: colour is stored more coarsely, as %s",
                 codec, from->name, to->name);
        note(job, line);
    }
    const bool had_alpha = (from->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
    if (had_alpha && (to->flags & AV_PIX_FMT_FLAG_ALPHA) == 0 &&
        (from->flags & AV_PIX_FMT_FLAG_PAL) == 0) {
        snprintf(line, sizeof line,
                 "%s does not take transparency: it is lost; ffv1 in .mkv keeps it", codec);
        note(job, line);
    }
    return MEDIA_OK;
}
