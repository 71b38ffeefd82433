/* SPDX-License-Identifier: MIT
 *
 * What the AVX2 kernels of all precisions share: what follows a tile's sums.
 */
#ifndef PSR_AVX2_TILE_H
#define PSR_AVX2_TILE_H

#include <immintrin.h>

#include "src/kernels/kernels.h"

enum { LANES = 8, TILE_PX = 6, TILE_VECTORS = 2, GROUP = TILE_VECTORS * LANES };

/* x / (1 + e^-x). e^-x = 2^n * 2^f with n whole and f in [-0.5, 0.5]. */
static inline __m256 psr_avx2_silu(__m256 x)
{
    static const float c[] = PSR_EXP2_COEFFICIENTS;
    __m256 t =
        _mm256_min_ps(_mm256_mul_ps(x, _mm256_set1_ps(-0x1.715476p+0f)), _mm256_set1_ps(126.0f));
    /* Below, 2^n is built from its exponent bits: where e^-x would be subnormal it is as good as
     * nothing beside the 1 that it is added to. */
    t = _mm256_max_ps(t, _mm256_set1_ps(-126.0f));
    const __m256 n = _mm256_round_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256 f = _mm256_sub_ps(t, n);
    __m256 p = _mm256_set1_ps(c[6]);
    for (int i = 5; i >= 0; i--)
        p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(c[i]));
    const __m256i exponent =
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    const __m256 e = _mm256_mul_ps(p, _mm256_castsi256_ps(exponent));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

/* Activation and residuals; `at` is the element's place in the output row. */
static inline __m256 psr_avx2_finish(const struct psr_conv *c, const struct psr_conv_row *row,
                                     __m256 sum, size_t at)
{
    if (c->activation == PSR_SILU)
        sum = psr_avx2_silu(sum);
    if (row->residual)
        sum = _mm256_add_ps(sum, _mm256_loadu_ps(row->residual + at));
    if (row->residual2)
        sum = _mm256_add_ps(sum, _mm256_loadu_ps(row->residual2 + at));
    return sum;
}

/* Rounded and limited to 16 bits; what is not a number becomes the least. */
static inline __m256i psr_avx2_scaled(const struct psr_coding *coding, uint32_t channel,
                                      __m256 value)
{
    const __m256 scaled = _mm256_mul_ps(value, _mm256_loadu_ps(coding->inverse_scale + channel));
    /* The conversion turns numbers beyond 32 bits into the least one, so none may be too large. */
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(32767.0f), scaled));
}

/* A group of channels, from `channel` on, as codes. */
static inline __m128i psr_avx2_code(const struct psr_coding *coding, uint32_t channel, __m256 low,
                                    __m256 high)
{
    const __m256i zero = _mm256_cvtepu8_epi16(
        _mm_loadu_si128((const __m128i *)(const void *)(coding->zero + channel)));
    /* Packing works on each half of the registers; the permutation puts the quarters right. */
    const __m256i scaled =
        _mm256_permute4x64_epi64(_mm256_packs_epi32(psr_avx2_scaled(coding, channel, low),
                                                    psr_avx2_scaled(coding, channel + LANES, high)),
                                 0xd8);
    const __m256i code = _mm256_adds_epi16(scaled, zero);
    return _mm_packus_epi16(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1));
}

/* What follows a group's integer sums in int8. */
static inline void psr_avx2_finish_int8(const struct psr_conv *c, const struct psr_conv_row *row,
                                        const __m256i sum[TILE_VECTORS], const float *scale,
                                        const float *bias, size_t at, uint32_t channel)
{
    __m256 value[TILE_VECTORS];
    PSR_UNROLL(2)
    for (int k = 0; k < TILE_VECTORS; k++)
        value[k] = psr_avx2_finish(c, row,
                                   _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[k]),
                                                   _mm256_loadu_ps(scale + k * LANES),
                                                   _mm256_loadu_ps(bias + k * LANES)),
                                   at + (size_t)(k * LANES));
    if (c->narrow_out) {
        _mm_storeu_si128((__m128i *)(void *)((uint8_t *)row->out + at),
                         psr_avx2_code(&c->out_coding, channel, value[0], value[1]));
        return;
    }
    PSR_UNROLL(2)
    for (int k = 0; k < TILE_VECTORS; k++)
        _mm256_storeu_ps((float *)row->out + at + k * LANES, value[k]);
}

static inline void psr_avx2_narrow_int8(const float *from, size_t n_px, uint32_t channels,
                                        const struct psr_coding *coding, void *to)
{
    uint8_t *code = to;
    for (size_t x = 0; x < n_px; x++) {
        for (uint32_t i = 0; i < channels; i += GROUP, from += GROUP, code += GROUP)
            _mm_storeu_si128(
                (__m128i *)(void *)code,
                psr_avx2_code(coding, i, _mm256_loadu_ps(from), _mm256_loadu_ps(from + LANES)));
    }
}

#endif
