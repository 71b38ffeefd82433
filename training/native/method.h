/* SPDX-License-Identifier: MIT
 *
 * What the ways to compute a step have in common, for step.c to call them by.
 */
#ifndef PIPERSR_TRAINING_METHOD_H
#define PIPERSR_TRAINING_METHOD_H

#include <stddef.h>
#include <stdint.h>

#include "pixels.h"

enum { MOST_BLOCKS = 32, MOST_LAYERS = 2 * MOST_BLOCKS + 2 };

/* Layers: 0 the head, 1 ... 2 * blocks the body, 2 * blocks + 1 the tail. */
struct layer {
    const struct shape *shape;
    uint32_t index;
    uint32_t c_in, c_out;
    size_t kernel, bias; /* places in the vector of weights: [c_out][c_in][3][3], [c_out] */
};

struct workspace;

struct method {
    /* The weights of a layer as patches want them: bytes, a multiple of 64, zeroed before pack()
     * is first called. `weights` is the whole vector. */
    size_t (*packed_bytes)(const struct layer *layer);
    void (*pack)(const struct layer *layer, const float *weights, void *packed);

    /* The gradient of a layer as patches sum it up: floats, a multiple of 16. unpack() adds them to
     * the whole vector's gradient. */
    size_t (*sums)(const struct layer *layer);
    void (*unpack)(const struct layer *layer, const float *sums, float *gradient);

    /* What a thread works in; NULL when memory is short. */
    struct workspace *(*workspace_new)(const struct shape *shape);
    void (*workspace_free)(struct workspace *workspace);

    /* Forward and backward pass over one patch, by one thread: its part of the loss. packed and
     * sums: of each layer; the patch's gradient is added to the sums. */
    double (*run)(struct workspace *workspace, void *const *packed, const struct loss *loss,
                  const struct pixels *pixels, float *const *sums);
};

extern const struct method method_bf16, method_bf16x3, method_fp32;

/* Zeroed memory for workspaces, freed all at once. */
struct memory {
    void *blocks[3 * MOST_BLOCKS + 20];
    uint32_t count;
    int failed;
};

void *memory_take(struct memory *memory, size_t bytes); /* NULL, and `failed`, when it is short */
void memory_free(struct memory *memory);

#endif
