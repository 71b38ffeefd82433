/* SPDX-License-Identifier: MIT
 *
 * A vector of floats for winograd.h, in NEON.
 */
#ifndef PSR_NEON_VEC_H
#define PSR_NEON_VEC_H

#include "src/kernels/neon_tile.h"

typedef float32x4_t vec;

static inline vec vec_load(const float *from)
{
    return vld1q_f32(from);
}

static inline void vec_store(float *to, vec value)
{
    vst1q_f32(to, value);
}

static inline vec vec_zero(void)
{
    return vdupq_n_f32(0.0f);
}

static inline vec vec_set(float value)
{
    return vdupq_n_f32(value);
}

static inline vec vec_multiply_add(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

static inline vec vec_finish(const struct psr_conv *c, const struct psr_conv_row *row, vec value,
                             size_t at)
{
    return psr_neon_finish(c, row, value, at);
}

#endif
