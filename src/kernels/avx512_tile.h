/* SPDX-License-Identifier: MIT
 *
 * What the AVX-512 kernels of all precisions share: the shape of their tiles, how a row is cut into
 * tiles, and what follows a tile's sums.
 */
#ifndef PSR_AVX512_TILE_H
#define PSR_AVX512_TILE_H

#include <immintrin.h>

#include "src/kernels/kernels.h"

enum { LANES = 16, TILE_PX = 14, TILE_VECTORS = 2 };

/* x / (1 + e^-x). e^-x = 2^n * 2^f with n whole and f in [-0.5, 0.5]. */
static inline __m512 psr_avx512_silu(__m512 x)
{
    static const float c[] = PSR_EXP2_COEFFICIENTS;
    const __m512 t =
        _mm512_min_ps(_mm512_mul_ps(x, _mm512_set1_ps(-0x1.715476p+0f)), _mm512_set1_ps(126.0f));
    const __m512 n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 f = _mm512_sub_ps(t, n);
    __m512 p = _mm512_set1_ps(c[6]);
    for (int i = 5; i >= 0; i--)
        p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c[i]));
    return _mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1.0f), _mm512_scalef_ps(p, n)));
}

/* `at` is the element's place in the output row. */
static inline __m512 psr_avx512_add_residuals(const struct psr_conv_row *row, __m512 value,
                                              size_t at)
{
    if (row->residual)
        value = _mm512_add_ps(value, _mm512_loadu_ps(row->residual + at));
    if (row->residual2)
        value = _mm512_add_ps(value, _mm512_loadu_ps(row->residual2 + at));
    return value;
}

/* Activation and residuals. */
static inline __m512 psr_avx512_finish(const struct psr_conv *c, const struct psr_conv_row *row,
                                       __m512 sum, size_t at)
{
    return psr_avx512_add_residuals(row, c->activation == PSR_SILU ? psr_avx512_silu(sum) : sum,
                                    at);
}

/* int8: 16 channels from `channel` on, their codes of 0. */
static inline __m512i psr_avx512_zero_codes(const struct psr_coding *coding, uint32_t channel)
{
    return _mm512_cvtepu8_epi32(
        _mm_loadu_si128((const __m128i *)(const void *)(coding->zero + channel)));
}

/* 16 values as codes. */
static inline __m128i psr_avx512_code(__m512 value, __m512 inverse_scale, __m512i zero)
{
    /* Out of an integer's range the conversion would give the smallest one. */
    const __m512 scaled =
        _mm512_min_ps(_mm512_mul_ps(value, inverse_scale), _mm512_set1_ps(65536.0f));
    const __m512i code = _mm512_add_epi32(_mm512_cvtps_epi32(scaled), zero);
    return _mm512_cvtusepi32_epi8(_mm512_max_epi32(code, _mm512_setzero_si512()));
}

/* The same of channels from `channel` on. */
static inline __m128i psr_avx512_code_of(const struct psr_coding *coding, uint32_t channel,
                                         __m512 value)
{
    return psr_avx512_code(value, _mm512_loadu_ps(coding->inverse_scale + channel),
                           psr_avx512_zero_codes(coding, channel));
}

static inline void psr_avx512_narrow_int8(const float *from, size_t n_px, uint32_t channels,
                                          const struct psr_coding *coding, void *to)
{
    for (size_t x = 0; x < n_px; x++) {
        for (uint32_t i = 0; i < channels; i += LANES)
            _mm_storeu_si128(
                (__m128i *)(void *)((uint8_t *)to + x * channels + i),
                psr_avx512_code_of(coding, i, _mm512_loadu_ps(from + x * channels + i)));
    }
}

/* Calls TILE(c, packed group, first pixel, first channel, n, v) for every tile of a row, n and v as
 * constants. CHANNEL_BYTES: packed bytes of one output channel.
 * Pixels are dealt out in even shares: 30 are 10 + 10 + 10, not 14 + 14 + 2, as a narrow tile waits
 * for its own sums. */
#define PSR_AVX512_CONV_ROW(c, TILE, CHANNEL_BYTES)                                                \
    const uint32_t tiles = ((c)->n_px + TILE_PX - 1) / TILE_PX;                                    \
    const unsigned char *group = (c)->packed;                                                      \
    for (uint32_t first = 0, vectors; first < (c)->c_out; first += vectors * LANES) {              \
        vectors = (c)->c_out - first >= TILE_VECTORS * LANES ? TILE_VECTORS : 1;                   \
        for (uint32_t t = 0; t < tiles; t++) {                                                     \
            const uint32_t x = (uint32_t)((uint64_t)(c)->n_px * t / tiles);                        \
            const uint32_t n = (uint32_t)((uint64_t)(c)->n_px * (t + 1) / tiles) - x;              \
            switch (n + (vectors - 1) * TILE_PX) {                                                 \
                PSR_AVX512_CASES(c, TILE, 1)                                                       \
                PSR_AVX512_CASES(c, TILE, 2)                                                       \
            }                                                                                      \
        }                                                                                          \
        group += vectors * LANES * (CHANNEL_BYTES);                                                \
    }

#define PSR_AVX512_CASE(c, TILE, N, V)                                                             \
    case N + (V - 1) * TILE_PX:                                                                    \
        TILE(c, group, x, first, N, V);                                                            \
        break;

#define PSR_AVX512_CASES(c, TILE, V)                                                               \
    PSR_AVX512_CASE(c, TILE, 1, V)                                                                 \
    PSR_AVX512_CASE(c, TILE, 2, V)                                                                 \
    PSR_AVX512_CASE(c, TILE, 3, V)                                                                 \
    PSR_AVX512_CASE(c, TILE, 4, V)                                                                 \
    PSR_AVX512_CASE(c, TILE, 5, V)                                                                 \
    PSR_AVX512_CASE(c, TILE, 6, V)                                                                 \
    PSR_AVX512_CASE(c, TILE, 7, V)                                                                 \
    PSR_AVX512_CASE(c, TILE, 8, V)                                                                 \
    PSR_AVX512_CASE(c, TILE, 9, V)                                                                 \
    PSR_AVX512_CASE(c, TILE, 10, V)                                                                \
    PSR_AVX512_CASE(c, TILE, 11, V)                                                                \
    PSR_AVX512_CASE(c, TILE, 12, V)                                                                \
    PSR_AVX512_CASE(c, TILE, 13, V)                                                                \
    PSR_AVX512_CASE(c, TILE, 14, V)

#endif
