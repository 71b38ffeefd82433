/* SPDX-License-Identifier: MIT
 *
 * Forward and backward pass of the network over one patch, by one thread.
 */
#ifndef PIPERSR_TRAINING_PATCH_H
#define PIPERSR_TRAINING_PATCH_H

#include <stdint.h>

enum { MOST_BLOCKS = 32, COLOURS = 3, HEAD_IN = 32 /* the head's 3 inputs, filled up */ };

struct shape {
    uint32_t channels, blocks, scale, side;
};

/* Channels of the tail's output, filled up to whole tiles. */
uint32_t shape_tail_sums(const struct shape *shape);
uint32_t shape_tail_inputs(const struct shape *shape);

struct layer_weights {
    uint16_t *high, *low, *back; /* conv_pack()'s; low for precise sums, back for gradients */
    float *bias;
};

/* Layers: 0 the head, 1 ... 2 * blocks the body, 2 * blocks + 1 the tail. */
struct weights {
    struct layer_weights layers[2 * MOST_BLOCKS + 2];
};

struct layer_gradient {
    float *sums; /* as struct weight_gradient's; c_out of the tail is shape_tail_inputs() */
    float *bias;
};

struct gradient {
    struct layer_gradient layers[2 * MOST_BLOCKS + 2];
    double loss;
};

struct loss {
    float y_share, mse; /* shares of Y in it, and of squares */
    uint32_t patches;   /* it is the mean over so many */
    int precise;        /* sums of the body from numbers of 16 instead of 8 bits */
};

struct pixels {
    const uint8_t *low, *high; /* first pixel of the corpus */
    int64_t choice[5];         /* start and row of low, of high, in pixels; symmetry 0 ... 7 */
};

struct workspace;
struct workspace *workspace_new(const struct shape *shape); /* NULL when memory is short */
void workspace_free(struct workspace *w);

/* Adds the gradient of the patch's part of the loss, and that part, to *gradient. */
void patch_run(struct workspace *w, const struct weights *weights, const struct loss *loss,
               const struct pixels *pixels, struct gradient *gradient);

#endif
