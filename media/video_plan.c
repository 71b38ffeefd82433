/* SPDX-License-Identifier: MIT */
#include "media/video_plan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/pixdesc.h>

#include "media/video_compat.h"
#include "media/video_encoder_choice.h"
#include "media/video_losses.h"
#include "media/video_output.h"
#include "media/video_sequence_output.h"

static void note(const struct media_job *job, const char *line)
{
    if (job->on_note != NULL) {
        job->on_note(job->opaque, line);
    }
}

/* How players are told to turn the picture; NULL if they are not. */
static const uint8_t *find_matrix(const AVStream *stream, const AVFrame *first_frame,
                                  size_t *size_bytes)
{
    const uint8_t *matrix = media_stream_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, size_bytes);
    const AVFrameSideData *of_frame =
        av_frame_get_side_data(first_frame, AV_FRAME_DATA_DISPLAYMATRIX);
    if (matrix == NULL && of_frame != NULL) {
        matrix = of_frame->data;
        *size_bytes = of_frame->size;
    }
    return matrix;
}

static void plan_orientation(struct media_video_plan *plan, const struct media_job *job,
                             const AVOutputFormat *muxer, const AVStream *stream,
                             const AVFrame *first_frame)
{
    size_t size_bytes = 0;
    struct media_orientation orientation = {0};
    const uint8_t *matrix = find_matrix(stream, first_frame, &size_bytes);
    const bool is_known =
        matrix == NULL || media_orientation_from_matrix(matrix, size_bytes, &orientation);
    if (media_video_output_keeps_rotation(muxer)) {
        plan->shown_transposed = orientation.transpose; /* it travels as side data */
        return;
    }
    plan->orientation = orientation;
    if (!is_known) {
        note(job, "the video's rotation is not a multiple of 90 degrees and is lost in this "
                  "container; .mp4 keeps it");
    }
}

static enum media_status plan_sizes(struct media_video_plan *plan, const struct media_job *job,
                                    struct media_error *error)
{
    int64_t width_px = plan->source.width_px, height_px = plan->source.height_px;
    if (plan->orientation.transpose) {
        width_px = plan->source.height_px;
        height_px = plan->source.width_px;
    }
    for (unsigned i = 0; i <= job->passes; i++) {
        if (width_px > INT_MAX / 64 || height_px > INT_MAX / 64) {
            return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "the video is too large");
        }
        plan->pass_width_px[i] = (int)width_px;
        plan->pass_height_px[i] = (int)height_px;
        if (i < job->passes) {
            pipersr_upscaler_info info;
            pipersr_upscaler_get_info(job->pass[i], &info);
            width_px *= info.scale;
            height_px *= info.scale;
        }
    }
    return MEDIA_OK;
}

/* Fits the picture into a height, as it is shown, with its shape kept: sizes are even for the sake
 * of 4:2:0, and the pixels' own shape makes up for the rounding. */
static enum media_status fit_height(struct media_video_plan *plan, uint32_t max_height_px,
                                    struct media_error *error)
{
    int *width_px = &plan->target.width_px, *height_px = &plan->target.height_px;
    int old_height_px = plan->pass_height_px[0];
    if (plan->shown_transposed) {
        width_px = &plan->target.height_px;
        height_px = &plan->target.width_px;
        old_height_px = plan->pass_width_px[0];
    }
    if (max_height_px == 0 || *height_px <= (int64_t)max_height_px) {
        return MEDIA_OK;
    }
    if (old_height_px >= (int64_t)max_height_px) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "the video is %d pixels high already; with --max-height %u there is "
                          "nothing to enlarge",
                          old_height_px, max_height_px);
    }
    const int from_width_px = *width_px, from_height_px = *height_px;
    *height_px = (int)(max_height_px & ~1U);
    int64_t half_px = av_rescale(from_width_px, *height_px, 2 * (int64_t)from_height_px);
    *width_px = half_px > 0 ? (int)(2 * half_px) : 2;
    plan->shape.num = from_width_px;
    plan->shape.den = from_height_px;
    plan->shape = av_mul_q(plan->shape, (AVRational){*height_px, *width_px});
    if (plan->shown_transposed) {
        plan->shape = av_inv_q(plan->shape);
    }
    return MEDIA_OK;
}

static void note_interlacing(const struct media_job *job,
                             const struct media_deinterlacer *deinterlacer,
                             const AVFrame *first_frame)
{
    if (deinterlacer->n_interlaced > 0) {
        char line[160];
        snprintf(line, sizeof line,
                 "interlaced, %s field first: deinterlaced, one frame for each%s",
                 deinterlacer->top_field_first ? "top" : "bottom",
                 deinterlacer->mode == MEDIA_DEINTERLACE_AUTO
                     ? "; --deinterlace no leaves the fields as they are"
                     : "");
        note(job, line);
    } else if (media_frame_interlaced(first_frame)) {
        note(job, "the video is interlaced and is enlarged as it is, which blurs what moves");
    }
}

/* Pictures have no rate, so a default may well be wrong. */
static void note_rate(const struct media_job *job, const struct media_video_options *options,
                      const AVOutputFormat *muxer, const struct media_video_input *input)
{
    if (input->sequence != NULL && options->framerate_num == 0 &&
        !media_encoder_is_sequence(muxer)) {
        note(job, "25 pictures make a second; --framerate chooses another rate");
    }
}

static void plan_picture(struct media_video_plan *plan, const AVOutputFormat *muxer,
                         const struct media_video_input *input, const AVFrame *first_frame,
                         bool is_webp)
{
    AVStream *stream = input->stream;
    AVRational sample_aspect_ratio =
        av_guess_sample_aspect_ratio(input->format, stream, (AVFrame *)(uintptr_t)first_frame);
    if (plan->orientation.transpose && sample_aspect_ratio.num > 0) {
        sample_aspect_ratio = av_inv_q(sample_aspect_ratio);
    }
    if (plan->shape.num != plan->shape.den) {
        const bool is_known = sample_aspect_ratio.num > 0 && sample_aspect_ratio.den > 0;
        sample_aspect_ratio = is_known ? av_mul_q(sample_aspect_ratio, plan->shape) : plan->shape;
    }
    AVRational frame_rate =
        av_guess_frame_rate(input->format, stream, (AVFrame *)(uintptr_t)first_frame);
    if (frame_rate.num <= 0 || frame_rate.den <= 0) {
        frame_rate = (AVRational){25, 1}; /* for rate control only: timestamps are carried */
    }
    plan->picture = (struct media_video_picture){
        .width_px = plan->target.width_px,
        .height_px = plan->target.height_px,
        .time_base = stream->time_base,
        .frame_rate = frame_rate,
        .sample_aspect_ratio = sample_aspect_ratio,
        .tags = media_colour_tags_for(first_frame, &plan->source, plan->target.format,
                                      plan->target.width_px, plan->target.height_px),
    };
    if (media_encoder_is_sequence(muxer)) {
        media_sequence_set_tags(plan->target.format, is_webp,
                                input->sequence != NULL || plan->source.matrix == AVCOL_SPC_RGB,
                                &plan->picture.tags);
    } else if (input->sequence != NULL) {
        media_video_sequence_set_tags(plan->target.format, &plan->picture.tags);
    }
    media_hdr_describe(stream, first_frame, &plan->picture.hdr);
    plan->counts_frames = strcmp(muxer->name, "yuv4mpegpipe") == 0;
    if (plan->counts_frames) {
        plan->picture.time_base = av_inv_q(frame_rate);
        /* y4m cannot name its matrix; a player goes by the size, so that is what it must be. */
        plan->picture.tags.matrix =
            media_colour_guess_matrix(plan->target.width_px, plan->target.height_px);
    }
}

static void plan_target_colour(struct media_video_plan *plan)
{
    const struct media_colour_tags *tags = &plan->picture.tags;
    plan->target.matrix =
        tags->matrix != AVCOL_SPC_UNSPECIFIED ? tags->matrix : plan->source.matrix;
    plan->target.full_range = tags->range == AVCOL_RANGE_JPEG;
    plan->target.chroma_location = tags->chroma_location;
    /* The guess may stand for a tag that is absent or invalid; libswscale needs the real one. */
    if (!media_colour_is_rgb(plan->target.format) && plan->target.matrix == AVCOL_SPC_RGB) {
        plan->target.matrix = plan->source.matrix;
    }
}

/* Colours pass the network as planes where both ends have the same ones. */
static void plan_planes(struct media_video_plan *plan)
{
    pipersr_yuv_format target;
    plan->planar = plan->source.format == plan->target.format &&
                   plan->target.height_px == plan->network_output.height_px &&
                   media_orientation_is_plain(&plan->orientation) &&
                   media_planar_describe(&plan->source, &plan->planes) &&
                   media_planar_describe(&plan->target, &target) &&
                   media_planar_same(&plan->planes, &target);
    plan->frame_format = plan->planar ? plan->source.format : plan->network_format;
}

enum media_status
media_video_plan_make(struct media_video_plan *plan, const struct media_job *job,
                      const struct media_video_options *options, const AVOutputFormat *muxer,
                      const struct media_video_input *input, const AVFrame *first_frame,
                      struct media_video_encoder *encoder, struct media_error *error)
{
    *plan = (struct media_video_plan){.shape = {1, 1}};
    enum media_status status = media_colour_describe(first_frame, &plan->source, error);
    if (status == MEDIA_OK) {
        status = media_video_encoder_choose(encoder, job, options, muxer, input,
                                            plan->source.format, error);
    }
    if (status == MEDIA_OK) {
        plan_orientation(plan, job, muxer, input->stream, first_frame);
        status = plan_sizes(plan, job, error);
    }
    if (status == MEDIA_OK) {
        status = media_losses_of_format(job, options, plan->source.format, first_frame, encoder,
                                        media_encoder_describes_colour(muxer), error);
    }
    if (status != MEDIA_OK) {
        return status;
    }
    media_losses_note(job, input->losses);
    plan->deinterlaced = input->deinterlacer.n_interlaced > 0;
    note_interlacing(job, &input->deinterlacer, first_frame);
    const AVPixFmtDescriptor *from = av_pix_fmt_desc_get(plan->source.format);
    const AVPixFmtDescriptor *to = av_pix_fmt_desc_get(encoder->format);
    bool keep_alpha = (from->flags & to->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
    plan->network_format = media_colour_network_format(plan->source.format, keep_alpha);
    plan->network_input = (struct media_samples){.format = plan->network_format,
                                                 .width_px = plan->source.width_px,
                                                 .height_px = plan->source.height_px,
                                                 .matrix = AVCOL_SPC_RGB,
                                                 .full_range = true};
    plan->network_output = plan->network_input;
    plan->network_output.width_px = plan->pass_width_px[job->passes];
    plan->network_output.height_px = plan->pass_height_px[job->passes];
    plan->target = plan->network_output;
    plan->target.format = encoder->format;
    status = fit_height(plan, options->max_height_px, error);
    if (status != MEDIA_OK) {
        return status;
    }
    note_rate(job, options, muxer, input);
    plan_picture(plan, muxer, input, first_frame, encoder->codec->id == AV_CODEC_ID_WEBP);
    plan_target_colour(plan);
    plan_planes(plan);
    return MEDIA_OK;
}
