/* SPDX-License-Identifier: MIT
 *
 * The eight tile registers of AMX, and vectors of 16 floats. Where the compiler is not told to use
 * AMX the tiles are arrays and their instructions loops with the same result, for tests on other
 * CPUs.
 *
 * A tile has 16 rows of 64 bytes. tile_multiply(c, a, b): c [16][16] fp32 += a [16][32] bf16 times
 * b [16][16][2] bf16, whose row k holds rows 2k and 2k + 1 of a 32 x 16 matrix, interleaved.
 */
#ifndef PIPERSR_TRAINING_TILE_H
#define PIPERSR_TRAINING_TILE_H

#include <stdint.h>
#include <string.h>

#define VEC_BYTES 64
#include "vec.h"

enum { TILE_PX = 16, TILE_K = 32, TILE_BYTES = 1024 };

typedef uint32_t uvec __attribute__((vector_size(64), aligned(4)));
typedef uint16_t hvec __attribute__((vector_size(32), aligned(2), may_alias));

/* To bf16, to nearest even. */
INLINE uint16_t number_narrow(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

INLINE float number_widen(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#if defined(__AMX_BF16__) || defined(__AMXBF16__)
#define HAS_TILES                           1
#define tile_load(tile, from, stride_bytes) _tile_loadd(tile, from, stride_bytes)
#define tile_store(tile, to, stride_bytes)  _tile_stored(tile, to, stride_bytes)
#define tile_zero(tile)                     _tile_zero(tile)
#define tile_multiply(c, a, b)              _tile_dpbf16ps(c, a, b)

INLINE void tile_begin(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((packed)) config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    _tile_loadconfig(&config);
}

INLINE void tile_end(void)
{
    _tile_release();
}
#else
#define HAS_TILES 0
static _Thread_local uint8_t tiles[8][TILE_BYTES] __attribute__((aligned(64)));

INLINE void tile_load(int tile, const void *from, size_t stride_bytes)
{
    for (int row = 0; row < 16; row++)
        memcpy(tiles[tile] + row * 64, (const uint8_t *)from + row * stride_bytes, 64);
}

INLINE void tile_store(int tile, void *to, size_t stride_bytes)
{
    for (int row = 0; row < 16; row++)
        memcpy((uint8_t *)to + row * stride_bytes, tiles[tile] + row * 64, 64);
}

INLINE void tile_zero(int tile)
{
    memset(tiles[tile], 0, TILE_BYTES);
}

INLINE void tile_multiply(int c, int a, int b)
{
    float *sums = (float *)(void *)tiles[c];
    const uint16_t *left = (const uint16_t *)(const void *)tiles[a];
    const uint16_t *right = (const uint16_t *)(const void *)tiles[b];
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 32; k++) {
            const float value = number_widen(left[m * 32 + k]);
            for (int n = 0; n < 16; n++)
                sums[m * 16 + n] += value * number_widen(right[k / 2 * 32 + n * 2 + k % 2]);
        }
}

INLINE void tile_begin(void)
{
}

INLINE void tile_end(void)
{
}
#endif

/* 16 bf16 numbers, exactly. */
INLINE vec vec_widen(const uint16_t *from)
{
    return (vec)(__builtin_convertvector(*(const hvec *)from, uvec) << 16);
}

/* To bf16, to nearest even. */
INLINE hvec vec_narrow(vec value)
{
#if defined(__AVX512BF16__)
    return (hvec)_mm512_cvtneps_pbh((__m512)value);
#else
    const uvec bits = (uvec)value;
    return __builtin_convertvector((bits + 0x7fff + (bits >> 16 & 1)) >> 16, hvec);
#endif
}

INLINE void vec_store_narrow(uint16_t *to, vec value)
{
    *(hvec *)to = vec_narrow(value);
}

/* Stores `value` as the sum of two bf16 numbers: 16 bits of precision. */
INLINE void vec_store_split(uint16_t *high, uint16_t *low, vec value)
{
    vec_store_narrow(high, value);
    vec_store_narrow(low, value - vec_widen(high));
}

#endif
