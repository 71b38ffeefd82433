/* SPDX-License-Identifier: MIT */
#include "media/video_pipeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "media/video_compat.h"

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

/* ---------------------------------------------------------------------------------- stage 1 -- */

static enum media_status fail_other_size(const struct media_pipeline *pipeline,
                                         const AVFrame *decoded, struct media_error *error)
{
    const struct media_samples *source = &pipeline->plan.source;
    const struct media_video_sequence *sequence = pipeline->input.sequence;
    char *name =
        media_sequence_name(sequence->pattern, media_video_sequence_number(sequence, decoded));
    enum media_status status = media_fail(
        error, MEDIA_ERROR_UNSUPPORTED,
        "%s has %dx%d pixels, but the first picture %dx%d; all of a sequence must be alike",
        name != NULL ? name : sequence->pattern, decoded->width, decoded->height, source->width_px,
        source->height_px);
    free(name);
    return status;
}

/* A size that changes in mid-stream has no place in the output; a pixel format that changes has. */
static enum media_status check_size(const struct media_pipeline *pipeline, const AVFrame *decoded,
                                    struct media_error *error)
{
    const struct media_samples *source = &pipeline->plan.source;
    if (decoded->width == source->width_px && decoded->height == source->height_px) {
        return MEDIA_OK;
    }
    if (pipeline->input.sequence != NULL) {
        return fail_other_size(pipeline, decoded, error);
    }
    return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                      "the picture's size changes from %dx%d to %dx%d at frame %" PRIu64
                      "; cut the video there and upscale the parts",
                      source->width_px, source->height_px, decoded->width, decoded->height,
                      pipeline->input.n_frames);
}

/* *rgb: a new frame in the network's RGB format, of the input's size, or NULL. */
static enum media_status convert_to_rgb(struct media_pipeline *pipeline, const AVFrame *decoded,
                                        const struct media_samples *samples, AVFrame **rgb,
                                        struct media_error *error)
{
    enum media_status status =
        media_colour_prepare(&pipeline->to_rgb, samples, &pipeline->plan.network_input, error);
    *rgb = NULL;
    if (status != MEDIA_OK) {
        return status;
    }
    *rgb = media_frame_pool_get(&pipeline->unturned);
    if (*rgb == NULL || av_frame_copy_props(*rgb, decoded) < 0) {
        status = fail_memory(error);
    }
    if (status == MEDIA_OK) {
        status = media_colour_convert(&pipeline->to_rgb, decoded, *rgb, error);
    }
    if (status != MEDIA_OK) {
        media_frame_give_back(&pipeline->shells, rgb);
    }
    return status;
}

/* Replaces an RGB frame by one that is turned upright. */
static enum media_status turn(struct media_pipeline *pipeline, AVFrame **rgb,
                              struct media_error *error)
{
    AVFrame *upright = media_frame_pool_get(&pipeline->frames[0]);
    if (upright == NULL || av_frame_copy_props(upright, *rgb) < 0) {
        media_frame_give_back(&pipeline->shells, &upright);
        return fail_memory(error);
    }
    pipersr_format format = media_colour_engine_format(pipeline->plan.network_format);
    media_orientation_apply(&pipeline->plan.orientation, *rgb, upright,
                            pipersr_format_pixel_bytes(format));
    media_frame_give_back(&pipeline->shells, rgb);
    *rgb = upright;
    return MEDIA_OK;
}

/* Replaces an RGB frame by one with the planes that the video began with. */
static enum media_status back_to_planes(struct media_pipeline *pipeline, AVFrame **rgb,
                                        struct media_error *error)
{
    const struct media_video_plan *plan = &pipeline->plan;
    enum media_status status =
        media_colour_prepare(&pipeline->to_planes, &plan->network_input, &plan->source, error);
    if (status != MEDIA_OK) {
        return status;
    }
    AVFrame *planes = media_frame_pool_get(&pipeline->frames[0]);
    if (planes == NULL || av_frame_copy_props(planes, *rgb) < 0) {
        status = fail_memory(error);
    }
    if (status == MEDIA_OK) {
        status = media_colour_convert(&pipeline->to_planes, *rgb, planes, error);
    }
    if (status != MEDIA_OK) {
        media_frame_give_back(&pipeline->shells, &planes);
        return status;
    }
    media_frame_give_back(&pipeline->shells, rgb);
    *rgb = planes;
    return MEDIA_OK;
}

/* *frame: what the network reads, either another reference to the decoded frame or a conversion of
 * it; NULL on failure. */
static enum media_status make_network_frame(struct media_pipeline *pipeline, const AVFrame *decoded,
                                            AVFrame **frame, struct media_error *error)
{
    const struct media_video_plan *plan = &pipeline->plan;
    struct media_samples samples;
    pipersr_yuv_format planes;
    *frame = NULL;
    enum media_status status = check_size(pipeline, decoded, error);
    if (status == MEDIA_OK) {
        status = media_colour_describe(decoded, &samples, error);
    }
    if (status != MEDIA_OK) {
        return status;
    }
    if (plan->planar && media_planar_describe(&samples, &planes) &&
        media_planar_same(&planes, &plan->planes)) {
        *frame = media_frame_reference(&pipeline->shells, decoded);
        return *frame != NULL ? MEDIA_OK : fail_memory(error);
    }
    status = convert_to_rgb(pipeline, decoded, &samples, frame, error);
    if (status == MEDIA_OK && plan->planar) {
        status = back_to_planes(pipeline, frame, error);
    } else if (status == MEDIA_OK && !media_orientation_is_plain(&plan->orientation)) {
        status = turn(pipeline, frame, error);
    }
    if (status != MEDIA_OK) {
        media_frame_give_back(&pipeline->shells, frame);
    }
    return status;
}

static enum media_status pass_on(struct media_pipeline *pipeline, const AVFrame *decoded,
                                 struct media_error *error)
{
    AVFrame *frame;
    enum media_status status = make_network_frame(pipeline, decoded, &frame, error);
    if (status == MEDIA_OK) {
        status = media_queue_put(pipeline->to_network, frame);
        if (status != MEDIA_OK) {
            media_frame_give_back(&pipeline->shells, &frame);
        }
    }
    return status;
}

static enum media_status decode_all(struct media_pipeline *pipeline, AVFrame *decoded,
                                    struct media_error *error)
{
    enum media_status status = MEDIA_OK;
    for (size_t i = 0; status == MEDIA_OK && i < pipeline->early.count; i++) {
        status = media_video_output_copy(&pipeline->output, pipeline->early.packets[i], error);
    }
    media_pipeline_free_early(&pipeline->early);
    if (status == MEDIA_OK) {
        status = pass_on(pipeline, pipeline->first_frame, error);
    }
    av_frame_free(&pipeline->first_frame);
    while (status == MEDIA_OK && pipeline->input.n_frames != pipeline->max_frames) {
        bool got_frame;
        status = media_video_input_read(&pipeline->input, decoded, &got_frame,
                                        media_video_output_copy, &pipeline->output, error);
        if (status != MEDIA_OK || !got_frame) {
            break;
        }
        status = pass_on(pipeline, decoded, error);
        av_frame_unref(decoded);
    }
    return status;
}

enum media_status media_stage_decode(struct media_pipeline *pipeline, struct media_error *error)
{
    AVFrame *decoded = av_frame_alloc();
    if (decoded == NULL) {
        return fail_memory(error);
    }
    enum media_status status = decode_all(pipeline, decoded, error);
    av_frame_free(&decoded);
    if (status == MEDIA_OK) {
        media_queue_finish(pipeline->to_network);
    }
    return status;
}

/* ---------------------------------------------------------------------------------- stage 3 -- */

/* The frame has the decoded frame's properties: corrects those that are about its old pixels and
 * bitstream. */
static void correct_properties(const struct media_pipeline *pipeline, AVFrame *to)
{
    static const enum AVFrameSideDataType outdated[] = {
        AV_FRAME_DATA_PANSCAN,
        AV_FRAME_DATA_MOTION_VECTORS,
        AV_FRAME_DATA_REGIONS_OF_INTEREST,
        AV_FRAME_DATA_VIDEO_ENC_PARAMS,
        AV_FRAME_DATA_FILM_GRAIN_PARAMS,
        AV_FRAME_DATA_SEI_UNREGISTERED,
    };
    for (size_t i = 0; i < sizeof outdated / sizeof outdated[0]; i++) {
        av_frame_remove_side_data(to, outdated[i]);
    }
    if (!media_orientation_is_plain(&pipeline->plan.orientation)) {
        av_frame_remove_side_data(to, AV_FRAME_DATA_DISPLAYMATRIX);
    }
    const struct media_video_picture *picture = &pipeline->plan.picture;
    media_frame_clear_interlaced(to);
    to->quality = pipeline->encoder.context->global_quality; /* 0, except for pictures */
    to->pict_type = AV_PICTURE_TYPE_NONE;                    /* the encoder decides */
    to->crop_left = to->crop_right = to->crop_top = to->crop_bottom = 0;
    to->sample_aspect_ratio = picture->sample_aspect_ratio;
    to->colorspace = picture->tags.matrix;
    to->color_range = picture->tags.range;
    to->color_primaries = picture->tags.primaries;
    to->color_trc = picture->tags.transfer;
    to->chroma_location = picture->tags.chroma_location;
}

/* For containers without timestamps: the n-th frame is at n times the frame's length. */
static void count_frame(struct media_pipeline *pipeline, AVFrame *frame)
{
    const struct media_video_plan *plan = &pipeline->plan;
    AVRational time_base = pipeline->input.stream->time_base;
    int64_t index = (int64_t)pipeline->encoder.n_frames;
    if (index == 0) {
        pipeline->first_pts = frame->pts;
    }
    int64_t found =
        av_rescale_q(frame->pts - pipeline->first_pts, time_base, plan->picture.time_base);
    pipeline->lost_rhythm |= found < index - 1 || found > index + 1;
    frame->pts = index;
    media_frame_set_duration(frame, 1);
}

/* Replaces an RGB frame by one in the encoder's format. */
static enum media_status convert_for_encoder(struct media_pipeline *pipeline, AVFrame **frame,
                                             struct media_error *error)
{
    AVFrame *encodable = media_frame_pool_get(&pipeline->encodable);
    enum media_status status = MEDIA_OK;
    if (encodable == NULL || av_frame_copy_props(encodable, *frame) < 0) {
        status = fail_memory(error);
    }
    if (status == MEDIA_OK) {
        status = media_colour_convert(&pipeline->from_rgb, *frame, encodable, error);
    }
    if (status != MEDIA_OK) {
        media_frame_give_back(&pipeline->shells, &encodable);
        return status;
    }
    media_frame_give_back(&pipeline->shells, frame);
    *frame = encodable;
    return MEDIA_OK;
}

/* Frees the frame in any case. */
static enum media_status encode_frame(struct media_pipeline *pipeline, AVFrame *frame,
                                      struct media_error *error)
{
    enum media_status status = MEDIA_OK;
    if (!pipeline->plan.planar) {
        status = convert_for_encoder(pipeline, &frame, error);
    }
    if (status == MEDIA_OK) {
        correct_properties(pipeline, frame);
        pipeline->n_captioned += av_frame_get_side_data(frame, AV_FRAME_DATA_A53_CC) != NULL;
        if (pipeline->plan.counts_frames) {
            count_frame(pipeline, frame);
        }
        status = media_video_encoder_send(&pipeline->encoder, frame, media_video_output_encoded,
                                          &pipeline->output, error);
    }
    media_frame_give_back(&pipeline->shells, &frame);
    return status;
}

enum media_status media_stage_encode(struct media_pipeline *pipeline, struct media_error *error)
{
    for (;;) {
        void *item;
        enum media_status status = media_queue_get(pipeline->to_encoder, &item);
        if (status == MEDIA_OK && item == NULL) {
            return media_video_encoder_send(&pipeline->encoder, NULL, media_video_output_encoded,
                                            &pipeline->output, error);
        }
        if (status == MEDIA_OK) {
            status = encode_frame(pipeline, item, error);
        }
        if (status != MEDIA_OK) {
            return status;
        }
    }
}
