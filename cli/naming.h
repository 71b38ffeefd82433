/* SPDX-License-Identifier: MIT
 *
 * Names of outputs. media_image_init() must have been called where a kind is asked for.
 */
#ifndef CLI_NAMING_H
#define CLI_NAMING_H

#include <stdbool.h>

#include "cli/kind.h"

/* Does the name end in _2x, _4x, ... before its extension, as our own outputs do? */
bool cli_name_is_upscaled(const char *path);

/* The extension without its dot, or NULL; points into `path`. */
const char *cli_name_extension(const char *path);

/* The extension for the enlarged `path`: `format` if it is not NULL, else the file's own where that
 * can be written for its kind, else "png" or "mp4". *kept: false in this last case. Points into
 * `path`, `format` or a constant. */
const char *cli_name_output_extension(const char *path, enum cli_kind kind, const char *format,
                                      bool *kept);

/* "FOLDER/STEM_2x.EXTENSION", STEM being `relative` without its extension; FOLDER may be NULL, and
 * `relative` may hold folders. Malloc'd; NULL where memory runs out. */
char *cli_name_default(const char *folder, const char *relative, unsigned scale,
                       const char *extension);

/* "TARGET.parts", where a long video job keeps its segments. Malloc'd; NULL where memory runs out.
 */
char *cli_name_parts_folder(const char *target);

/* Is the picture or video in this file format, as --format names it, written here? */
bool cli_format_is_picture(const char *format);
bool cli_format_is_video(const char *format);

/* FFmpeg's name of a container that --format or an extension names. */
const char *cli_format_muxer(const char *format);

#endif
