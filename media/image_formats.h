/* SPDX-License-Identifier: MIT
 *
 * The picture formats of this program: what marks them, which libvips operation reads and writes
 * them and what they can hold. Only these are ever loaded; libvips' other loaders stay out:
 * ImageMagick, PDF, SVG and the scientific formats are large attack surfaces, and a vector drawing
 * should be rendered at the wanted size instead of being upscaled.
 */
#ifndef MEDIA_IMAGE_FORMATS_H
#define MEDIA_IMAGE_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum media_image_kind {
    MEDIA_IMAGE_PNG,
    MEDIA_IMAGE_JPEG,
    MEDIA_IMAGE_WEBP,
    MEDIA_IMAGE_TIFF,
    MEDIA_IMAGE_GIF,
    MEDIA_IMAGE_AVIF,
    MEDIA_IMAGE_HEIC,
    MEDIA_IMAGE_JXL
};

/* What several pictures in one file mean, and whether a format can hold them. */
enum media_image_paging {
    MEDIA_IMAGE_SINGLE,    /* one picture; any others are thumbnails or unrelated */
    MEDIA_IMAGE_ANIMATION, /* frames with delays */
    MEDIA_IMAGE_PAGES      /* pages of a document */
};

struct media_image_format {
    enum media_image_kind kind;
    const char *title;  /* for people: "WebP" */
    const char *names;  /* file name extensions and format names, space-separated */
    const char *loader; /* nickname of the libvips operation */
    const char *saver;  /* the same */
    enum media_image_paging paging;
    bool alpha;           /* can hold transparency */
    bool gray;            /* can hold one channel */
    bool sixteen_bit;     /* can hold more than 8 bits per sample */
    bool profile;         /* can hold an ICC profile */
    bool reads_whole;     /* the reader holds a whole page in memory */
    uint32_t max_side_px; /* largest width and height, 0: none that matters */
    uint64_t max_page_px; /* largest area of one page, 0: none */
    int quality;          /* default, 0: lossless */
};

/* By the first bytes of a file; NULL if it is none of ours. */
const struct media_image_format *media_image_format_of_data(const void *head, size_t size);

/* By a file name's extension or by a bare name ("png", "jpg"); NULL if it is none of ours. */
const struct media_image_format *media_image_format_of_name(const char *path_or_name);

/* Has the installed libvips (with its codecs) the operation, and is it not blocked? */
bool media_image_format_readable(const struct media_image_format *format);
bool media_image_format_writable(const struct media_image_format *format);

/* Bits per sample that the installed AVIF or HEIC encoder can write: 12, 10, 8, or 0 without one.
 * Found by encoding a tiny picture. */
int media_image_heif_depth(const struct media_image_format *format);

/* "PNG, JPEG, WebP, ..." of those that can be read (or written) here; malloc'd, NULL without
 * memory. */
char *media_image_format_list(bool writable);

#endif
