/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for NEON with int8 matrix products (Armv8.6 I8MM): codes and weights in 8 bits,
 * exact sums in 32, trunk in fp32.
 *
 * An instruction multiplies the codes of two pixels by the weights of two output channels, eight
 * input channels deep, and adds the four sums: {pixel 0: o, o + 1; pixel 1: o, o + 1}. So a tile is
 * up to 4 pairs of pixels by 4 pairs of channels.
 */
#if !defined(__ARM_FEATURE_MATMUL_INT8)
#error "build this file with -march=armv8.2-a+i8mm"
#endif

#include "src/cpu.h"
#include "src/kernels/neon_int8.h"

enum { CODES = 16, DEPTH = 8, PX_PAIRS = TILE_PX / 2, CHANNEL_PAIRS = GROUP / 2 };

/* The products of DEPTH input channels of the n pixels in a[]. */
static inline __attribute__((always_inline)) const int8_t *
add_products(int32x4_t sum[PX_PAIRS][CHANNEL_PAIRS], const uint8x16_t a[PX_PAIRS],
             const int8_t *weight, const int pairs)
{
    PSR_UNROLL(4)
    for (int k = 0; k < CHANNEL_PAIRS; k++, weight += 2 * DEPTH) {
        const int8x16_t w = vld1q_s8(weight);
        PSR_UNROLL(4)
        for (int p = 0; p < pairs; p++)
            sum[p][k] = vusmmlaq_s32(sum[p][k], a[p], w);
    }
    return weight;
}

/* Two 64-bit halves, each from the same place of two registers. */
static inline int32x4_t low_halves(int32x4_t a, int32x4_t b)
{
    return vreinterpretq_s32_s64(vtrn1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

static inline int32x4_t high_halves(int32x4_t a, int32x4_t b)
{
    return vreinterpretq_s32_s64(vtrn2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

/* n pixels by one group of channels, n constant (see neon.c). An odd last pixel is its own
 * partner. */
static inline __attribute__((always_inline)) void tile(const struct psr_conv *c, const void *group,
                                                       uint32_t x, uint32_t first, const int n)
{
    const int pairs = (n + 1) / 2;
    int32x4_t sum[PX_PAIRS][CHANNEL_PAIRS];
    const int32_t *start = group;
    const float *scale = (const float *)(start + GROUP);
    const int8_t *weight = (const int8_t *)(scale + 2 * GROUP);

    PSR_UNROLL(4)
    for (int k = 0; k < CHANNEL_PAIRS; k++) {
        const int32x2_t two = vld1_s32(start + 2 * k);
        PSR_UNROLL(4)
        for (int p = 0; p < pairs; p++)
            sum[p][k] = vcombine_s32(two, two);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const uint8_t *in = (const uint8_t *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i += CODES, in += CODES) {
                uint8x16_t low[PX_PAIRS], high[PX_PAIRS];
                PSR_UNROLL(4)
                for (int p = 0; p < pairs; p++) {
                    const int odd = 2 * p + 1 < n ? 2 * p + 1 : 2 * p;
                    const uint64x2_t a =
                        vreinterpretq_u64_u8(vld1q_u8(in + (size_t)(2 * p) * c->in_px));
                    const uint64x2_t b =
                        vreinterpretq_u64_u8(vld1q_u8(in + (size_t)odd * c->in_px));
                    low[p] = vreinterpretq_u8_u64(vtrn1q_u64(a, b));
                    high[p] = vreinterpretq_u8_u64(vtrn2q_u64(a, b));
                }
                weight = add_products(sum, low, weight, pairs);
                weight = add_products(sum, high, weight, pairs);
            }
        }
    }

    PSR_UNROLL(4)
    for (int p = 0; p < pairs; p++) {
        const uint32_t even = x + 2 * (uint32_t)p;
        psr_neon_int8_finish(c, scale, even, first,
                             (const int32x4_t[]){low_halves(sum[p][0], sum[p][1]),
                                                 low_halves(sum[p][2], sum[p][3])});
        if (2 * p + 1 < n)
            psr_neon_int8_finish(c, scale, even + 1, first,
                                 (const int32x4_t[]){high_halves(sum[p][0], sum[p][1]),
                                                     high_halves(sum[p][2], sum[p][3])});
    }
}

static void conv_row(const struct psr_conv *c)
{
    PSR_NEON_CONV_ROW(c, tile, psr_neon_int8_channel_bytes(c->c_in))
}

/* psr_pack_int8() puts four input channels of an output channel together; here they are DEPTH. */
static void pack(const struct psr_weights *weights, void *packed)
{
    enum { BLOCK = GROUP * DEPTH };
    unsigned char *group = packed;

    psr_pack_int8(weights, GROUP, packed);
    for (uint32_t first = 0; first < psr_padded_channels(weights->c_out); first += GROUP) {
        int8_t *block = (int8_t *)group + GROUP * (sizeof(int32_t) + 2 * sizeof(float));
        for (size_t i = 0; i < (size_t)weights->c_in * 9 / DEPTH; i++, block += BLOCK) {
            int8_t fours[BLOCK];
            memcpy(fours, block, BLOCK);
            for (int k = 0; k < BLOCK; k++)
                block[k] = fours[k % DEPTH / 4 * (BLOCK / 2) + k / DEPTH * 4 + k % 4];
        }
        group += GROUP * psr_neon_int8_channel_bytes(weights->c_in);
    }
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 24 };
    int32x4_t sum[CHAINS];
    const int8x16_t ones = vdupq_n_s8(1);

    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        sum[i] = vdupq_n_s32(i);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_UNROLL(24)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = vusmmlaq_s32(sum[i], vreinterpretq_u8_s8(ones), ones);
    }
    int32x4_t total = vdupq_n_s32(0);
    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        total = vaddq_s32(total, sum[i]);
    *operations = rounds * CHAINS * LANES * DEPTH * 2;
    return (float)vaddvq_s32(total);
}

const struct psr_kernels psr_kernels_neon_i8mm = {
    .isa = PIPERSR_ISA_NEON,
    .precision = PIPERSR_PRECISION_INT8,
    .cpu_features = PSR_CPU_NEON | PSR_CPU_NEON_I8MM,
    .speed = 600,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(uint8_t),
    .narrow = psr_neon_int8_narrow,
    .head = &psr_kernels_neon_fp32,
    .tail = &psr_kernels_neon_winograd,
    .packed_bytes = psr_packed_bytes_int8,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
