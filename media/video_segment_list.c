/* SPDX-License-Identifier: MIT */
#include "media/video_segment_list.h"

#include <stdlib.h>

bool media_segment_list_add(struct media_segment_list *list, struct media_segment_entry *entry)
{
    if (list->count == list->capacity) {
        uint64_t capacity = list->capacity > 0 ? 2 * list->capacity : 64;
        void *grown = reallocarray(list->entries, (size_t)capacity, sizeof *list->entries);
        if (grown == NULL) {
            media_segment_entry_free(entry);
            return false;
        }
        list->entries = grown;
        list->capacity = capacity;
    }
    list->entries[list->count++] = *entry;
    return true;
}

void media_segment_list_free(struct media_segment_list *list)
{
    for (uint64_t i = 0; i < list->count; i++) {
        media_segment_entry_free(&list->entries[i]);
    }
    free(list->entries);
    *list = (struct media_segment_list){0};
}

bool media_segment_list_is_complete(const struct media_segment_list *list)
{
    return list->count > 0 && list->entries[list->count - 1].last;
}

uint64_t media_segment_list_frames(const struct media_segment_list *list)
{
    if (list->count == 0) {
        return 0;
    }
    const struct media_segment_entry *last = &list->entries[list->count - 1];
    return last->first_frame + last->frames;
}

uint64_t media_segment_list_bytes(const struct media_segment_list *list)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < list->count; i++) {
        sum += list->entries[i].size_bytes;
    }
    return sum;
}

uint64_t media_segment_list_largest(const struct media_segment_list *list)
{
    uint64_t largest = 0;
    for (uint64_t i = 0; i < list->count; i++) {
        uint64_t size = list->entries[i].size_bytes;
        largest = size > largest ? size : largest;
    }
    return largest;
}
