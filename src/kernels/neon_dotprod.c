/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for NEON with dot products (Armv8.2 DotProd): codes and weights in 8 bits, exact
 * sums in 32, trunk in fp32. An instruction adds the products of four input channels; it wants both
 * factors signed, so a code is taken minus 128 and the sums start with 128 times their weights.
 */
#if !defined(__ARM_FEATURE_DOTPROD)
#error "build this file with -march=armv8.2-a+dotprod"
#endif

#include "src/cpu.h"
#include "src/kernels/neon_int8.h"

enum { CODES = 16 }; /* in a register */

/* The products of four input channels, which lie in lane LANE of every in[]. */
#define ADD_PRODUCTS(LANE)                                                                         \
    do {                                                                                           \
        const int8x16_t w0 = vld1q_s8(weight), w1 = vld1q_s8(weight + CODES);                      \
        weight += 2 * CODES;                                                                       \
        PSR_UNROLL(8) for (int p = 0; p < n; p++)                                                  \
        {                                                                                          \
            sum[p][0] = vdotq_laneq_s32(sum[p][0], w0, a[p], LANE);                                \
            sum[p][1] = vdotq_laneq_s32(sum[p][1], w1, a[p], LANE);                                \
        }                                                                                          \
    } while (0)

/* n pixels by one group of channels, n constant (see neon.c). */
static inline __attribute__((always_inline)) void tile(const struct psr_conv *c, const void *group,
                                                       uint32_t x, uint32_t first, const int n)
{
    int32x4_t sum[TILE_PX][TILE_VECTORS];
    const int32_t *start = group;
    const float *scale = (const float *)(start + GROUP);
    const int8_t *weight = (const int8_t *)(scale + 2 * GROUP);
    const uint8x16_t top_bit = vdupq_n_u8(0x80);

    PSR_UNROLL(8)
    for (int p = 0; p < n; p++) {
        sum[p][0] = vld1q_s32(start);
        sum[p][1] = vld1q_s32(start + LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const uint8_t *in = (const uint8_t *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i += CODES, in += CODES) {
                int8x16_t a[TILE_PX];
                PSR_UNROLL(8)
                for (int p = 0; p < n; p++)
                    a[p] =
                        vreinterpretq_s8_u8(veorq_u8(vld1q_u8(in + (size_t)p * c->in_px), top_bit));
                ADD_PRODUCTS(0);
                ADD_PRODUCTS(1);
                ADD_PRODUCTS(2);
                ADD_PRODUCTS(3);
            }
        }
    }

    PSR_UNROLL(8)
    for (int p = 0; p < n; p++)
        psr_neon_int8_finish(c, scale, x + (uint32_t)p, first, sum[p]);
}

static void conv_row(const struct psr_conv *c)
{
    PSR_NEON_CONV_ROW(c, tile, psr_neon_int8_channel_bytes(c->c_in))
}

static void pack(const struct psr_weights *weights, void *packed)
{
    unsigned char *group = packed;

    psr_pack_int8(weights, GROUP, packed);
    for (uint32_t first = 0; first < psr_padded_channels(weights->c_out); first += GROUP) {
        int32_t *start = (int32_t *)(void *)group;
        const int8_t *weight = (const int8_t *)(start + 3 * GROUP);
        for (size_t i = 0; i < (size_t)weights->c_in * 9 * GROUP; i++)
            start[i / 4 % GROUP] += 128 * weight[i];
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
            sum[i] = vdotq_s32(sum[i], ones, ones);
    }
    int32x4_t total = vdupq_n_s32(0);
    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        total = vaddq_s32(total, sum[i]);
    *operations = rounds * CHAINS * CODES * 2;
    return (float)vaddvq_s32(total);
}

const struct psr_kernels psr_kernels_neon_dotprod = {
    .isa = PIPERSR_ISA_NEON,
    .precision = PIPERSR_PRECISION_INT8,
    .cpu_features = PSR_CPU_NEON | PSR_CPU_NEON_DOTPROD,
    .speed = 350,
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
