/* SPDX-License-Identifier: MIT
 *
 * What follows the sums in int8 and on AMX, for many vectors at once: the same bits as
 * avx512_tile.h's for each of them, sooner.
 */
#ifndef PSR_AVX512_FINISH_H
#define PSR_AVX512_FINISH_H

#include "src/kernels/avx512_tile.h"

/* x / d for 1 <= d <= 2^126. Intel's divider takes sixteen cycles for sixteen quotients; a
 * reciprocal to 14 bits, Newton's step and a corrected product (Markstein, "Computation of
 * elementary functions on the IBM RISC System/6000 processor", 1990) take half of that. Of 10^9
 * random quotients none differed from the divider's. */
static inline __m512 psr_avx512_divide(__m512 x, __m512 d)
{
    const __m512 guess = _mm512_rcp14_ps(d);
    const __m512 r =
        _mm512_fmadd_ps(guess, _mm512_fnmadd_ps(d, guess, _mm512_set1_ps(1.0f)), guess);
    const __m512 q = _mm512_mul_ps(x, r);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(q, d, x), r, q);
}

/* psr_avx512_silu() of up to 16 vectors, so many that none of its steps waits for the one before. n
 * is a constant. */
static inline __attribute__((always_inline)) void psr_avx512_silu_of_all(__m512 *x, const int n)
{
    static const float c[] = PSR_EXP2_COEFFICIENTS;
    __m512 whole[16], f[16], p[16];
    PSR_UNROLL(16)
    for (int i = 0; i < n; i++) {
        const __m512 t = _mm512_min_ps(_mm512_mul_ps(x[i], _mm512_set1_ps(-0x1.715476p+0f)),
                                       _mm512_set1_ps(126.0f));
        whole[i] = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        f[i] = _mm512_sub_ps(t, whole[i]);
        p[i] = _mm512_set1_ps(c[6]);
    }
    PSR_UNROLL(6)
    for (int power = 5; power >= 0; power--) {
        PSR_UNROLL(16)
        for (int i = 0; i < n; i++) {
            p[i] = _mm512_fmadd_ps(p[i], f[i], _mm512_set1_ps(c[power]));
            /* Compilers would put each vector's steps together again. */
            __asm__ volatile("" : "+v"(p[i]));
        }
    }
    PSR_UNROLL(16)
    for (int i = 0; i < n; i++)
        x[i] = psr_avx512_divide(
            x[i], _mm512_add_ps(_mm512_set1_ps(1.0f), _mm512_scalef_ps(p[i], whole[i])));
}

/* Four neighbouring pixels' codes, each in 128 bits. */
static inline __attribute__((always_inline)) __m512i
psr_avx512_codes_of(const __m512 value[4], __m512 inverse_scale, __m512i zero)
{
    /* Saturation does what clamping at 0 and 255 would. A number of four pixels' channels 0 to 3
     * lies in the lowest 128 bits, of channels 4 to 7 in the next, and so on. */
    __m512i code[4];
    PSR_UNROLL(4)
    for (int j = 0; j < 4; j++)
        code[j] = _mm512_cvtps_epi32(
            _mm512_min_ps(_mm512_mul_ps(value[j], inverse_scale), _mm512_set1_ps(65536.0f)));
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(code[0], code[1]), zero);
    const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(code[2], code[3]), zero);
    const __m512i by_pixel =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(by_pixel, _mm512_packus_epi16(low, high));
}

/* The first n of four pixels, px bytes apart. */
static inline void psr_avx512_store_codes(uint8_t *to, size_t px, __m512i codes, uint32_t n)
{
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_castsi512_si128(codes));
    if (n > 1)
        _mm_storeu_si128((__m128i *)(void *)(to + px), _mm512_extracti32x4_epi32(codes, 1));
    if (n > 2)
        _mm_storeu_si128((__m128i *)(void *)(to + 2 * px), _mm512_extracti32x4_epi32(codes, 2));
    if (n > 3)
        _mm_storeu_si128((__m128i *)(void *)(to + 3 * px), _mm512_extracti32x4_epi32(codes, 3));
}

/* What follows the sums of a tile: SiLU and narrow outputs in a block's middle, residuals at its
 * end. Whole tiles of these two need not ask for every vector what is wanted. */
enum psr_after { PSR_MIDDLE, PSR_TRUNK, PSR_ANYTHING };

static inline enum psr_after psr_avx512_after(const struct psr_conv *c, uint32_t tile_rows)
{
    const bool adds = c->row[0].residual || c->row[0].residual2;
    if (c->n_rows < tile_rows)
        return PSR_ANYTHING;
    if (c->activation == PSR_SILU)
        return c->narrow_out && !adds ? PSR_MIDDLE : PSR_ANYTHING;
    return !c->narrow_out && c->row[0].residual ? PSR_TRUNK : PSR_ANYTHING;
}

/* Adds the residuals of n of four neighbouring pixels, from element `at` of the row on, px elements
 * apart. `after` is a constant; for PSR_TRUNK n is 4. */
static inline __attribute__((always_inline)) void
psr_avx512_add_quad(const struct psr_conv_row *row, __m512 value[4], size_t at, size_t px,
                    uint32_t n, const enum psr_after after)
{
    if (after == PSR_TRUNK) {
        PSR_UNROLL(4)
        for (uint32_t j = 0; j < 4; j++)
            value[j] = _mm512_add_ps(value[j], _mm512_loadu_ps(row->residual + at + j * px));
    }
    if (after == PSR_ANYTHING || (after == PSR_TRUNK && row->residual2)) {
        const struct psr_conv_row added = {
            .residual = after == PSR_TRUNK ? NULL : row->residual,
            .residual2 = row->residual2,
        };
        PSR_UNROLL(4)
        for (uint32_t j = 0; j < 4; j++) {
            if (j < n)
                value[j] = psr_avx512_add_residuals(&added, value[j], at + j * px);
        }
    }
}

/* The first n of four pixels, px elements apart. */
static inline __attribute__((always_inline)) void
psr_avx512_store_quad(float *to, size_t px, const __m512 value[4], uint32_t n)
{
    PSR_UNROLL(4)
    for (uint32_t j = 0; j < 4; j++) {
        if (j < n)
            _mm512_storeu_ps(to + j * px, value[j]);
    }
}

#endif
