/* SPDX-License-Identifier: MIT */
#include "media/video_segment_plan.h"

#include <stdlib.h>

#include "media/output.h"
#include "media/video_position.h"
#include "media/video_segments.h"
#include "media/video_space.h"

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

struct media_pipeline *media_segment_new_pipeline(const struct media_job *job,
                                                  const struct media_video_options *options,
                                                  struct media_video_result *result)
{
    struct media_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline != NULL) {
        pipeline->job = job;
        pipeline->options = options;
        pipeline->result = result;
    }
    return pipeline;
}

static bool add_start(struct media_survey *survey, const AVFrame *frame, uint64_t *capacity)
{
    if (survey->n_starts == *capacity) {
        uint64_t larger = *capacity > 0 ? 2 * *capacity : 64;
        void *grown = reallocarray(survey->starts, (size_t)larger, sizeof *survey->starts);
        if (grown == NULL) {
            return false;
        }
        survey->starts = grown;
        *capacity = larger;
    }
    struct media_frame_mark *mark = &survey->starts[survey->n_starts++];
    media_position_mark(frame, mark);
    return mark->sha256[0] != '\0';
}

/* The caller frees survey->starts. */
static enum media_status survey_input(struct media_survey *survey, const char *path,
                                      const struct media_job *job,
                                      const struct media_video_options *options,
                                      uint64_t segment_frames, struct media_error *error)
{
    uint64_t capacity = 0;
    struct media_video_input input = {0};
    AVFrame *frame = av_frame_alloc();
    bool got_frame = true;
    enum media_status status =
        frame != NULL ? media_position_first(&input, path, options, job->cancel, frame, error)
                      : fail_memory(error);
    while (status == MEDIA_OK && got_frame) {
        if ((input.n_frames - 1) % segment_frames == 0 && !add_start(survey, frame, &capacity)) {
            status = fail_memory(error);
        } else if (job->cancel != NULL && atomic_load(job->cancel)) {
            status = media_fail(error, MEDIA_ERROR_CANCELLED, "cancelled");
        } else {
            status = media_position_next(&input, frame, &got_frame, error);
        }
    }
    survey->frames = input.n_frames;
    survey->damaged = input.n_damaged;
    survey->faulty = input.n_faulty;
    survey->retimed = input.n_retimed;
    survey->interlaced = input.deinterlacer.n_interlaced;
    av_frame_free(&frame);
    media_video_input_close(&input);
    return status;
}

/* Prepares the whole job with an output that is thrown away: so that everything which can be
 * refused or noted is so now. */
static enum media_status rehearse(struct media_pipeline *pipeline, const char *input_path,
                                  const char *target_path, uint64_t *segment_frames,
                                  const char **muxer_name, struct media_error *error)
{
    struct media_output trial = {0};
    enum media_status status = (pipeline->options->sequence != NULL
                                    ? media_output_begin_sequence
                                    : media_output_begin)(&trial, target_path, true, error);
    const char *reason;
    if (status == MEDIA_OK) {
        status =
            media_pipeline_prepare(pipeline, input_path, trial.temporary_path, target_path, error);
    }
    if (status == MEDIA_OK &&
        !media_segments_possible(pipeline, input_path, target_path, &reason)) {
        status = media_fail(error, MEDIA_ERROR_UNSUPPORTED, "it cannot be cut into segments: %s",
                            reason);
    }
    if (status == MEDIA_OK) {
        *segment_frames = pipeline->options->segment_frames > 0
                              ? pipeline->options->segment_frames
                              : media_segments_default_frames(pipeline);
        *muxer_name = pipeline->output.format->oformat->name;
        status = media_space_check(pipeline, input_path, trial.temporary_path, true, 0, error);
    }
    media_output_abort(&trial);
    return status;
}

/* Is there the same job already, planned? *same, or another that may not be discarded. */
static enum media_status compare_kept(const struct media_segment_plan *plan, bool restart,
                                      struct media_manifest *kept, bool *same,
                                      struct media_error *error)
{
    char difference[200];
    *same = false;
    enum media_status status = media_manifest_read(kept, &plan->parts, error);
    if (status == MEDIA_ERROR_INPUT && restart) {
        return MEDIA_OK;
    }
    if (status != MEDIA_OK || kept->job == NULL) {
        return status;
    }
    bool equal = media_manifest_same(kept, &plan->manifest, difference, sizeof difference);
    *same = equal && media_manifest_planned_segments(kept) > 0;
    if (*same || restart) {
        return MEDIA_OK;
    }
    return media_fail(error, MEDIA_ERROR_OUTPUT, "'%s' holds another job (%s); --force discards it",
                      plan->parts.path, equal ? "one that was not planned" : difference);
}

static enum media_status write_plan(struct media_segment_plan *plan, const struct media_job *job,
                                    const char *input_path,
                                    const struct media_video_options *options,
                                    struct media_error *error)
{
    struct media_survey survey = {0};
    uint64_t segment_frames = media_manifest_segment_frames(&plan->manifest);
    enum media_status status =
        survey_input(&survey, input_path, job, options, segment_frames, error);
    if (status == MEDIA_OK && !media_manifest_set_plan(&plan->manifest, &survey)) {
        status = fail_memory(error);
    }
    free(survey.starts);
    if (status == MEDIA_OK) {
        media_parts_clear(&plan->parts);
        status = media_manifest_write(&plan->manifest, &plan->parts, error);
    }
    return status;
}

static enum media_status settle_plan(struct media_segment_plan *plan, const struct media_job *job,
                                     const char *input_path,
                                     const struct media_video_options *options,
                                     struct media_error *error)
{
    struct media_manifest kept = {0};
    bool same;
    enum media_status status = compare_kept(plan, options->restart, &kept, &same, error);
    if (status == MEDIA_OK && same) {
        media_manifest_free(&plan->manifest);
        plan->manifest = kept;
        return MEDIA_OK;
    }
    media_manifest_free(&kept);
    if (status == MEDIA_OK && (media_manifest_input_path(&plan->manifest) == NULL ||
                               media_manifest_target_path(&plan->manifest) == NULL)) {
        status = media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                            "a plan needs names in UTF-8 of input and output");
    }
    return status == MEDIA_OK ? write_plan(plan, job, input_path, options, error) : status;
}

enum media_status media_segment_plan_work_out(struct media_segment_plan *plan,
                                              const struct media_job *job, const char *input_path,
                                              const char *target_path,
                                              const struct media_video_options *options,
                                              struct media_error *error)
{
    struct media_video_result unwanted = {0};
    struct media_pipeline *pipeline = media_segment_new_pipeline(job, options, &unwanted);
    uint64_t segment_frames = 0;
    const char *muxer_name = NULL;
    enum media_status status = pipeline != NULL ? rehearse(pipeline, input_path, target_path,
                                                           &segment_frames, &muxer_name, error)
                                                : fail_memory(error);
    if (status == MEDIA_OK) {
        status = media_manifest_make(&plan->manifest, job, input_path, target_path, muxer_name,
                                     options, segment_frames, error);
    }
    if (pipeline != NULL) {
        media_pipeline_free(pipeline);
    }
    if (status == MEDIA_OK) {
        status = media_parts_open(&plan->parts, options->parts_folder, true, MEDIA_PARTS_EXCLUSIVE,
                                  error);
    }
    if (status != MEDIA_OK) {
        return status;
    }
    status = settle_plan(plan, job, input_path, options, error);
    if (status != MEDIA_OK && !media_parts_has_job(plan->parts.path)) {
        media_parts_remove(plan->parts.path);
    }
    return status;
}
