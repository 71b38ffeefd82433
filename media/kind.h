/* SPDX-License-Identifier: MIT
 *
 * Picture or video, by the first bytes of a file. Looks at signatures alone: it needs neither
 * libvips nor FFmpeg, and says nothing of whether the file can be read here.
 */
#ifndef MEDIA_KIND_H
#define MEDIA_KIND_H

#include <stdbool.h>
#include <stddef.h>

enum media_kind {
    MEDIA_KIND_UNKNOWN,
    MEDIA_KIND_PICTURE,
    MEDIA_KIND_ANIMATION, /* GIF: a picture, and FFmpeg reads it as a video too */
    MEDIA_KIND_VIDEO
};

/* Enough for every signature that is looked at. */
enum { MEDIA_KIND_HEAD_BYTES = 4096 };

enum media_kind media_kind_of_head(const unsigned char *head, size_t size);

#endif
