/* SPDX-License-Identifier: MIT
 *
 * One layer's pixels, enlarged. Knows GEGL's buffers and the library; nothing of images and menus.
 */
#ifndef PIPERSR_GIMP_PIXELS_H
#define PIPERSR_GIMP_PIXELS_H

#include <gegl.h>

#include "pipersr.h"

/* How a layer's pixels are given to the library. */
struct pixels_format {
    pipersr_format library;
    const Babl *babl; /* the same samples, in the colour space of the layer */
};

/* The format of the library that keeps what a layer in `layer_format` holds: 8 and 16 bits as they
 * are, everything else (linear light, 32-bit integers, floats) as floats with the space's gamma. */
struct pixels_format pixels_format_of(const Babl *layer_format, gboolean is_gray,
                                      gboolean has_alpha);

/* Called with the number of input pixels that are done since the last call. */
typedef void (*pixels_progress)(void *user_data, gdouble pixels_done);

/* A new buffer with all of `in`, scale times as wide and high, to be freed by the caller; NULL with
 * `error` filled. Memory: bands of rows beside the buffers, which GEGL swaps out. */
GeglBuffer *pixels_upscale(pipersr_upscaler *upscaler, GeglBuffer *in,
                           const struct pixels_format *format, pixels_progress progress,
                           void *user_data, pipersr_error *error);

#endif /* PIPERSR_GIMP_PIXELS_H */
