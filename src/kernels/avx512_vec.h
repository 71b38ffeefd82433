/* SPDX-License-Identifier: MIT
 *
 * A vector of floats for winograd.h, in AVX-512.
 */
#ifndef PSR_AVX512_VEC_H
#define PSR_AVX512_VEC_H

#include "src/kernels/avx512_tile.h"

typedef __m512 vec;

static inline vec vec_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

static inline void vec_store(float *to, vec value)
{
    _mm512_storeu_ps(to, value);
}

static inline vec vec_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vec vec_set(float value)
{
    return _mm512_set1_ps(value);
}

static inline vec vec_multiply_add(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec vec_finish(const struct psr_conv *c, const struct psr_conv_row *row, vec value,
                             size_t at)
{
    return psr_avx512_finish(c, row, value, at);
}

#endif
