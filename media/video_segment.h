/* SPDX-License-Identifier: MIT
 *
 * A job in segments, step by step, for those who share one out among processes or machines: plan it
 * once, make its segments in any order and anywhere that sees input and folder, join them. Each
 * step may be repeated: what is whole is not made again.
 */
#ifndef MEDIA_VIDEO_SEGMENT_H
#define MEDIA_VIDEO_SEGMENT_H

#include "media/video.h"

struct media_segment_plan;

/* What a plan says, and what there is of it. The texts live as long as the plan. */
struct media_segment_facts {
    const char *input_path, *target_path; /* absolute */
    const char *container;                /* FFmpeg's name of the output's */
    const char *sequence;                 /* media_video_options.sequence */
    const uint64_t *start_number; /* of an input that is numbered pictures; NULL: the lowest */
    const char *model;            /* media_video_options.model; NULL if there was none */
    const char *precision;        /* pipersr_precision_name() */
    unsigned scale;
    uint64_t frames, segment_frames, segments;
    uint64_t segments_made; /* so far */
};

/* Plans a job: decodes the input once, to know every segment's first frame, and writes
 * options->parts_folder. A folder that holds this very plan is left as it is. Otherwise as
 * media_video_upscale(), with `restart` to discard another job. Close the plan in any case. */
enum media_status media_segment_plan_make(const struct media_job *job, const char *input_path,
                                          const char *target_path,
                                          const struct media_video_options *options,
                                          struct media_segment_plan **plan,
                                          struct media_error *error);

/* Reads the plan in a folder. MEDIA_ERROR_INPUT if there is none. Close it in any case. */
enum media_status media_segment_plan_open(const char *parts_folder,
                                          struct media_segment_plan **plan,
                                          struct media_error *error);

void media_segment_plan_facts(const struct media_segment_plan *plan,
                              struct media_segment_facts *facts);

/* Makes segment `number`, 0 to segments - 1. *made is false if it was whole already. The job's
 * network must be the plan's: MEDIA_ERROR_UNSUPPORTED if it computes something else;
 * MEDIA_ERROR_INPUT if the input has changed since. */
enum media_status media_segment_plan_run(struct media_segment_plan *plan,
                                         const struct media_job *job, uint64_t number, bool *made,
                                         struct media_error *error);

/* Joins all segments into `output_path`, a temporary file as made by media_output_begin(), for a
 * target in the plan's container; or a folder, as media_output_begin_sequence() makes it, for a
 * plan of numbered pictures. The folder is left as it is: media_video_parts_remove() it when
 * the output has its name. MEDIA_ERROR_INPUT names a segment that is missing or damaged. */
enum media_status media_segment_plan_join(struct media_segment_plan *plan,
                                          const struct media_job *job, const char *output_path,
                                          struct media_video_result *result,
                                          struct media_error *error);

/* NULL is allowed. */
void media_segment_plan_close(struct media_segment_plan *plan);

#endif
