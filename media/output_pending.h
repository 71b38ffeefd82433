/* SPDX-License-Identifier: MIT
 *
 * The temporary names of all outputs in progress, for media_output_unlink_all().
 */
#ifndef MEDIA_OUTPUT_PENDING_H
#define MEDIA_OUTPUT_PENDING_H

#include <stdbool.h>

/* Takes the malloc'd path of a file, or of a folder whose files are named 1, 2, 3, ..., over. False
 * where too many are in progress: then it stays the caller's. */
bool media_pending_add(char *path);

/* Forgets and frees it. */
void media_pending_release(char *path);

/* Removes such a file, or such a folder with its files. Async-signal-safe. */
void media_pending_remove(const char *path);

#endif
