/* SPDX-License-Identifier: MIT
 *
 * Rows of pixels in the caller's formats <-> rows of floats.
 */
#ifndef PSR_FRAME_H
#define PSR_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pipersr.h"

enum {
    PSR_MAX_WIDTH = 1 << 20,
    PSR_MAX_HEIGHT = INT32_MAX / 4,
    PSR_RGB_FLOATS = 4 /* floats of a pixel in a float row: R, G, B, 0; range 0..1 */
};

struct psr_format {
    uint32_t colours; /* 1 or 3 */
    bool alpha;
    uint32_t sample_bytes; /* 1, 2: unsigned; 4: float */
    size_t pixel_bytes;
};

/* Planes of a planar picture, counted even where it has but one. */
enum { PSR_PLANES = 3 };

/* Rows first_row, first_row + 1, ... of a picture in memory, or of one of its planes. */
struct psr_rows {
    unsigned char *data;
    ptrdiff_t stride_bytes;
    int64_t first_row;
};

/* Returns -1 for a value that is no format. */
int psr_format_describe(pipersr_format format, struct psr_format *description);

/* What a caller gives, checked; a failure is ERROR_ARGUMENT with its reason. */
pipersr_status psr_check_size(uint32_t width, uint32_t height, pipersr_error *error);
pipersr_status psr_check_size_and_format(uint32_t width, uint32_t height, pipersr_format format,
                                         struct psr_format *description, pipersr_error *error);
/* Rows must not overlap, and a float must lie where a float may. */
pipersr_status psr_check_rows(const void *data, ptrdiff_t stride, uint32_t width, uint32_t rows,
                              const struct psr_format *format, const char *which,
                              pipersr_error *error);

/* Pixels x .. x+n-1 of `row` as floats: rgb [n][PSR_RGB_FLOATS], alpha [n] (ignored where the
 * format has none). Gray becomes R = G = B. */
void psr_row_read(const void *row, const struct psr_format *format, size_t x, size_t n, float *rgb,
                  float *alpha);

/* The reverse, clamped and rounded to nearest. Gray is BT.601 luma of the three colours. */
void psr_row_write(void *row, const struct psr_format *format, size_t x, size_t n, const float *rgb,
                   const float *alpha);

/* Weights of the four taps base-1 .. base+2 of Keys' bicubic interpolation (a = -0.5) for the
 * output sample `phase` (0..scale-1) of an input sample; returns base relative to that sample,
 * -1 or 0. */
int psr_bicubic_taps(uint32_t scale, uint32_t phase, float weights[4]);

#endif
