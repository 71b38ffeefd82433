/* SPDX-License-Identifier: MIT
 *
 * The mean and the covariance of what the weights of a 3x3 convolution meet: the 9 * C numbers
 * around a pixel. They are taken from a sample of the pixels, as neighbours say much the same.
 */
#ifndef PSR_MOMENTS_H
#define PSR_MOMENTS_H

#include <stdint.h>

/* The order of the 9 * C terms is that of a weight's [C][3][3]. */
struct psr_moments {
    uint32_t channels, terms;
    double weight;    /* of all that was counted */
    double *sums;     /* [terms], each term times its weight */
    double *products; /* [terms][terms], the same for products; only those with column >= row */
    /* The frame in progress. */
    uint32_t width_px, height_px, y; /* y: rows that have come */
    uint32_t threshold;              /* of a pixel's hash: those below it are in the sample */
    double pixel_weight;             /* of one in the sample */
    float *rows;                     /* [3][width_px + 2][channels], row y % 3; 0 at the sides */
    uint64_t rows_size;              /* how many numbers there is room for */
    float *batch; /* [PSR_MOMENTS_BATCH][terms], to be added up together, and a row of sums */
    uint32_t batched;
};

enum { PSR_MOMENTS_BATCH = 16 }; /* a multiple of 4 */

/* Returns 0, or -1 without memory. psr_moments_free() is right after either, and for zeros. */
int psr_moments_init(struct psr_moments *moments, uint32_t channels);
void psr_moments_free(struct psr_moments *moments);

/* Begins a frame, and forgets what was left out of the one before. About `sample` of its pixels
 * (all, if it has no more) stand for the others; together they weigh `weight` for each pixel.
 * Returns 0, or -1 without memory. */
int psr_moments_begin(struct psr_moments *moments, uint32_t width_px, uint32_t height_px,
                      uint32_t sample, double weight);

/* Where the frame's next row is to be put, [width_px][channels] finite numbers, before
 * psr_moments_add_row() counts it. With the last row the frame is done. */
float *psr_moments_next_row(struct psr_moments *moments);
void psr_moments_add_row(struct psr_moments *moments);

/* mean [terms] and covariance [terms][terms] (both halves) of terms over their channel's
 * scale [channels]. Something must have been counted. */
void psr_moments_get(const struct psr_moments *moments, const float *scale, double *mean,
                     double *covariance);

#endif
