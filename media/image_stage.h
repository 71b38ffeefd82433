/* SPDX-License-Identifier: MIT
 *
 * The engine as a libvips operation: rows of the small picture in, rows of the large one out.
 */
#ifndef MEDIA_IMAGE_STAGE_H
#define MEDIA_IMAGE_STAGE_H

#include <vips/vips.h>

#include "media/job.h"

/* The first failure inside a pipeline. libvips passes failures on as -1 and its own text; this
 * keeps what they were. MEDIA_OK: none. */
struct media_image_failure {
    enum media_status status;
    struct media_error error;
};

struct media_image_stage_options {
    const struct media_job *job;
    pipersr_upscaler *upscaler;
    uint32_t page_height_px; /* of the input; each page is a picture of its own to the engine */
    unsigned source_bits;    /* 9..15: samples stand in the upper bits of 16; 0: they fill them */
    unsigned sink_bits;      /* 8..15: 16-bit results are rounded to this; 0: left as they are */
    bool report_progress;    /* true for the last stage of a job */
    struct media_image_failure *failure;
};

/* Makes *out the upscaled `in`, which media_image_prepare_colour() has prepared. It must be read
 * from top to bottom; its memory is bounded by the width and some 200 rows. With sink_bits of 8 the
 * samples of *out are UCHAR, with 9 to 15 they stand in the upper bits of USHORT. Everything that
 * `options` points to must outlive *out. */
enum media_status media_image_stage(VipsImage *in, const struct media_image_stage_options *options,
                                    VipsImage **out, struct media_error *error);

#endif
