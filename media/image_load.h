/* SPDX-License-Identifier: MIT
 *
 * Opening a picture: its format by content, its pages, its size limits, its orientation.
 */
#ifndef MEDIA_IMAGE_LOAD_H
#define MEDIA_IMAGE_LOAD_H

#include <vips/vips.h>

#include "media/image_formats.h"
#include "media/job.h"

struct media_image_input {
    const struct media_image_format *format;
    VipsImage *image; /* upright, top to bottom; pages stand below each other */
    uint32_t pages;   /* 1 and more; page_height_px * pages = height */
    uint32_t page_height_px;
    VipsBlob *blob; /* keeps the bytes of a paged picture from standard input */
};

/* Opens the picture at `path` ("-": standard input), read from top to bottom with little memory
 * where its format and orientation allow that. All pages are opened if `keep` is the kind of pages
 * that the target can hold and the picture has (job->on_note hears of left ones; `job` may be
 * NULL). Fails with nothing to close. */
enum media_status media_image_open(const char *path, enum media_image_paging keep,
                                   uint64_t max_pixels, const struct media_job *job,
                                   struct media_image_input *input, struct media_error *error);

/* The same without applying the orientation: only the header is read, the picture may lie on its
 * side. */
enum media_status media_image_open_as_stored(const char *path, enum media_image_paging keep,
                                             uint64_t max_pixels, const struct media_job *job,
                                             struct media_image_input *input,
                                             struct media_error *error);

void media_image_close(struct media_image_input *input);

#endif
