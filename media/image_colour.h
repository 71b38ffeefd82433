/* SPDX-License-Identifier: MIT
 *
 * From whatever samples a file holds to what the engine takes: gray or RGB, with or without alpha,
 * 8 or 16 bits.
 */
#ifndef MEDIA_IMAGE_COLOUR_H
#define MEDIA_IMAGE_COLOUR_H

#include <vips/vips.h>

#include "media/image_formats.h"
#include "media/job.h"

/* Makes *out of `in`: 1 to 4 bands of UCHAR or USHORT, typed B_W, GREY16, sRGB or RGB16.
 *
 * Gray and RGB of any profile pass unchanged and keep it: the network works on gamma-encoded values
 * of any RGB space. What is neither (CMYK, Lab, linear float, ...) becomes sRGB, through the
 * embedded profile where there is one, and so does a picture whose profile will not be in the
 * output (`strip`, or a target that cannot hold it), as its colours would shift otherwise. Alpha is
 * flattened onto white for a target without alpha. Everything the user may want to know of goes to
 * job->on_note; `job` may be NULL. */
enum media_status media_image_prepare_colour(VipsImage *in, const struct media_image_format *target,
                                             bool strip, const struct media_job *job,
                                             VipsImage **out, struct media_error *error);

#endif
