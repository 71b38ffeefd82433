/* SPDX-License-Identifier: MIT
 *
 * A finished file gets its name. All return 0 or an errno.
 */
#ifndef MEDIA_OUTPUT_PUBLISH_H
#define MEDIA_OUTPUT_PUBLISH_H

#include <stdbool.h>

/* Data must be on the disk before the name is: otherwise a power cut could leave an empty file in
 * the place of a good one. */
int media_publish_flush(const char *path);

/* Gives the file its name; without `overwrite`, EEXIST if there is one of that name. */
int media_publish(const char *temporary_path, const char *target_path, bool overwrite);

/* And the new name, before anything that the output was made of is removed. */
void media_publish_flush_folder(const char *path);

#endif
