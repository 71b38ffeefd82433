/* SPDX-License-Identifier: MIT
 *
 * The pixels of a patch: what the network sees of it, and the loss of what it makes of that.
 */
#ifndef PIPERSR_TRAINING_PIXELS_H
#define PIPERSR_TRAINING_PIXELS_H

#include <stdint.h>

enum { COLOURS = 3, MOST_SCALE = 4, MOST_MADE = COLOURS * MOST_SCALE * MOST_SCALE };

struct shape {
    uint32_t channels, blocks, scale, side;
};

struct pixels {
    const uint8_t *low, *high; /* first pixel of the corpus */
    int64_t choice[5];         /* start and row of low, of high, in pixels; symmetry 0 ... 7 */
};

struct loss {
    float y_share, mse; /* shares of Y in it, and of squares */
    uint32_t patches;   /* it is the mean over so many */
};

/* Channels of the tail's output: 3 scale^2. */
uint32_t shape_made(const struct shape *shape);

/* The three colours of a low-resolution pixel of the patch, at row i and column j. */
const uint8_t *pixels_low(const struct pixels *pixels, const struct shape *shape, uint32_t i,
                          uint32_t j);

/* -> wanted [side * side][shape_made()], as the tail's channels lie. */
void pixels_wanted(const struct pixels *pixels, const struct shape *shape, uint8_t *wanted);

/* The loss of what the tail made of a row of low-resolution pixels, whose channels lie `stride`
 * numbers after those of the pixel before, and its gradient [side][shape_made()]. */
double pixels_loss(const struct loss *loss, const struct shape *shape, const float *made,
                   uint32_t stride, const uint8_t *wanted, float *gradient);

#endif
