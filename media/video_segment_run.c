/* SPDX-License-Identifier: MIT */
#include "media/video_segment_run.h"

#include <inttypes.h>
#include <stdlib.h>

#include "media/video_pipeline.h"
#include "media/video_position.h"
#include "media/video_segment_file.h"

/* A segment's job: says nothing that the whole job has said, and counts its frames on from the
 * segments before it. */
struct part_job {
    struct media_job job;
    const struct media_segment_run *run;
    uint64_t first_frame;
};

static void report_progress(void *opaque, const struct media_progress *progress)
{
    const struct part_job *part = opaque;
    const struct media_segment_run *run = part->run;
    struct media_progress whole = {.done = part->first_frame + progress->done,
                                   .total = run->expected_frames,
                                   .kept = run->kept_frames,
                                   .unit = progress->unit};
    if (whole.total < whole.done) {
        whole.total = 0; /* the container was wrong about it */
    }
    run->job->on_progress(run->job->opaque, &whole);
}

static void make_part_job(const struct media_segment_run *run, uint64_t first_frame,
                          struct part_job *part)
{
    *part = (struct part_job){.job = *run->job, .run = run, .first_frame = first_frame};
    part->job.on_note = NULL;
    if (part->job.on_progress != NULL) {
        part->job.on_progress = report_progress;
        part->job.opaque = part;
    }
}

/* What reads the file points at where the input lies. */
static void move_input(struct media_video_input *from, struct media_video_input *to)
{
    *to = *from;
    *from = (struct media_video_input){0};
    to->io.stop = NULL;
    if (to->io.context != NULL) {
        to->io.context->opaque = &to->io;
    }
}

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

static enum media_status position(struct media_segment_run *run, uint64_t first_frame,
                                  const struct media_frame_mark *mark, bool linear,
                                  struct media_error *error)
{
    if (run->is_positioned && run->next_number == first_frame) {
        return MEDIA_OK;
    }
    if (run->is_positioned) {
        media_video_input_close(&run->input);
    }
    run->is_positioned = false;
    if (run->next == NULL) {
        run->next = av_frame_alloc();
    }
    if (run->next == NULL) {
        return fail_memory(error);
    }
    enum media_status status =
        media_position_at(&run->input, run->input_path, run->options, run->job->cancel, first_frame,
                          mark, linear, run->next, error);
    if (status != MEDIA_OK) {
        media_video_input_close(&run->input);
        return status;
    }
    run->is_positioned = true;
    run->next_number = first_frame;
    return MEDIA_OK;
}

/* Reads the frame behind the segment, which tells whether there is one. */
static enum media_status look_ahead(struct media_segment_run *run,
                                    struct media_segment_entry *entry, struct media_error *error)
{
    bool got_frame = false;
    enum media_status status = media_position_next(&run->input, run->next, &got_frame, error);
    if (status != MEDIA_OK) {
        return status;
    }
    entry->last = !got_frame;
    entry->damaged = run->input.n_damaged;
    entry->faulty = run->input.n_faulty;
    entry->retimed = run->input.n_retimed;
    entry->interlaced = run->input.deinterlacer.n_interlaced;
    if (got_frame) {
        run->next_number = entry->first_frame + entry->frames;
        run->is_positioned = true;
        media_position_mark(run->next, &entry->next);
        return entry->next.sha256[0] != '\0' ? MEDIA_OK : fail_memory(error);
    }
    media_video_input_close(&run->input);
    return MEDIA_OK;
}

static enum media_status encode(struct media_segment_run *run, struct media_pipeline *pipeline,
                                struct media_segment_writer *writer,
                                struct media_segment_entry *entry, struct media_error *error)
{
    enum media_status status = media_pipeline_prepare_stages(pipeline, run->muxer, error);
    if (status == MEDIA_OK) {
        status = media_segment_writer_open(writer, run->parts, entry->number,
                                           pipeline->encoder.context, run->job->cancel, error);
    }
    if (status != MEDIA_OK) {
        return status;
    }
    av_frame_unref(pipeline->first_frame);
    av_frame_move_ref(pipeline->first_frame, run->next);
    pipeline->output.sink = media_segment_writer_put;
    pipeline->output.sink_opaque = writer;
    pipeline->max_frames = entry->first_frame + media_manifest_segment_frames(run->manifest);
    status = media_pipeline_run(pipeline, error);
    entry->frames = pipeline->input.n_frames - entry->first_frame;
    if (status == MEDIA_OK && entry->frames != writer->n_times) {
        status = media_fail(error, MEDIA_ERROR_INTERNAL,
                            "%" PRIu64 " frames were decoded but %zu written", entry->frames,
                            writer->n_times);
    }
    return status;
}

static enum media_status make_segment(struct media_segment_run *run,
                                      struct media_pipeline *pipeline,
                                      struct media_segment_entry *entry, struct media_error *error)
{
    struct part_job part;
    struct media_video_result made = {0};
    struct media_segment_writer writer = {0};
    make_part_job(run, entry->first_frame, &part);
    pipeline->job = &part.job;
    pipeline->options = run->options;
    pipeline->result = &made;
    pipeline->first_frame = av_frame_clone(run->reference);
    move_input(&run->input, &pipeline->input);
    run->is_positioned = false;
    enum media_status status = pipeline->first_frame != NULL
                                   ? encode(run, pipeline, &writer, entry, error)
                                   : fail_memory(error);
    move_input(&pipeline->input, &run->input);
    entry->captioned = pipeline->n_captioned;
    run->input_px += made.input_px;
    run->reused_px += made.reused_px;
    if (status == MEDIA_OK) {
        status = look_ahead(run, entry, error);
    }
    if (status == MEDIA_OK) {
        status = media_segment_writer_finish(&writer, run->parts, entry, error);
    }
    if (status == MEDIA_OK) {
        status = media_segment_entry_write(entry, run->manifest, run->parts, error);
    }
    media_segment_writer_close(&writer);
    if (status != MEDIA_OK) {
        media_video_input_close(&run->input);
        run->is_positioned = false;
    }
    return status;
}

enum media_status media_segment_run_one(struct media_segment_run *run, uint64_t number,
                                        const struct media_frame_mark *mark, bool linear,
                                        struct media_segment_entry *entry,
                                        struct media_error *error)
{
    *entry = (struct media_segment_entry){
        .number = number, .first_frame = number * media_manifest_segment_frames(run->manifest)};
    enum media_status status = position(run, entry->first_frame, mark, linear, error);
    struct media_pipeline *pipeline = status == MEDIA_OK ? calloc(1, sizeof *pipeline) : NULL;
    if (status != MEDIA_OK) {
        return status;
    }
    if (pipeline == NULL) {
        return fail_memory(error);
    }
    status = make_segment(run, pipeline, entry, error);
    media_pipeline_free(pipeline);
    if (status != MEDIA_OK) {
        media_segment_entry_free(entry);
    }
    return status;
}

void media_segment_run_end(struct media_segment_run *run)
{
    media_video_input_close(&run->input);
    av_frame_free(&run->next);
    run->is_positioned = false;
}
