/* SPDX-License-Identifier: MIT
 *
 * The stages of a video's way, each timed alone and all together.
 */
#include "media/video.h"

#include <stdlib.h>
#include <time.h>

#include "media/video_log.h"
#include "media/video_pipeline.h"

/* What is written there is gone, and seeking in it succeeds. */
static const char nowhere[] = "/dev/null";

static double read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Runs a stage, or all of them. */
static enum media_status run_timed(struct media_pipeline *pipeline,
                                   enum media_status (*stage)(struct media_pipeline *,
                                                              struct media_error *),
                                   struct media_stage_time *time, struct media_error *error)
{
    const double start_s = read_clock(CLOCK_MONOTONIC);
    const double cpu_start_s = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    const enum media_status status = stage(pipeline, error);
    time->seconds = read_clock(CLOCK_MONOTONIC) - start_s;
    time->cpu_seconds = read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu_start_s;
    return status;
}

/* One run over the first frames of a video. */
struct run {
    const struct media_job *job;
    const char *input_path;
    struct media_video_options options;
    uint64_t max_frames;
    struct media_video_timing *timing;
};

static enum media_status run_alone(struct media_pipeline *pipeline, const struct run *run,
                                   struct media_error *error)
{
    struct media_video_timing *timing = run->timing;
    enum media_status status = run_timed(pipeline, media_stage_decode, &timing->decode, error);
    if (status == MEDIA_OK) {
        status = run_timed(pipeline, media_stage_network, &timing->network, error);
    }
    if (status == MEDIA_OK) {
        status = run_timed(pipeline, media_stage_encode, &timing->encode, error);
    }
    timing->frames = pipeline->encoder.n_packets;
    timing->width_px = (uint32_t)pipeline->plan.target.width_px;
    timing->height_px = (uint32_t)pipeline->plan.target.height_px;
    return status;
}

static enum media_status run_together(struct media_pipeline *pipeline, const struct run *run,
                                      struct media_error *error)
{
    const enum media_status status =
        run_timed(pipeline, media_pipeline_run, &run->timing->pipeline, error);
    const struct media_video_result *result = pipeline->result;
    if (result->input_px > 0) {
        run->timing->reused_share = (double)result->reused_px / (double)result->input_px;
    }
    return status;
}

static enum media_status measure(const struct run *run, bool alone, struct media_error *error)
{
    struct media_video_result unwanted = {0};
    struct media_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    pipeline->job = run->job;
    pipeline->options = &run->options;
    pipeline->result = &unwanted;
    pipeline->max_frames = run->max_frames;
    pipeline->holds_all = alone;
    enum media_status status =
        media_pipeline_prepare(pipeline, run->input_path, nowhere, NULL, error);
    if (status == MEDIA_OK) {
        status = alone ? run_alone(pipeline, run, error) : run_together(pipeline, run, error);
    }
    if (status == MEDIA_OK) {
        status = media_video_output_finish(&pipeline->output, error);
    }
    media_pipeline_free(pipeline);
    return status;
}

enum media_status media_video_measure(const struct media_job *job, const char *input_path,
                                      const struct media_video_options *options,
                                      uint64_t max_frames, struct media_video_timing *timing,
                                      struct media_error *error)
{
    struct run run = {.job = job,
                      .input_path = input_path,
                      .options = *options,
                      .max_frames = max_frames > 0 ? max_frames : 1,
                      .timing = timing};
    run.options.container = "matroska";
    *timing = (struct media_video_timing){0};
    media_video_log_begin();
    enum media_status status = measure(&run, true, error);
    return status == MEDIA_OK ? measure(&run, false, error) : status;
}
