/* SPDX-License-Identifier: MIT
 *
 * Names of numbered files, "frames/%05d.png": in the file's name one %d or %0Nd stands for the
 * number, of N digits or more, and %% for a percent sign. Folders are taken literally.
 */
#ifndef MEDIA_SEQUENCE_H
#define MEDIA_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "media/job.h"

/* Numbers that are looked for and written. */
enum { MEDIA_SEQUENCE_MOST = 999999999 };

bool media_sequence_is_pattern(const char *path);

/* A pattern, and there is no file of exactly that name. */
bool media_sequence_is_input(const char *path);

/* The name with this number. Malloc'd; NULL where memory runs out. `pattern` must be one; so in all
 * that follow. */
char *media_sequence_name(const char *pattern, uint64_t number);

/* Is `path`, of which only the part behind the last slash counts, such a name? */
bool media_sequence_number(const char *pattern, const char *path, uint64_t *number);

/* Does any such file exist? *name, malloc'd, is one of them, or NULL. */
bool media_sequence_any(const char *pattern, char **name);

struct media_sequence_extent {
    uint64_t first, count;
};

/* The files from `start` (NULL: from the lowest number that exists) to the highest number.
 * MEDIA_ERROR_INPUT if there are none or one in between is missing, which is named. */
enum media_status media_sequence_find(const char *pattern, const uint64_t *start,
                                      struct media_sequence_extent *extent,
                                      struct media_error *error);

#endif
