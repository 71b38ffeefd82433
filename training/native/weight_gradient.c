/* SPDX-License-Identifier: MIT
 *
 * Gradients of weights: products of matrices over the pixels of a patch. One has a row for each
 * channel of the output's gradient, its pixels one after the other; the other has the input's
 * pixels in pairs. A tap is a shift of the pairs, by whole pairs if the pairs begin at even and at
 * odd places, so that all loads are aligned. The places at the border, where a shift wraps into the
 * next row, have no gradient.
 */
#include "conv.h"
#include "dots.h"
#include "tile.h"

/* Pixels whose columns and pairs stay in the nearer cache while taps pass over them. */
enum { CHUNK_PX = 320 };

size_t pairs_size(uint32_t side, uint32_t channels)
{
    return ((size_t)(side + 2) * (side + 2) / 2 + 1) * channels * 2;
}

/* pass(): `left` and `right` are the first of two channel tiles' data, the other so many numbers
 * after it. */
#if HAS_DOTS
INLINE void pass(const uint16_t *left, size_t left_step, const uint16_t *right, size_t right_step,
                 float *sums, size_t co_step, uint32_t n_k)
{
    for (int part = 0; part < 4; part++) {
        const uint16_t *a = left + part / 2 * left_step, *b = right + part % 2 * right_step;
        float *to = sums + part / 2 * co_step + (size_t)(part % 2) * LANES * LANES;
        vec kept[LANES];
        dots_load(kept, to);
        for (uint32_t k = 0; k < n_k; k++, a += TILE_BYTES / 2, b += TILE_BYTES / 2)
            dots_multiply(kept, a, TILE_K, b);
        dots_store(to, kept);
    }
}
#else
INLINE void pass(const uint16_t *left, size_t left_step, const uint16_t *right, size_t right_step,
                 float *sums, size_t co_step, uint32_t n_k)
{
    tile_load(0, sums, 64);
    tile_load(1, sums + LANES * LANES, 64);
    tile_load(2, sums + co_step, 64);
    tile_load(3, sums + co_step + LANES * LANES, 64);
    for (uint32_t k = 0; k < n_k; k++) {
        tile_load(4, left, 64);
        tile_load(6, right, 64);
        tile_multiply(0, 4, 6);
        tile_load(7, right + right_step, 64);
        tile_multiply(1, 4, 7);
        tile_load(5, left + left_step, 64);
        tile_multiply(2, 5, 6);
        tile_multiply(3, 5, 7);
        left += TILE_BYTES / 2;
        right += TILE_BYTES / 2;
    }
    tile_store(0, sums, 64);
    tile_store(1, sums + LANES * LANES, 64);
    tile_store(2, sums + co_step, 64);
    tile_store(3, sums + co_step + LANES * LANES, 64);
}
#endif

void weight_gradient_run(const struct weight_gradient *w)
{
    const uint32_t pitch_px = w->side + 2, n_px = w->side * pitch_px;
    const size_t left_step = (size_t)n_px * LANES, right_step = pairs_size(w->side, LANES);
    const size_t co_step = (size_t)w->c_in * LANES, tap_step = (size_t)w->c_in * w->c_out;
    for (uint32_t co = 0; co < w->c_out; co += 2 * LANES)
        for (uint32_t ci = 0; ci < w->c_in; ci += 2 * LANES)
            for (uint32_t px = 0; px < n_px; px += CHUNK_PX) {
                const uint32_t n_k = (n_px - px < CHUNK_PX ? n_px - px : CHUNK_PX) / TILE_K;
                for (uint32_t tap = 0; tap < TAPS; tap++) {
                    const uint32_t dy = tap / 3, dx = tap % 3;
                    const uint16_t *pairs = dx == 1 ? w->even_pairs : w->odd_pairs;
                    const uint32_t pair = (px + dy * pitch_px) / 2 + (dx == 2);
                    pass(w->columns + co / LANES * left_step + (size_t)px * LANES, left_step,
                         pairs + ci / LANES * right_step + (size_t)pair * TILE_K, right_step,
                         w->sums + tap * tap_step + co / LANES * co_step + (size_t)ci * LANES,
                         co_step, n_k);
                }
            }
}

#if defined(__AVX512BF16__)
/* 16 channels of 2 pixels -> a pair of numbers for each channel. */
INLINE __m512i pair_of(const uint16_t *first, const uint16_t *second)
{
    const __m512i low =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)first));
    const __m512i high =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)second));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* 16x16 transposition of 32-bit numbers. */
INLINE void transpose(__m512i r[16])
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}
#endif

void columns_of(const uint16_t *plane, uint32_t side, uint32_t channels, uint16_t *columns,
                float *sums)
{
    const size_t n = (size_t)side * (side + 2);
    const uint16_t *from = plane + (size_t)(side + 2) * channels;
    for (uint32_t channel = 0; channel < channels; channel += LANES) {
        vec sum = vec_of(0);
        for (size_t p = 0; p < n; p += TILE_K) {
            const uint16_t *pixels = from + p * channels + channel;
            uint16_t *tile = columns + channel * n + p * LANES;
#if defined(__AVX512BF16__)
            __m512i r[16];
            for (int i = 0; i < 16; i++)
                r[i] = pair_of(pixels + 2 * (size_t)i * channels,
                               pixels + (2 * (size_t)i + 1) * channels);
            transpose(r);
            for (int i = 0; i < 16; i++)
                _mm512_storeu_si512(tile + i * TILE_K, r[i]);
#else
            for (int k = 0; k < TILE_K; k++)
                for (int i = 0; i < LANES; i++)
                    tile[i * TILE_K + k] = pixels[(size_t)k * channels + i];
#endif
            for (int k = 0; k < TILE_K; k++)
                sum += vec_widen(pixels + (size_t)k * channels);
        }
        vec_store(sums + channel, vec_load(sums + channel) + sum);
    }
}

INLINE void store_pair(uint16_t *to, const uint16_t *first, const uint16_t *second)
{
#if defined(__AVX512BF16__)
    _mm512_storeu_si512(to, pair_of(first, second));
#else
    for (int i = 0; i < LANES; i++) {
        to[2 * i] = first[i];
        to[2 * i + 1] = second[i];
    }
#endif
}

void pairs_of(const uint16_t *plane, uint32_t side, uint32_t channels, uint16_t *even,
              uint16_t *odd)
{
    static const uint16_t none[LANES];
    const size_t places = (size_t)(side + 2) * (side + 2);
    for (uint32_t channel = 0; channel < channels; channel += LANES) {
        uint16_t *even_to = even + channel / LANES * pairs_size(side, LANES);
        uint16_t *odd_to = odd + channel / LANES * pairs_size(side, LANES);
        const uint16_t *pixel = plane + channel;
        for (size_t p = 0; p < places; p += 2, pixel += 2 * channels) {
            store_pair(even_to + p * LANES, pixel, pixel + channels);
            store_pair(odd_to + p * LANES, p ? pixel - channels : none, pixel);
        }
        store_pair(odd_to + places * LANES, pixel - channels, none);
    }
}
