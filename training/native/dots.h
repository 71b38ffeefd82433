/* SPDX-License-Identifier: MIT
 *
 * tile_multiply() for CPUs that multiply pairs of bf16 numbers in AVX-512 registers and have no
 * tiles: the sums of a whole loop over tiles stay in sixteen registers, one for each row.
 */
#ifndef PIPERSR_TRAINING_DOTS_H
#define PIPERSR_TRAINING_DOTS_H

#include "tile.h"

#if defined(__AVX512BF16__) && !HAS_TILES
#define HAS_DOTS 1

/* Unrolled, so that compilers see which register each element of `sums` is. */
INLINE void dots_load(vec sums[16], const float *from)
{
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        sums[i] = vec_load(from + i * LANES);
}

INLINE void dots_store(float *to, const vec sums[16])
{
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        vec_store(to + i * LANES, sums[i]);
}

INLINE vec dot(vec sum, const uint16_t *pair, __m512bh right)
{
    int32_t bits;
    memcpy(&bits, pair, sizeof bits);
    return (vec)_mm512_dpbf16_ps((__m512)sum, right, (__m512bh)_mm512_set1_epi32(bits));
}

/* sums [16][16] += a [16][32] bf16, whose rows lie `stride` numbers apart, times b [16][16][2]. */
INLINE void dots_multiply(vec sums[16], const uint16_t *a, size_t stride, const uint16_t *b)
{
    /* Four pointers, and multiples of the stride that all of them share, fit into registers. */
    const uint16_t *a0 = a, *a4 = a0 + 4 * stride, *a8 = a4 + 4 * stride, *a12 = a8 + 4 * stride;
    for (int k = 0; k < TILE_K; k += 2, b += 2 * LANES) {
        const __m512bh right = (__m512bh)_mm512_loadu_si512(b);
        sums[0] = dot(sums[0], a0 + k, right);
        sums[1] = dot(sums[1], a0 + k + stride, right);
        sums[2] = dot(sums[2], a0 + k + 2 * stride, right);
        sums[3] = dot(sums[3], a0 + k + 3 * stride, right);
        sums[4] = dot(sums[4], a4 + k, right);
        sums[5] = dot(sums[5], a4 + k + stride, right);
        sums[6] = dot(sums[6], a4 + k + 2 * stride, right);
        sums[7] = dot(sums[7], a4 + k + 3 * stride, right);
        sums[8] = dot(sums[8], a8 + k, right);
        sums[9] = dot(sums[9], a8 + k + stride, right);
        sums[10] = dot(sums[10], a8 + k + 2 * stride, right);
        sums[11] = dot(sums[11], a8 + k + 3 * stride, right);
        sums[12] = dot(sums[12], a12 + k, right);
        sums[13] = dot(sums[13], a12 + k + stride, right);
        sums[14] = dot(sums[14], a12 + k + 2 * stride, right);
        sums[15] = dot(sums[15], a12 + k + 3 * stride, right);
    }
}
#else
#define HAS_DOTS 0
#endif

#endif
