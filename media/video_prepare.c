/* SPDX-License-Identifier: MIT */
#include "media/video_pipeline.h"

#include <stdlib.h>

#include "media/video_log.h"
#include "media/video_timing.h"

enum {
    /* Enough for a stage to work ahead while its neighbour has a slow frame, little enough for
     * large pictures to fit in memory. */
    QUEUE_FRAMES = 4,
    MOST_PX_AT_ONCE = 1 << 26 /* of enlarged frames: 8 of 3840x2160 */
};

static const size_t max_early_bytes = (size_t)256 << 20;

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

static void discard_frame(void *item)
{
    AVFrame *frame = item;
    av_frame_free(&frame);
}

void media_pipeline_free_early(struct media_early_packets *early)
{
    for (size_t i = 0; i < early->count; i++) {
        av_packet_free(&early->packets[i]);
    }
    free(early->packets);
    *early = (struct media_early_packets){0};
}

static enum media_status keep_early(void *opaque, AVPacket *packet, struct media_error *error)
{
    struct media_early_packets *early = opaque;
    early->total_bytes += (size_t)packet->size;
    if (early->total_bytes > max_early_bytes) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "no picture within the first %zu MiB; is the file interleaved badly? "
                          "Remux it first",
                          max_early_bytes >> 20);
    }
    if (early->count == early->capacity) {
        size_t capacity = early->capacity > 0 ? 2 * early->capacity : 64;
        AVPacket **grown = realloc(early->packets, capacity * sizeof *grown);
        if (grown == NULL) {
            return fail_memory(error);
        }
        early->packets = grown;
        early->capacity = capacity;
    }
    AVPacket *copy = av_packet_clone(packet);
    if (copy == NULL) {
        return fail_memory(error);
    }
    early->packets[early->count++] = copy;
    return MEDIA_OK;
}

static enum media_status read_first_frame(struct media_pipeline *pipeline,
                                          struct media_error *error)
{
    bool got_frame = false;
    pipeline->first_frame = av_frame_alloc();
    if (pipeline->first_frame == NULL) {
        return fail_memory(error);
    }
    enum media_status status = media_video_input_read(
        &pipeline->input, pipeline->first_frame, &got_frame, keep_early, &pipeline->early, error);
    const struct media_range *range = &pipeline->input.range;
    if (status == MEDIA_OK && !got_frame && (range->has_start || range->picture_ended)) {
        return media_fail(error, MEDIA_ERROR_INPUT,
                          "no frame of %s is in the range that begins at %.3f s; the video lasts "
                          "%.3f s",
                          pipeline->input.name, (double)range->start_us / AV_TIME_BASE,
                          (double)pipeline->input.format->duration / AV_TIME_BASE);
    }
    if (status == MEDIA_OK && !got_frame) {
        char log[200];
        media_video_log_last(log, sizeof log);
        status = media_fail(error, MEDIA_ERROR_INPUT, "no frame of %s could be decoded%s",
                            pipeline->input.name, log);
    }
    return status;
}

/* Frames between two stages: in the queue, in the batch that the network has, the last ones that it
 * remembers, and one in the hands of the other stage. */
static size_t frames_in_flight(const struct media_pipeline *pipeline)
{
    return pipeline->queue_frames + pipeline->at_once + PIPERSR_MAX_BEFORE + 1;
}

static enum media_status make_pools(struct media_pipeline *pipeline, struct media_error *error)
{
    const struct media_video_plan *plan = &pipeline->plan;
    const unsigned passes = pipeline->job->passes;
    struct media_frame_shells *shells = &pipeline->shells;
    enum media_status status =
        media_frame_shells_init(shells, (passes + 2) * frames_in_flight(pipeline), error);
    if (status == MEDIA_OK) {
        status = media_frame_pool_init(&pipeline->unturned, shells, plan->network_format,
                                       plan->source.width_px, plan->source.height_px, error);
    }
    for (unsigned i = 0; status == MEDIA_OK && i <= passes; i++) {
        status = media_frame_pool_init(&pipeline->frames[i], shells, plan->frame_format,
                                       plan->pass_width_px[i], plan->pass_height_px[i], error);
    }
    if (plan->planar) {
        return status;
    }
    if (status == MEDIA_OK) {
        status = media_frame_pool_init(&pipeline->encodable, shells, plan->target.format,
                                       plan->target.width_px, plan->target.height_px, error);
    }
    if (status == MEDIA_OK) {
        status =
            media_colour_prepare(&pipeline->from_rgb, &plan->network_output, &plan->target, error);
    }
    return status;
}

/* So that none is made when the video runs. The memory is not touched before it is used. */
static enum media_status fill_pools(struct media_pipeline *pipeline, struct media_error *error)
{
    const struct media_video_plan *plan = &pipeline->plan;
    const size_t n = frames_in_flight(pipeline);
    enum media_status status = MEDIA_OK;
    for (unsigned i = 1; status == MEDIA_OK && i <= pipeline->job->passes; i++) {
        status = media_frame_pool_fill(&pipeline->frames[i], n, error);
    }
    if (status != MEDIA_OK || plan->planar) {
        return status; /* the decoder's own frames go to the network */
    }
    const bool turned = !media_orientation_is_plain(&plan->orientation);
    status = media_frame_pool_fill(&pipeline->unturned, turned ? 1 : n, error);
    if (status == MEDIA_OK && turned) {
        status = media_frame_pool_fill(&pipeline->frames[0], n, error);
    }
    return status == MEDIA_OK ? media_frame_pool_fill(&pipeline->encodable, 1, error) : status;
}

/* As many frames as keep the engine's threads busy, unless they are so large that threads share one
 * well anyway. */
static size_t frames_at_once(const struct media_pipeline *pipeline)
{
    const struct media_video_plan *plan = &pipeline->plan;
    const unsigned last = pipeline->job->passes;
    uint64_t wanted =
        pipersr_frames_at_once(pipeline->job->pass[0], (uint32_t)plan->pass_width_px[0],
                               (uint32_t)plan->pass_height_px[0]);
    uint64_t frame_px = (uint64_t)plan->pass_width_px[last] * (uint64_t)plan->pass_height_px[last];
    uint64_t fitting = MOST_PX_AT_ONCE / (frame_px ? frame_px : 1);
    uint64_t most = fitting < MEDIA_MAX_AT_ONCE ? fitting : MEDIA_MAX_AT_ONCE;
    if (wanted > most) {
        wanted = most;
    }
    return wanted > 1 ? (size_t)wanted : 1;
}

static enum media_status make_queues(struct media_pipeline *pipeline, struct media_error *error)
{
    const atomic_bool *cancel = pipeline->job->cancel;
    pipeline->at_once = frames_at_once(pipeline);
    size_t capacity = pipeline->at_once > QUEUE_FRAMES ? pipeline->at_once : QUEUE_FRAMES;
    if (pipeline->holds_all && pipeline->max_frames > capacity) {
        capacity = (size_t)pipeline->max_frames;
    }
    pipeline->queue_frames = capacity;
    pipeline->to_network = media_queue_create(capacity, discard_frame, cancel);
    pipeline->to_encoder = media_queue_create(capacity, discard_frame, cancel);
    pthread_condattr_t attributes;
    if (pipeline->to_network == NULL || pipeline->to_encoder == NULL ||
        pthread_condattr_init(&attributes) != 0) {
        return fail_memory(error);
    }
    bool cond_made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                     pthread_cond_init(&pipeline->changed, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    pipeline->locks_made = cond_made && pthread_mutex_init(&pipeline->mutex, NULL) == 0;
    if (cond_made && !pipeline->locks_made) {
        pthread_cond_destroy(&pipeline->changed);
    }
    return pipeline->locks_made ? MEDIA_OK : fail_memory(error);
}

enum media_status media_pipeline_prepare_stages(struct media_pipeline *pipeline,
                                                const AVOutputFormat *muxer,
                                                struct media_error *error)
{
    enum media_status status =
        media_video_plan_make(&pipeline->plan, pipeline->job, pipeline->options, muxer,
                              &pipeline->input, pipeline->first_frame, &pipeline->encoder, error);
    if (status == MEDIA_OK) {
        status = make_queues(pipeline, error);
    }
    if (status == MEDIA_OK) {
        status = make_pools(pipeline, error);
    }
    if (status == MEDIA_OK && !pipeline->holds_all) {
        status = fill_pools(pipeline, error);
    }
    if (status == MEDIA_OK) {
        status = media_video_encoder_open(&pipeline->encoder, pipeline->options, muxer,
                                          &pipeline->plan.picture, error);
    }
    return status;
}

/* Pictures keep their numbers. */
static uint64_t first_number(const struct media_pipeline *pipeline)
{
    const struct media_video_sequence *sequence = pipeline->input.sequence;
    if (sequence != NULL) {
        return media_video_sequence_number(sequence, pipeline->first_frame);
    }
    return pipeline->options->has_start_number ? pipeline->options->start_number : 1;
}

enum media_status media_pipeline_prepare(struct media_pipeline *pipeline, const char *input_path,
                                         const char *output_path, const char *target_path,
                                         struct media_error *error)
{
    const AVOutputFormat *muxer = NULL;
    pipeline->output_path = output_path;
    enum media_status status =
        media_video_output_find_muxer(pipeline->options, target_path, &muxer, error);
    if (status == MEDIA_OK) {
        status = media_video_input_open(&pipeline->input, input_path, pipeline->options,
                                        pipeline->job->cancel, error);
    }
    if (status == MEDIA_OK) {
        pipeline->expected_frames = media_timing_expected_frames(&pipeline->input);
        status = read_first_frame(pipeline, error);
    }
    if (status == MEDIA_OK) {
        pipeline->result->first_number = first_number(pipeline);
        status = media_pipeline_prepare_stages(pipeline, muxer, error);
    }
    if (status == MEDIA_OK) {
        status = media_video_output_open(&pipeline->output, output_path, muxer, pipeline->job,
                                         pipeline->options, &pipeline->input, &pipeline->encoder,
                                         pipeline->first_frame, pipeline->result, error);
    }
    return status;
}

void media_pipeline_free_pools(struct media_pipeline *pipeline)
{
    media_frame_pool_free(&pipeline->unturned);
    for (unsigned i = 0; i <= MEDIA_MAX_PASSES; i++) {
        media_frame_pool_free(&pipeline->frames[i]);
    }
    media_frame_pool_free(&pipeline->encodable);
}

void media_pipeline_free(struct media_pipeline *pipeline)
{
    media_queue_free(pipeline->to_network);
    media_queue_free(pipeline->to_encoder);
    media_video_output_close(&pipeline->output);
    media_video_encoder_close(&pipeline->encoder);
    media_video_input_close(&pipeline->input);
    media_colour_free(&pipeline->to_rgb);
    media_colour_free(&pipeline->from_rgb);
    media_colour_free(&pipeline->to_planes);
    av_frame_free(&pipeline->first_frame);
    media_pipeline_free_early(&pipeline->early);
    media_pipeline_free_pools(pipeline);
    media_frame_shells_free(&pipeline->shells);
    if (pipeline->locks_made) {
        pthread_mutex_destroy(&pipeline->mutex);
        pthread_cond_destroy(&pipeline->changed);
    }
    free(pipeline);
}
