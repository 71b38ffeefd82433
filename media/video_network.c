/* SPDX-License-Identifier: MIT
 *
 * The second stage: batches of frames through the passes of the network.
 */
#include "media/video_pipeline.h"

#include <string.h>

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

static pipersr_frame view_of(const AVFrame *frame, pipersr_format format)
{
    return (pipersr_frame){.data = frame->data[0],
                           .stride_bytes = frame->linesize[0],
                           .width_px = (uint32_t)frame->width,
                           .height_px = (uint32_t)frame->height,
                           .format = format};
}

static pipersr_status upscale_rgb(pipersr_upscaler *upscaler, enum AVPixelFormat network_format,
                                  AVFrame *const *from, AVFrame *const *to, size_t n,
                                  const struct media_last_frames *before, uint64_t *reused_px)
{
    pipersr_format format = media_colour_engine_format(network_format);
    pipersr_frame in[MEDIA_MAX_AT_ONCE], out[MEDIA_MAX_AT_ONCE];
    pipersr_status status = PIPERSR_OK;
    for (size_t i = 0; status == PIPERSR_OK && i < n; i++) {
        in[i] = view_of(from[i], format);
        out[i] = view_of(to[i], format);
        status = pipersr_bleed_transparent(&in[i]);
    }
    if (status != PIPERSR_OK || before == NULL) {
        return status != PIPERSR_OK ? status
                                    : pipersr_upscale_frames(upscaler, in, out, (uint32_t)n);
    }
    pipersr_frame before_in[PIPERSR_MAX_BEFORE], before_out[PIPERSR_MAX_BEFORE];
    for (uint32_t i = 0; i < before->n; i++) {
        before_in[i] = view_of(before->in[i], format);
        before_out[i] = view_of(before->out[i], format);
    }
    return pipersr_upscale_next_frames(upscaler, in, out, (uint32_t)n, before_in, before_out,
                                       before->n, reused_px);
}

static pipersr_status upscale_planes(pipersr_upscaler *upscaler, const pipersr_yuv_format *format,
                                     AVFrame *const *from, AVFrame *const *to, size_t n,
                                     const struct media_last_frames *before, uint64_t *reused_px)
{
    pipersr_yuv_frame in[MEDIA_MAX_AT_ONCE], out[MEDIA_MAX_AT_ONCE];
    for (size_t i = 0; i < n; i++) {
        in[i] = media_planar_view(from[i]);
        out[i] = media_planar_view(to[i]);
    }
    if (before == NULL) {
        return pipersr_upscale_yuv_frames(upscaler, format, in, out, (uint32_t)n);
    }
    pipersr_yuv_frame before_in[PIPERSR_MAX_BEFORE], before_out[PIPERSR_MAX_BEFORE];
    for (uint32_t i = 0; i < before->n; i++) {
        before_in[i] = media_planar_view(before->in[i]);
        before_out[i] = media_planar_view(before->out[i]);
    }
    return pipersr_upscale_next_yuv_frames(upscaler, format, in, out, (uint32_t)n, before_in,
                                           before_out, before->n, reused_px);
}

/* Frames on their way through the network together. */
struct batch {
    AVFrame *frames[MEDIA_MAX_AT_ONCE];
    size_t n;
};

static void free_batch(struct media_pipeline *pipeline, struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        media_frame_give_back(&pipeline->shells, &batch->frames[i]);
    }
    batch->n = 0;
}

static bool get_larger_frames(struct media_pipeline *pipeline, struct media_frame_pool *pool,
                              const struct batch *from, struct batch *to)
{
    for (to->n = 0; to->n < from->n; to->n++) {
        AVFrame *frame = media_frame_pool_get(pool);
        if (frame == NULL || av_frame_copy_props(frame, from->frames[to->n]) < 0) {
            media_frame_give_back(&pipeline->shells, &frame);
            return false;
        }
        to->frames[to->n] = frame;
    }
    return true;
}

/* Puts a reference to a frame before all others; the oldest is forgotten. */
static bool push_reference(AVFrame *references[PIPERSR_MAX_BEFORE], const AVFrame *frame)
{
    AVFrame *oldest = references[PIPERSR_MAX_BEFORE - 1];
    memmove(references + 1, references, (PIPERSR_MAX_BEFORE - 1) * sizeof *references);
    references[0] = oldest;
    av_frame_unref(oldest);
    return av_frame_ref(oldest, frame) >= 0;
}

/* Keeps references to the last frames of a batch on both sides of a pass. */
static bool remember_last(struct media_last_frames *last, const struct batch *in,
                          const struct batch *out)
{
    for (size_t i = in->n > PIPERSR_MAX_BEFORE ? in->n - PIPERSR_MAX_BEFORE : 0; i < in->n; i++) {
        if (!push_reference(last->in, in->frames[i]) ||
            !push_reference(last->out, out->frames[i])) {
            return false;
        }
        last->n += last->n < PIPERSR_MAX_BEFORE;
    }
    return true;
}

static bool make_references(struct media_pipeline *pipeline, struct media_last_frames *last)
{
    bool is_ready = true;
    for (size_t i = 0; i < PIPERSR_MAX_BEFORE; i++) {
        last->in[i] = media_frame_shell(&pipeline->shells);
        last->out[i] = media_frame_shell(&pipeline->shells);
        is_ready = is_ready && last->in[i] != NULL && last->out[i] != NULL;
    }
    return is_ready;
}

static void free_references(struct media_pipeline *pipeline, struct media_last_frames *last)
{
    for (size_t i = 0; i < PIPERSR_MAX_BEFORE; i++) {
        media_frame_give_back(&pipeline->shells, &last->in[i]);
        media_frame_give_back(&pipeline->shells, &last->out[i]);
    }
    last->n = 0;
}

/* One pass: the frames are replaced by larger ones. After a failure they are the caller's still. */
static enum media_status upscale(struct media_pipeline *pipeline, unsigned pass,
                                 struct batch *batch, struct media_error *error)
{
    const struct media_video_plan *plan = &pipeline->plan;
    pipersr_upscaler *upscaler = pipeline->job->pass[pass];
    struct media_last_frames *last = pipeline->options->no_reuse ? NULL : &pipeline->last[pass];
    struct batch larger;
    uint64_t reused_px = 0;
    if (!get_larger_frames(pipeline, &pipeline->frames[pass + 1], batch, &larger)) {
        free_batch(pipeline, &larger);
        return fail_memory(error);
    }
    const pipersr_status engine_status =
        plan->planar ? upscale_planes(upscaler, &plan->planes, batch->frames, larger.frames,
                                      batch->n, last, &reused_px)
                     : upscale_rgb(upscaler, plan->network_format, batch->frames, larger.frames,
                                   batch->n, last, &reused_px);
    enum media_status status =
        engine_status == PIPERSR_OK ? MEDIA_OK : media_fail_engine(error, engine_status, upscaler);
    if (status == MEDIA_OK && last != NULL && !remember_last(last, batch, &larger)) {
        status = fail_memory(error);
    }
    if (pass == 0) {
        pipeline->result->reused_px += reused_px;
        pipeline->result->input_px +=
            (uint64_t)plan->pass_width_px[0] * (uint64_t)plan->pass_height_px[0] * batch->n;
    }
    free_batch(pipeline, batch);
    *batch = larger;
    return status;
}

static void report_progress(const struct media_pipeline *pipeline, uint64_t done)
{
    const struct media_job *job = pipeline->job;
    if (job->on_progress == NULL) {
        return;
    }
    struct media_progress progress = {.done = done, .unit = "frames"};
    progress.total = pipeline->expected_frames;
    if (progress.total < done) {
        progress.total = 0; /* the container was wrong about it */
    }
    job->on_progress(job->opaque, &progress);
}

/* Waits for a frame and takes others that are there; none at the end of the video. */
static enum media_status get_batch(struct media_pipeline *pipeline, struct batch *batch)
{
    void *items[MEDIA_MAX_AT_ONCE];
    enum media_status status = media_queue_get(pipeline->to_network, &items[0]);
    batch->n = status == MEDIA_OK && items[0] != NULL;
    if (batch->n == 1) {
        batch->n += media_queue_get_more(pipeline->to_network, items + 1, pipeline->at_once - 1);
    }
    for (size_t i = 0; i < batch->n; i++) {
        batch->frames[i] = items[i];
    }
    return status;
}

/* Hands the frames over; those that the queue does not take stay in the batch. */
static enum media_status put_batch(struct media_pipeline *pipeline, struct batch *batch)
{
    enum media_status status = MEDIA_OK;
    size_t n_put = 0;
    while (n_put < batch->n && status == MEDIA_OK) {
        status = media_queue_put(pipeline->to_encoder, batch->frames[n_put]);
        n_put += status == MEDIA_OK;
    }
    batch->n -= n_put;
    memmove(batch->frames, batch->frames + n_put, batch->n * sizeof *batch->frames);
    return status;
}

static enum media_status run_batches(struct media_pipeline *pipeline, struct media_error *error)
{
    uint64_t done = 0;
    for (;;) {
        struct batch batch;
        enum media_status status = get_batch(pipeline, &batch);
        if (status != MEDIA_OK) {
            return status;
        }
        if (batch.n == 0) {
            media_queue_finish(pipeline->to_encoder);
            return MEDIA_OK;
        }
        done += batch.n;
        for (unsigned pass = 0; status == MEDIA_OK && pass < pipeline->job->passes; pass++) {
            status = upscale(pipeline, pass, &batch, error);
        }
        if (status == MEDIA_OK) {
            status = put_batch(pipeline, &batch);
        }
        if (status != MEDIA_OK) {
            free_batch(pipeline, &batch);
            return status;
        }
        report_progress(pipeline, done);
    }
}

enum media_status media_stage_network(struct media_pipeline *pipeline, struct media_error *error)
{
    bool is_ready = true;
    for (unsigned pass = 0; pass < pipeline->job->passes; pass++) {
        is_ready = make_references(pipeline, &pipeline->last[pass]) && is_ready;
    }
    const enum media_status status = is_ready ? run_batches(pipeline, error) : fail_memory(error);
    for (unsigned pass = 0; pass < pipeline->job->passes; pass++) {
        free_references(pipeline, &pipeline->last[pass]);
    }
    return status;
}
