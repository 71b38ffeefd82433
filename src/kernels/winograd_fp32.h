/* SPDX-License-Identifier: MIT
 *
 * winograd.h in fp32: rows, what is multiplied and outputs are all floats. The file that includes
 * it has defined a vector and the register tile (winograd.h).
 */
#ifndef PSR_WINOGRAD_FP32_H
#define PSR_WINOGRAD_FP32_H

#define WINOGRAD_DEPTH 1

typedef float winograd_row;
typedef float winograd_element;
typedef vec winograd_operand;

static inline vec winograd_load(const float *from)
{
    return vec_load(from);
}

static inline void winograd_emit(const struct psr_conv *c, const struct psr_conv_row *row,
                                 size_t at, vec value)
{
    (void)c;
    vec_store((float *)row->out + at, value);
}

static inline void winograd_put(float *to, vec value)
{
    vec_store(to, value);
}

static inline vec winograd_weights(const float *from)
{
    return vec_load(from);
}

static inline vec winograd_input(const float *from)
{
    return vec_set(*from);
}

static inline vec winograd_multiply(vec sum, vec input, vec weights)
{
    return vec_multiply_add(input, weights, sum);
}

#include "src/kernels/winograd.h"

static void winograd_pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_winograd_fp32(weights, WINOGRAD_CHANNELS, packed);
}

#endif
