/* SPDX-License-Identifier: MIT
 *
 * Vectors of floats, as wide as the file that includes this has defined VEC_BYTES: 64, 32 or 16.
 */
#ifndef PIPERSR_TRAINING_VEC_H
#define PIPERSR_TRAINING_VEC_H

#include <stdint.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

enum { LANES = VEC_BYTES / 4 };

/* They may lie anywhere in arrays of other types: gcc makes two halves of a memcpy() of 64 bytes,
 * which a load of the whole has to wait for. */
typedef float vec __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(VEC_BYTES), aligned(4)));

#define INLINE static inline __attribute__((always_inline))

/* Before loops over registers. clang does not know gcc's pragma. */
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

INLINE vec vec_load(const float *from)
{
    return *(const vec *)from;
}

INLINE void vec_store(float *to, vec value)
{
    *(vec *)to = value;
}

INLINE vec vec_of(float value)
{
    return value - (vec){0};
}

/* Where `mask` has all bits, `a`, else `b`. */
INLINE vec vec_choose(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

/* 1 / (1 + exp(-x)), relative error below 1e-6. */
INLINE vec vec_sigmoid(vec x)
{
    const vec limit = vec_of(125.0f), rounder = vec_of(12582912.0f);
    vec t = x * -1.44269504f;
    t = vec_choose(t > limit, limit, t);
    t = vec_choose(t < -limit, -limit, t);
    const vec shifted = t + rounder;
    const vec f = t - (shifted - rounder);
    /* Taylor's series of 2^f, |f| <= 1/2: the next term is below 1e-6. */
    vec p = vec_of(1.3333558e-3f);
    p = p * f + 9.6181291e-3f;
    p = p * f + 5.5504109e-2f;
    p = p * f + 2.4022651e-1f;
    p = p * f + 6.9314718e-1f;
    p = p * f + 1.0f;
    p = (vec)((ivec)p + ((ivec)shifted << 23));
    const vec d = p + 1.0f;
#if defined(__AVX512F__) && VEC_BYTES == 64
    const vec r = (vec)_mm512_rcp14_ps((__m512)d);
    return r * (2.0f - d * r);
#else
    return 1.0f / d;
#endif
}

#endif
