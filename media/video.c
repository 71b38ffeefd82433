/* SPDX-License-Identifier: MIT */
#include "media/video.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libswscale/swscale.h>

#include "media/video_kept.h"
#include "media/video_log.h"
#include "media/video_output_record.h"
#include "media/video_pipeline.h"
#include "media/video_segments.h"
#include "media/video_space.h"
#include "media/video_timing.h"

enum { CANCEL_POLL_MS = 50, N_STAGES = 3 };

static void note(const struct media_job *job, const char *line)
{
    if (job->on_note != NULL) {
        job->on_note(job->opaque, line);
    }
}

static void *run_stage(struct media_pipeline *pipeline,
                       enum media_status (*stage)(struct media_pipeline *, struct media_error *))
{
    struct media_error error = {.message = ""};
    enum media_status status = stage(pipeline, &error);
    pthread_mutex_lock(&pipeline->mutex);
    if (status != MEDIA_OK && pipeline->status == MEDIA_OK) {
        pipeline->status = status;
        pipeline->error = error;
    }
    pipeline->n_running--;
    pthread_cond_signal(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->mutex);
    if (status != MEDIA_OK) {
        atomic_store(&pipeline->stop, true);
        media_queue_fail(pipeline->to_network, status);
        media_queue_fail(pipeline->to_encoder, status);
    }
    return NULL;
}

static void *run_decode(void *opaque)
{
    return run_stage(opaque, media_stage_decode);
}

static void *run_network(void *opaque)
{
    return run_stage(opaque, media_stage_network);
}

static void *run_encode(void *opaque)
{
    return run_stage(opaque, media_stage_encode);
}

/* The stages look at `cancel` between frames; a frame in the network is stopped from here. */
static void wait_for_stages(struct media_pipeline *pipeline)
{
    const struct media_job *job = pipeline->job;
    pthread_mutex_lock(&pipeline->mutex);
    while (pipeline->n_running > 0) {
        if (job->cancel != NULL && atomic_load(job->cancel)) {
            for (unsigned i = 0; i < job->passes; i++) {
                pipersr_cancel(job->pass[i]);
            }
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += CANCEL_POLL_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&pipeline->changed, &pipeline->mutex, &until);
    }
    pthread_mutex_unlock(&pipeline->mutex);
}

enum media_status media_pipeline_run(struct media_pipeline *pipeline, struct media_error *error)
{
    void *(*const stages[N_STAGES])(void *) = {run_decode, run_network, run_encode};
    pthread_t threads[N_STAGES];
    int n_started = 0;
    pipeline->input.io.stop = &pipeline->stop;
    pipeline->output.io.stop = &pipeline->stop;
    pipeline->n_running = N_STAGES;
    while (n_started < N_STAGES &&
           pthread_create(&threads[n_started], NULL, stages[n_started], pipeline) == 0) {
        n_started++;
    }
    if (n_started < N_STAGES) {
        atomic_store(&pipeline->stop, true);
        media_queue_fail(pipeline->to_network, MEDIA_ERROR_MEMORY);
        media_queue_fail(pipeline->to_encoder, MEDIA_ERROR_MEMORY);
        pthread_mutex_lock(&pipeline->mutex);
        pipeline->n_running -= N_STAGES - n_started;
        if (pipeline->status == MEDIA_OK) {
            pipeline->status = media_fail(&pipeline->error, MEDIA_ERROR_MEMORY,
                                          "cannot start another thread: %s", strerror(EAGAIN));
        }
        pthread_mutex_unlock(&pipeline->mutex);
    }
    wait_for_stages(pipeline);
    for (int i = 0; i < n_started; i++) {
        pthread_join(threads[i], NULL);
    }
    if (pipeline->status == MEDIA_ERROR_CANCELLED) {
        return media_fail(error, MEDIA_ERROR_CANCELLED, "cancelled");
    }
    if (pipeline->status != MEDIA_OK) {
        return media_fail(error, pipeline->status, "%s", pipeline->error.message);
    }
    return MEDIA_OK;
}

static void note_damage(const struct media_pipeline *pipeline)
{
    const struct media_video_input *input = &pipeline->input;
    char line[160];
    if (input->n_damaged > 0) {
        snprintf(line, sizeof line, "%" PRIu64 " damaged packet%s skipped", input->n_damaged,
                 input->n_damaged == 1 ? " was" : "s were");
        note(pipeline->job, line);
    }
    if (input->n_faulty > 0) {
        snprintf(line, sizeof line, "%" PRIu64 " frame%s damaged and enlarged as decoded",
                 input->n_faulty, input->n_faulty == 1 ? " is" : "s are");
        note(pipeline->job, line);
    }
    const double missing_s = pipeline->result->missing_s;
    if (missing_s > 0) {
        snprintf(line, sizeof line, "%s ends %.1f s early: it is incomplete", input->name,
                 missing_s);
        note(pipeline->job, line);
    }
    if (input->n_retimed > 0 && !pipeline->plan.counts_frames) {
        snprintf(line, sizeof line,
                 "%" PRIu64 " frame%s no usable timestamp and got the next free one",
                 input->n_retimed, input->n_retimed == 1 ? " had" : "s had");
        note(pipeline->job, line);
    }
}

/* Interlacing that began after the first frame, of which the plan has told. */
static void note_late_interlacing(const struct media_pipeline *pipeline)
{
    const struct media_deinterlacer *deinterlacer = &pipeline->input.deinterlacer;
    if (deinterlacer->n_interlaced > 0 && !pipeline->plan.deinterlaced) {
        char line[160];
        snprintf(line, sizeof line,
                 "%" PRIu64 " of %" PRIu64 " frames were interlaced and were deinterlaced; "
                 "--deinterlace no leaves the fields as they are",
                 deinterlacer->n_interlaced, pipeline->input.n_decoded);
        note(pipeline->job, line);
    }
}

static void note_rhythm(const struct media_pipeline *pipeline)
{
    if (pipeline->lost_rhythm) {
        note(pipeline->job,
             "y4m has one frame rate for all frames, but this video's varies: it will "
             "play unevenly; .mkv keeps the timing");
    }
    if (pipeline->output.pictures.is_uneven) {
        note(pipeline->job, "the video's frame rate varies, which numbered pictures cannot say");
    }
}

static void note_captions(const struct media_pipeline *pipeline)
{
    if (pipeline->n_captioned > 0 && !media_video_encoder_takes_captions(&pipeline->encoder)) {
        char line[160];
        snprintf(line, sizeof line,
                 "the closed captions of %" PRIu64 " frame%s are lost: %s cannot carry them; "
                 "--codec h264 can",
                 pipeline->n_captioned, pipeline->n_captioned == 1 ? "" : "s",
                 pipeline->encoder.codec->name);
        note(pipeline->job, line);
    }
}

enum media_status media_pipeline_complete(struct media_pipeline *pipeline,
                                          struct media_error *error)
{
    struct media_video_result *result = pipeline->result;
    result->frames_in = pipeline->input.n_decoded;
    result->frames_out = pipeline->encoder.n_packets;
    result->width_px = (uint32_t)pipeline->plan.target.width_px;
    result->height_px = (uint32_t)pipeline->plan.target.height_px;
    if (result->frames_in != result->frames_out) {
        return media_fail(error, MEDIA_ERROR_INTERNAL,
                          "%" PRIu64 " frames were decoded but %" PRIu64 " written",
                          result->frames_in, result->frames_out);
    }
    result->damaged_packets = pipeline->input.n_damaged;
    result->damaged_frames = pipeline->input.n_faulty;
    result->missing_s = media_timing_missing_seconds(&pipeline->input);
    if (pipeline->options->strict && result->missing_s > 0) {
        return media_fail(error, MEDIA_ERROR_INPUT,
                          "%s ends %.1f s early: it is incomplete, and --strict stops there",
                          pipeline->input.name, result->missing_s);
    }
    enum media_status status = media_video_output_finish(&pipeline->output, error);
    if (status == MEDIA_OK) {
        note_damage(pipeline);
        note_late_interlacing(pipeline);
        note_rhythm(pipeline);
        note_captions(pipeline);
        if (pipeline->output.io.regular_file && !pipeline->plan.counts_frames) {
            media_video_note_lost(pipeline->job, pipeline->output.format, pipeline->output_path);
        }
    }
    return status;
}

static enum media_status upscale_at_once(struct media_pipeline *pipeline, const char *input_path,
                                         const char *output_path, struct media_error *error)
{
    enum media_status status =
        media_space_check(pipeline, input_path, output_path, false, 0, error);
    if (status == MEDIA_OK) {
        status = media_pipeline_run(pipeline, error);
    }
    return status == MEDIA_OK ? media_pipeline_complete(pipeline, error) : status;
}

enum media_status media_video_upscale(const struct media_job *job, const char *input_path,
                                      const char *output_path, const char *target_path,
                                      const struct media_video_options *options,
                                      struct media_video_result *result, struct media_error *error)
{
    struct media_video_result unwanted;
    struct media_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    pipeline->job = job;
    pipeline->options = options;
    pipeline->result = result != NULL ? result : &unwanted;
    *pipeline->result = (struct media_video_result){0};
    media_video_log_begin();
    enum media_status status =
        media_pipeline_prepare(pipeline, input_path, output_path, target_path, error);
    if (status == MEDIA_OK && media_segments_wanted(pipeline, input_path, output_path)) {
        status = media_segments_upscale(pipeline, input_path, output_path, target_path, error);
    } else if (status == MEDIA_OK) {
        status = upscale_at_once(pipeline, input_path, output_path, error);
    }
    media_pipeline_free(pipeline);
    return status;
}

/* ------------------------------------------------------------------------------------ facts -- */

static int describe_version(char *text, size_t size_bytes, const char *name, unsigned version)
{
    return snprintf(text, size_bytes, "%s %u.%u.%u", name, version >> 16, version >> 8 & 0xff,
                    version & 0xff);
}

char *media_video_describe(void)
{
    char format[48], codec[48], scale[48];
    describe_version(format, sizeof format, "libavformat", avformat_version());
    describe_version(codec, sizeof codec, "libavcodec", avcodec_version());
    describe_version(scale, sizeof scale, "libswscale", swscale_version());
    char line[256];
    snprintf(line, sizeof line, "FFmpeg %s (%s, %s, %s)", av_version_info(), format, codec, scale);
    return strdup(line);
}

bool media_video_parts_settle(const char *parts_folder, const char *target_path)
{
    struct media_parts parts;
    bool finished =
        media_parts_open(&parts, parts_folder, false, MEDIA_PARTS_EXCLUSIVE, NULL) == MEDIA_OK &&
        (!media_parts_has_job(parts_folder) || media_output_record_is(&parts, target_path));
    media_parts_close(&parts);
    if (finished) {
        media_parts_remove(parts_folder);
    }
    return finished;
}

void media_video_parts_remove(const char *parts_folder)
{
    media_parts_remove(parts_folder);
}

bool media_video_can_write(const char *path_or_muxer)
{
    media_video_log_begin();
    return media_video_output_guess_muxer(path_or_muxer) != NULL;
}
