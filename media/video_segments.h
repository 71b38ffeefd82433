/* SPDX-License-Identifier: MIT
 *
 * A whole job in segments, in one process: continues what is there, makes what is missing, joins.
 */
#ifndef MEDIA_VIDEO_SEGMENTS_H
#define MEDIA_VIDEO_SEGMENTS_H

#include "media/video_pipeline.h"
#include "media/video_segment_entry.h"

/* Is this prepared job to be cut? Notes why not, if the options ask for it and it cannot be. */
bool media_segments_wanted(const struct media_pipeline *whole, const char *input_path,
                           const char *output_path);

/* Can it be cut: from a file to a file, by a codec whose pieces can be joined? If not, *reason says
 * why. */
bool media_segments_possible(const struct media_pipeline *whole, const char *input_path,
                             const char *output_path, const char **reason);

/* Frames of a segment, if the user does not say. */
uint64_t media_segments_default_frames(const struct media_pipeline *whole);

/* Does all of it, and completes the pipeline. After a failure that leaves whole segments, the
 * message and the result tell of them. */
enum media_status media_segments_upscale(struct media_pipeline *whole, const char *input_path,
                                         const char *output_path, const char *target_path,
                                         struct media_error *error);

#endif
