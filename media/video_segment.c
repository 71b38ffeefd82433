/* SPDX-License-Identifier: MIT */
#include "media/video_segment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "media/video_join.h"
#include "media/video_log.h"
#include "media/video_position.h"
#include "media/video_segment_list.h"
#include "media/video_segment_plan.h"
#include "media/video_segment_run.h"

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

/* The folder is locked by each step for as long as it lasts. */
static void unlock(struct media_segment_plan *plan)
{
    char *path = plan->parts.path != NULL ? strdup(plan->parts.path) : NULL;
    media_parts_close(&plan->parts);
    plan->parts.path = path;
}

static enum media_status lock(struct media_segment_plan *plan, enum media_parts_lock lock,
                              struct media_error *error)
{
    struct media_parts locked;
    if (plan->parts.path == NULL) {
        return fail_memory(error);
    }
    enum media_status status = media_parts_open(&locked, plan->parts.path, false, lock, error);
    media_parts_close(&plan->parts);
    plan->parts = locked;
    return status;
}

enum media_status media_segment_plan_make(const struct media_job *job, const char *input_path,
                                          const char *target_path,
                                          const struct media_video_options *options,
                                          struct media_segment_plan **plan,
                                          struct media_error *error)
{
    *plan = calloc(1, sizeof **plan);
    if (*plan == NULL) {
        return fail_memory(error);
    }
    (*plan)->parts.fd = -1;
    media_video_log_begin();
    enum media_status status =
        media_segment_plan_work_out(*plan, job, input_path, target_path, options, error);
    unlock(*plan);
    if (status == MEDIA_OK) {
        media_manifest_options(&(*plan)->manifest, &(*plan)->options);
    }
    return status;
}

enum media_status media_segment_plan_open(const char *parts_folder,
                                          struct media_segment_plan **plan,
                                          struct media_error *error)
{
    *plan = calloc(1, sizeof **plan);
    if (*plan == NULL) {
        return fail_memory(error);
    }
    media_video_log_begin();
    struct media_parts *parts = &(*plan)->parts;
    enum media_status status =
        media_parts_open(parts, parts_folder, false, MEDIA_PARTS_SHARED, error);
    if (status == MEDIA_OK) {
        status = media_manifest_read(&(*plan)->manifest, parts, error);
    }
    if (status == MEDIA_OK && media_manifest_planned_segments(&(*plan)->manifest) == 0) {
        status = media_fail(error, MEDIA_ERROR_INPUT,
                            "'%s' holds no plan; pipersr segment plan makes one", parts_folder);
    }
    unlock(*plan);
    if (status == MEDIA_OK) {
        media_manifest_options(&(*plan)->manifest, &(*plan)->options);
    }
    return status;
}

void media_segment_plan_facts(const struct media_segment_plan *plan,
                              struct media_segment_facts *facts)
{
    const struct media_manifest *manifest = &plan->manifest;
    struct media_error ignored;
    struct media_survey survey;
    media_manifest_plan(manifest, &survey);
    *facts = (struct media_segment_facts){
        .input_path = media_manifest_input_path(manifest),
        .target_path = media_manifest_target_path(manifest),
        .container = plan->options.container,
        .sequence = plan->options.sequence,
        .start_number = plan->options.has_start_number ? &plan->options.start_number : NULL,
        .model = media_manifest_model(manifest),
        .precision = media_manifest_precision(manifest),
        .scale = media_manifest_scale(manifest),
        .frames = survey.frames,
        .segment_frames = media_manifest_segment_frames(manifest),
        .segments = media_manifest_planned_segments(manifest),
    };
    struct media_parts parts;
    bool is_open =
        media_parts_open(&parts, plan->parts.path, false, MEDIA_PARTS_SHARED, &ignored) == MEDIA_OK;
    for (uint64_t i = 0; is_open && i < facts->segments; i++) {
        struct media_segment_entry entry;
        bool found;
        if (media_segment_entry_read(&entry, i, manifest, &parts, &found, &ignored) == MEDIA_OK &&
            found) {
            facts->segments_made++;
            media_segment_entry_free(&entry);
        }
    }
    media_parts_close(&parts);
}

/* ---------------------------------------------------------------------------------- running -- */

static enum media_status is_made(const struct media_segment_plan *plan, uint64_t number,
                                 bool *whole, struct media_error *error)
{
    struct media_segment_entry entry;
    enum media_status status =
        media_segment_entry_read(&entry, number, &plan->manifest, &plan->parts, whole, error);
    if (status == MEDIA_OK && *whole) {
        *whole = media_segment_entry_verify(&entry, &plan->parts);
        media_segment_entry_free(&entry);
    }
    return status;
}

static enum media_status run_segment(const struct media_segment_plan *plan,
                                     const struct media_job *job, uint64_t number,
                                     const AVFrame *reference, struct media_error *error)
{
    const struct media_manifest *manifest = &plan->manifest;
    struct media_frame_mark mark;
    struct media_segment_entry entry = {0};
    struct media_survey survey;
    media_manifest_plan(manifest, &survey);
    struct media_segment_run run = {
        .job = job,
        .options = &plan->options,
        .input_path = media_manifest_input_path(manifest),
        .reference = reference,
        .parts = &plan->parts,
        .manifest = manifest,
        .expected_frames = survey.frames,
        .kept_frames = number * media_manifest_segment_frames(manifest),
    };
    media_manifest_start(manifest, number, &mark);
    enum media_status status =
        media_video_output_find_muxer(&plan->options, NULL, &run.muxer, error);
    if (status == MEDIA_OK) {
        status = media_segment_run_one(&run, number, &mark, media_manifest_must_be_linear(manifest),
                                       &entry, error);
    }
    media_segment_run_end(&run);
    if (status != MEDIA_OK) {
        return status;
    }
    uint64_t end = entry.first_frame + entry.frames;
    bool right_end = entry.last == (end == survey.frames);
    media_segment_entry_free(&entry);
    return right_end ? MEDIA_OK
                     : media_fail(error, MEDIA_ERROR_INPUT,
                                  "the input has not as many frames as when it was planned");
}

enum media_status media_segment_plan_run(struct media_segment_plan *plan,
                                         const struct media_job *job, uint64_t number, bool *made,
                                         struct media_error *error)
{
    uint64_t segments = media_manifest_planned_segments(&plan->manifest);
    bool whole = false;
    *made = false;
    if (number >= segments) {
        return media_fail(error, MEDIA_ERROR_INPUT,
                          "there is no segment %" PRIu64 "; the plan has 0 to %" PRIu64, number,
                          segments - 1);
    }
    enum media_status status = lock(plan, MEDIA_PARTS_SHARED, error);
    if (status == MEDIA_OK) {
        status = is_made(plan, number, &whole, error);
    }
    struct media_video_input input = {0};
    AVFrame *reference = av_frame_alloc();
    if (status == MEDIA_OK && !whole) {
        status = media_manifest_check_input(&plan->manifest, error);
        if (status == MEDIA_OK) {
            status = media_manifest_check_network(&plan->manifest, job, error);
        }
        if (status == MEDIA_OK) {
            status = reference != NULL
                         ? media_position_first(&input, media_manifest_input_path(&plan->manifest),
                                                &plan->options, job->cancel, reference, error)
                         : fail_memory(error);
            media_video_input_close(&input);
        }
        if (status == MEDIA_OK) {
            status = run_segment(plan, job, number, reference, error);
        }
        *made = status == MEDIA_OK;
    }
    av_frame_free(&reference);
    unlock(plan);
    return status;
}

/* ---------------------------------------------------------------------------------- joining -- */

static enum media_status read_entries(const struct media_segment_plan *plan,
                                      struct media_segment_list *list, struct media_error *error)
{
    uint64_t segments = media_manifest_planned_segments(&plan->manifest);
    for (uint64_t i = 0; i < segments; i++) {
        struct media_segment_entry entry;
        bool found;
        enum media_status status =
            media_segment_entry_read(&entry, i, &plan->manifest, &plan->parts, &found, error);
        if (status == MEDIA_OK && !found) {
            status =
                media_fail(error, MEDIA_ERROR_INPUT,
                           "segment %" PRIu64 " of 0 to %" PRIu64 " is missing", i, segments - 1);
        }
        if (status == MEDIA_OK && !media_segment_list_add(list, &entry)) {
            status = fail_memory(error);
        }
        if (status != MEDIA_OK) {
            return status;
        }
    }
    /* Each worker has seen only its part of the input. */
    struct media_survey survey;
    media_manifest_plan(&plan->manifest, &survey);
    struct media_segment_entry *last = &list->entries[segments - 1];
    last->damaged = survey.damaged;
    last->faulty = survey.faulty;
    last->retimed = survey.retimed;
    last->interlaced = survey.interlaced;
    return MEDIA_OK;
}

static enum media_status join(const struct media_segment_plan *plan, const struct media_job *job,
                              const char *output_path, struct media_video_result *result,
                              struct media_error *error)
{
    struct media_segment_list list = {0};
    struct media_pipeline *whole = media_segment_new_pipeline(job, &plan->options, result);
    enum media_status status =
        whole != NULL ? read_entries(plan, &list, error) : fail_memory(error);
    if (status == MEDIA_OK) {
        status = media_pipeline_prepare(whole, media_manifest_input_path(&plan->manifest),
                                        output_path, NULL, error);
    }
    if (status == MEDIA_OK) {
        status = media_segments_join(whole, &plan->parts, list.entries, list.count, error);
    }
    media_segment_list_free(&list);
    if (whole != NULL) {
        media_pipeline_free(whole);
    }
    return status;
}

enum media_status media_segment_plan_join(struct media_segment_plan *plan,
                                          const struct media_job *job, const char *output_path,
                                          struct media_video_result *result,
                                          struct media_error *error)
{
    enum media_status status = lock(plan, MEDIA_PARTS_EXCLUSIVE, error);
    *result = (struct media_video_result){0};
    if (status == MEDIA_OK) {
        status = media_manifest_check_input(&plan->manifest, error);
    }
    if (status == MEDIA_OK) {
        status = join(plan, job, output_path, result, error);
    }
    unlock(plan);
    return status;
}

void media_segment_plan_close(struct media_segment_plan *plan)
{
    if (plan != NULL) {
        media_manifest_free(&plan->manifest);
        media_parts_close(&plan->parts);
        free(plan);
    }
}
