/* SPDX-License-Identifier: MIT
 *
 * Names of files: what clients call theirs, made harmless, and what results are called after them.
 */
#ifndef SERVER_NAMING_H
#define SERVER_NAMING_H

#include <stdbool.h>

/* The last part of what a client called its file, as UTF-8 without control characters, of at most
 * 200 bytes; "input" where nothing is left. Malloc'd, NULL without memory. */
char *server_name_clean(const char *name);

/* The extension without its dot, or NULL. */
const char *server_name_extension(const char *name);

/* "clip.mov", 2, "mp4" -> "clip_2x.mp4"; malloc'd, NULL without memory. */
char *server_name_of_result(const char *input_name, unsigned scale, const char *extension);

/* The media type of files with this extension; "application/octet-stream" for an unknown one. */
const char *server_name_content_type(const char *extension);

#endif
