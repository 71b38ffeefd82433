/* SPDX-License-Identifier: MIT
 *
 * Picture or video: decided by the first bytes of a file, never by its name. media_image_init()
 * must have been called.
 */
#ifndef CLI_KIND_H
#define CLI_KIND_H

#include <stddef.h>

#include "media/job.h"

enum cli_kind {
    CLI_KIND_UNKNOWN, /* neither, as far as this program can tell */
    CLI_KIND_PICTURE, /* one that can be read here */
    CLI_KIND_VIDEO,
    CLI_KIND_UNREADABLE /* a picture in a format that the installed libvips does not read */
};

/* "picture", "video" or "unknown". */
const char *cli_kind_name(enum cli_kind kind);

enum cli_kind cli_kind_of_head(const unsigned char *head, size_t size);

/* Looks at the file at `path`. MEDIA_ERROR_INPUT, with a message, for a file that is missing,
 * unreadable, empty or no regular file. */
enum media_status cli_kind_of_file(const char *path, enum cli_kind *kind,
                                   struct media_error *error);

/* Looks at standard input without taking anything from it, which a file and (on Linux) a pipe
 * allow; otherwise UNKNOWN. MEDIA_ERROR_INPUT where it is closed or empty. */
enum media_status cli_kind_of_stdin(enum cli_kind *kind, struct media_error *error);

#endif
