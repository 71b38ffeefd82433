/* SPDX-License-Identifier: MIT
 *
 * The planning of a job in segments: what is decided and looked up before the first of them.
 */
#ifndef MEDIA_VIDEO_SEGMENT_PLAN_H
#define MEDIA_VIDEO_SEGMENT_PLAN_H

#include "media/video_manifest.h"
#include "media/video_pipeline.h"
#include "media/video_segment.h"

struct media_segment_plan {
    struct media_parts parts; /* locked while a step lasts */
    struct media_manifest manifest;
    struct media_video_options options; /* its texts are the manifest's */
};

/* Fills in parts and manifest, as media_segment_plan_make() promises; leaves the folder locked. */
enum media_status media_segment_plan_work_out(struct media_segment_plan *plan,
                                              const struct media_job *job, const char *input_path,
                                              const char *target_path,
                                              const struct media_video_options *options,
                                              struct media_error *error);

/* A pipeline that has not begun. NULL when out of memory. */
struct media_pipeline *media_segment_new_pipeline(const struct media_job *job,
                                                  const struct media_video_options *options,
                                                  struct media_video_result *result);

#endif
