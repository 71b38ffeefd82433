/* SPDX-License-Identifier: MIT
 *
 * How far a job is, as text.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stddef.h>

#include "media/job.h"

/* Seconds until the end at the average rate so far, or a negative number while that is unknown. */
double cli_progress_left_s(const struct media_progress *progress, double elapsed_s);

/* "NAME  42%  151/360 rows  88.3 rows/s  0:04 left" in at most `columns` columns; a name that is
 * too long loses its beginning. Parts that are unknown are left out. */
void cli_progress_text(char *text, size_t size, const char *name,
                       const struct media_progress *progress, double elapsed_s, size_t columns);

#endif
