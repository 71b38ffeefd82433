/* SPDX-License-Identifier: MIT
 *
 * The output from its segments: their packets, with the times of one encoder, and everything else
 * from the input.
 */
#ifndef MEDIA_VIDEO_JOIN_H
#define MEDIA_VIDEO_JOIN_H

#include "media/video_pipeline.h"
#include "media/video_segment_entry.h"

/* `whole` is prepared, with its output open; its input stands behind the first frame. `entries` are
 * those of all segments in order. Their files are compared with the hashes in their entries.
 * Completes the pipeline. MEDIA_ERROR_INPUT for segments that are damaged or do not fit. */
enum media_status media_segments_join(struct media_pipeline *whole, const struct media_parts *parts,
                                      const struct media_segment_entry *entries, uint64_t n_entries,
                                      struct media_error *error);

#endif
