/* SPDX-License-Identifier: MIT
 *
 * Writing the upscaled picture.
 */
#ifndef MEDIA_IMAGE_SAVE_H
#define MEDIA_IMAGE_SAVE_H

#include <vips/vips.h>

#include "media/image.h"
#include "media/image_formats.h"
#include "media/image_stage.h"
#include "media/job.h"

struct media_image_save_options {
    int quality; /* 1..100 */
    bool lossless;
    bool strip;
    int heif_depth_bits; /* 8, 10 or 12; for AVIF and HEIC only */
};

/* Pulls the whole of `image` through the pipeline into `path` ("-": standard output). Of the
 * failures, the one that the pipeline met itself (`pipeline`) comes before what libvips says. */
enum media_status media_image_save(VipsImage *image, const struct media_image_format *format,
                                   const struct media_image_save_options *options, const char *path,
                                   const struct media_image_failure *pipeline,
                                   struct media_error *error);

#endif
