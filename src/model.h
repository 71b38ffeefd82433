/* SPDX-License-Identifier: MIT
 *
 * The network: a list of 3x3 convolutions in fp32, batch norms folded in.
 *
 *     layer 0              head    3 -> C
 *     layers 1 .. 2B       body    C -> C; block n is layers 2n+1 (then SiLU) and 2n+2
 *     layer 2B + 1         tail    C -> 3 * scale^2, channel c*scale^2 + i*scale + j is colour c of
 *                                  the output pixel in row i, column j (PyTorch's pixel_shuffle)
 */
#ifndef PSR_MODEL_H
#define PSR_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pipersr.h"

enum {
    PSR_MAX_BLOCKS = 32,
    PSR_MAX_CHANNELS = 128,
    PSR_MAX_SCALE = 4,
    PSR_MAX_LAYERS = 2 * PSR_MAX_BLOCKS + 2
};

/* Begins the names of the tensors that int8 has for itself. */
#define PSR_INT8_PREFIX "int8."

struct psr_layer {
    uint32_t c_in, c_out;
    float *weight; /* [c_out][c_in][3][3], cross-correlation as in PyTorch */
    float *bias;   /* [c_out] */
    /* What int8 runs with: its own, where int8_apart, else the same as above. */
    float *int8_weight, *int8_bias;
    /* How int8 codes the layer's input (struct psr_coding), where has_int8. */
    float *input_inverse_scale; /* [c_in] */
    uint8_t *input_zero;        /* [c_in] */
};

struct pipersr_model {
    atomic_uint references;
    pipersr_model_info info;
    uint32_t n_layers;
    struct psr_layer layers[PSR_MAX_LAYERS];
    bool has_int8;   /* every body layer has its input's coding */
    bool int8_apart; /* and all layers have parameters for int8 alone */
    float *numbers;  /* all weights, biases and scales; the layers point into it */
    uint8_t *zeros;  /* all codes of 0, likewise */
    /* Of PSNR against fp32, by the file's metadata; infinite where it does not say. */
    float loss_bf16_db, loss_int8_db;
    char name[64], licence[64], training[512], description[128];
};

/* Counted references; a model is freed with its last. The count is the one thing that changes. */
const pipersr_model *psr_model_reference(const pipersr_model *model);

#endif
