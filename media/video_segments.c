/* SPDX-License-Identifier: MIT */
#include "media/video_segments.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/output.h"
#include "media/video_join.h"
#include "media/video_output_record.h"
#include "media/video_segment_file.h"
#include "media/video_segment_list.h"
#include "media/video_segment_run.h"
#include "media/video_space.h"

enum {
    /* A segment is about two minutes' work of a slow machine; shorter ones would cost quality by
     * their keyframes. */
    DEFAULT_SEGMENT_PX = 115 * 1000 * 1000,
    LEAST_FRAMES = 120,
    MOST_FRAMES = 2000,
    LONG_JOB_SEGMENTS = 2
};

static void note(const struct media_pipeline *whole, const char *line)
{
    if (whole->job->on_note != NULL) {
        whole->job->on_note(whole->job->opaque, line);
    }
}

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

/* ------------------------------------------------------------------------------ the decision -- */

bool media_segments_possible(const struct media_pipeline *whole, const char *input_path,
                             const char *output_path, const char **reason)
{
    *reason = NULL;
    if (strcmp(input_path, "-") == 0 || !media_video_input_is_file(&whole->input)) {
        *reason = "the input is not a file and cannot be read again";
    } else if (strcmp(output_path, "-") == 0 || !media_video_output_is_file(&whole->output)) {
        *reason = "the output is not one file";
    } else if (whole->plan.counts_frames) {
        *reason = "y4m is written as it comes";
    } else if (!media_segment_holds(whole->encoder.codec->id)) {
        *reason = "the encoder's packets cannot be kept apart";
    }
    return *reason == NULL;
}

uint64_t media_segments_default_frames(const struct media_pipeline *whole)
{
    uint64_t frame_px =
        (uint64_t)whole->plan.source.width_px * (uint64_t)whole->plan.source.height_px;
    uint64_t frames = DEFAULT_SEGMENT_PX / (frame_px ? frame_px : 1);
    return frames < LEAST_FRAMES ? LEAST_FRAMES : frames > MOST_FRAMES ? MOST_FRAMES : frames;
}

bool media_segments_wanted(const struct media_pipeline *whole, const char *input_path,
                           const char *output_path)
{
    const struct media_video_options *options = whole->options;
    const char *reason;
    if (options->parts_folder == NULL) {
        return false;
    }
    bool asked_for = options->resume || options->segment_frames > 0;
    if (!media_segments_possible(whole, input_path, output_path, &reason)) {
        char line[160];
        snprintf(line, sizeof line, "this job cannot be continued after an interruption: %s",
                 reason);
        if (asked_for) {
            note(whole, line);
        }
        return false;
    }
    return asked_for || media_parts_has_job(options->parts_folder) ||
           whole->expected_frames >= LONG_JOB_SEGMENTS * media_segments_default_frames(whole);
}

/* ----------------------------------------------------------------------------------- the job -- */

struct segmented {
    struct media_pipeline *whole;
    const char *input_path, *output_path, *target_path;
    struct media_parts parts;
    struct media_manifest manifest;
    struct media_segment_list list;
    struct media_segment_run run;
    bool is_ours; /* the folder holds this job and no other */
};

static enum media_status refuse(const struct segmented *job, const char *why,
                                struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_OUTPUT, "'%s' holds an unfinished job%s", job->parts.path,
                      why);
}

/* What to do about the job that the folder holds: *keep it, or discard it, or refuse. */
static enum media_status judge_kept(const struct segmented *job, const struct media_manifest *kept,
                                    const struct media_manifest *now, bool *keep,
                                    struct media_error *error)
{
    const struct media_video_options *options = job->whole->options;
    char difference[200], why[300];
    *keep = false;
    if (!options->resume) {
        return options->restart
                   ? MEDIA_OK
                   : refuse(job, "; --resume continues it, --force begins anew", error);
    }
    *keep = media_manifest_same(kept, now, difference, sizeof difference);
    if (*keep) {
        return MEDIA_OK;
    }
    if (!options->restart) {
        snprintf(why, sizeof why, " that cannot be continued: %s; --force begins anew", difference);
        return refuse(job, why, error);
    }
    snprintf(why, sizeof why, "begins anew: %s", difference);
    note(job->whole, why);
    return MEDIA_OK;
}

/* Reads or makes the manifest. */
static enum media_status settle_manifest(struct segmented *job, struct media_error *error)
{
    const struct media_pipeline *whole = job->whole;
    const struct media_video_options *options = whole->options;
    struct media_manifest kept;
    enum media_status status = media_manifest_read(&kept, &job->parts, error);
    if (status == MEDIA_ERROR_INPUT && options->restart) {
        status = MEDIA_OK;
    }
    if (status != MEDIA_OK) {
        return status;
    }
    uint64_t frames = options->segment_frames;
    if (frames == 0) {
        frames = kept.job != NULL ? media_manifest_segment_frames(&kept)
                                  : media_segments_default_frames(whole);
    }
    status = media_manifest_make(&job->manifest, whole->job, job->input_path, job->target_path,
                                 whole->output.format->oformat->name, options, frames, error);
    bool keep = false;
    if (status == MEDIA_OK && kept.job != NULL) {
        status = judge_kept(job, &kept, &job->manifest, &keep, error);
    }
    job->is_ours = status == MEDIA_OK;
    if (status == MEDIA_OK && keep) {
        media_manifest_free(&job->manifest);
        job->manifest = kept;
        return MEDIA_OK;
    }
    media_manifest_free(&kept);
    if (status == MEDIA_OK) {
        media_parts_clear(&job->parts);
        status = media_manifest_write(&job->manifest, &job->parts, error);
    }
    return status;
}

/* Where segment `number` begins; false if that is not known yet. Number 0 needs none. */
static bool find_mark(const struct segmented *job, uint64_t number, struct media_frame_mark *mark)
{
    if (number > 0 && number <= job->list.count) {
        *mark = job->list.entries[number - 1].next;
        return true;
    }
    return media_manifest_start(&job->manifest, number, mark) || number == 0;
}

/* Times that were counted, and fields that a filter joined, depend on all frames before. */
static bool must_be_linear(const struct segmented *job)
{
    const struct media_segment_list *list = &job->list;
    const struct media_segment_entry *last =
        list->count > 0 ? &list->entries[list->count - 1] : NULL;
    return media_manifest_must_be_linear(&job->manifest) ||
           (last != NULL && (last->retimed > 0 || last->interlaced > 0));
}

static enum media_status add_segment(struct segmented *job, bool *found, struct media_error *error)
{
    struct media_segment_entry entry;
    uint64_t number = job->list.count;
    enum media_status status =
        media_segment_entry_read(&entry, number, &job->manifest, &job->parts, found, error);
    if (status != MEDIA_OK || !*found) {
        return status;
    }
    *found = media_segment_entry_verify(&entry, &job->parts);
    if (!*found) {
        media_segment_entry_free(&entry);
        return MEDIA_OK;
    }
    return media_segment_list_add(&job->list, &entry) ? MEDIA_OK : fail_memory(error);
}

static enum media_status make_segment(struct segmented *job, struct media_error *error)
{
    struct media_segment_entry entry;
    struct media_frame_mark mark = {0};
    uint64_t number = job->list.count;
    if (!find_mark(job, number, &mark)) {
        return media_fail(error, MEDIA_ERROR_INTERNAL,
                          "the beginning of segment %" PRIu64 " is not known", number);
    }
    enum media_status status =
        media_space_check_bytes(job->parts.path, media_segment_list_largest(&job->list), error);
    if (status == MEDIA_OK) {
        status =
            media_segment_run_one(&job->run, number, &mark, must_be_linear(job), &entry, error);
    }
    if (status != MEDIA_OK) {
        return status;
    }
    return media_segment_list_add(&job->list, &entry) ? MEDIA_OK : fail_memory(error);
}

static void note_continued(const struct segmented *job)
{
    char line[160];
    snprintf(line, sizeof line,
             "continues behind frame %" PRIu64 " (%" PRIu64 " segments are kept)",
             media_segment_list_frames(&job->list), job->list.count);
    note(job->whole, line);
}

/* The whole segments from the beginning on. */
static enum media_status read_kept(struct segmented *job, struct media_error *error)
{
    bool found = true;
    enum media_status status = MEDIA_OK;
    while (status == MEDIA_OK && found && !media_segment_list_is_complete(&job->list)) {
        status = add_segment(job, &found, error);
    }
    if (status == MEDIA_OK && job->list.count > 0) {
        note_continued(job);
    }
    return status;
}

static enum media_status make_missing(struct segmented *job, struct media_error *error)
{
    enum media_status status = MEDIA_OK;
    job->run.kept_frames = media_segment_list_frames(&job->list);
    while (status == MEDIA_OK && !media_segment_list_is_complete(&job->list)) {
        /* One behind a gap may be whole: a plan's segments are made in any order. */
        bool found;
        status = add_segment(job, &found, error);
        if (status == MEDIA_OK && !found) {
            status = make_segment(job, error);
        }
    }
    return status;
}

static void set_up_run(struct segmented *job)
{
    const struct media_pipeline *whole = job->whole;
    struct media_survey plan;
    media_manifest_plan(&job->manifest, &plan);
    job->run = (struct media_segment_run){
        .job = whole->job,
        .options = whole->options,
        .muxer = whole->output.format->oformat,
        .input_path = job->input_path,
        .reference = whole->first_frame,
        .parts = &job->parts,
        .manifest = &job->manifest,
        .expected_frames = plan.frames > 0 ? plan.frames : whole->expected_frames,
    };
}

static enum media_status work(struct segmented *job, struct media_error *error)
{
    struct media_pipeline *whole = job->whole;
    enum media_status status = settle_manifest(job, error);
    if (status != MEDIA_OK) {
        return status;
    }
    /* Its settings are in the output's header; each segment has encoder and frames of its own. */
    media_video_encoder_close(&whole->encoder);
    media_pipeline_free_pools(whole);
    media_parts_delete_temporaries(&job->parts);
    if (whole->options->resume) {
        media_output_remove_stale(job->output_path);
    }
    status = read_kept(job, error);
    if (status == MEDIA_OK) {
        status = media_space_check(whole, job->input_path, job->parts.path, true,
                                   media_segment_list_bytes(&job->list), error);
    }
    if (status == MEDIA_OK) {
        status = media_output_record_begin(&job->parts, job->output_path, error);
    }
    if (status == MEDIA_OK) {
        set_up_run(job);
        status = make_missing(job, error);
        media_segment_run_end(&job->run);
        whole->result->input_px = job->run.input_px;
        whole->result->reused_px = job->run.reused_px;
    }
    if (status == MEDIA_OK) {
        status =
            media_space_check_bytes(job->output_path, media_segment_list_bytes(&job->list), error);
    }
    return status == MEDIA_OK
               ? media_segments_join(whole, &job->parts, job->list.entries, job->list.count, error)
               : status;
}

/* Is nothing kept that is worth continuing? A plan is. */
static bool is_empty(const struct segmented *job)
{
    char name[MEDIA_PARTS_NAME_BYTES];
    media_parts_segment_name(name, 0, "json");
    return media_manifest_planned_segments(&job->manifest) == 0 &&
           !media_parts_has(&job->parts, name);
}

enum media_status media_segments_upscale(struct media_pipeline *whole, const char *input_path,
                                         const char *output_path, const char *target_path,
                                         struct media_error *error)
{
    struct segmented job = {.whole = whole,
                            .input_path = input_path,
                            .output_path = output_path,
                            .target_path = target_path};
    enum media_status status = media_parts_open(&job.parts, whole->options->parts_folder, true,
                                                MEDIA_PARTS_EXCLUSIVE, error);
    if (status == MEDIA_OK) {
        status = work(&job, error);
        if (status != MEDIA_OK) {
            whole->result->frames_kept = media_segment_list_frames(&job.list);
        }
        /* Without a manifest it was made just now, and the job has ended before it began. */
        const bool is_new = !media_parts_has_job(job.parts.path);
        if (status != MEDIA_OK && (is_new || (job.is_ours && is_empty(&job)))) {
            media_parts_remove(job.parts.path);
        }
    }
    media_segment_list_free(&job.list);
    media_manifest_free(&job.manifest);
    media_parts_close(&job.parts);
    return status;
}
