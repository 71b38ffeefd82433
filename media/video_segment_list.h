/* SPDX-License-Identifier: MIT
 *
 * The segments of a job that are there, from the first on.
 */
#ifndef MEDIA_VIDEO_SEGMENT_LIST_H
#define MEDIA_VIDEO_SEGMENT_LIST_H

#include "media/video_segment_entry.h"

struct media_segment_list {
    struct media_segment_entry *entries; /* by number */
    uint64_t count, capacity;
};

/* Takes the entry over, also on failure. False when out of memory. */
bool media_segment_list_add(struct media_segment_list *list, struct media_segment_entry *entry);

void media_segment_list_free(struct media_segment_list *list);

/* Is the last one the video's last? */
bool media_segment_list_is_complete(const struct media_segment_list *list);

uint64_t media_segment_list_frames(const struct media_segment_list *list);

/* Sizes of the segments' files: of all together, and of the largest. */
uint64_t media_segment_list_bytes(const struct media_segment_list *list);
uint64_t media_segment_list_largest(const struct media_segment_list *list);

#endif
