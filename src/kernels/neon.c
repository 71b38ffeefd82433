/* SPDX-License-Identifier: MIT
 *
 * fp32 kernels for NEON, which every 64-bit Arm CPU has. The arithmetic is the same, operation by
 * operation, as in the AVX2 and AVX-512 kernels, so all give the same bits.
 */
#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "build this file for 64-bit Arm with NEON"
#endif

#include "src/cpu.h"
#include "src/kernels/neon_tile.h"

/* The products of one input channel, which lies in lane LANE of every in[]. */
#define ADD_PRODUCTS(LANE)                                                                         \
    do {                                                                                           \
        const float32x4_t w0 = vld1q_f32(weight), w1 = vld1q_f32(weight + LANES);                  \
        weight += GROUP;                                                                           \
        PSR_UNROLL(8) for (int p = 0; p < n; p++)                                                  \
        {                                                                                          \
            sum[p][0] = vfmaq_laneq_f32(sum[p][0], w0, a[p], LANE);                                \
            sum[p][1] = vfmaq_laneq_f32(sum[p][1], w1, a[p], LANE);                                \
        }                                                                                          \
    } while (0)

/* n pixels by one group of channels. Called with constant n only, so that the compiler unrolls all
 * but the loop over input channels and keeps `sum` in registers. */
static inline __attribute__((always_inline)) void tile(const struct psr_conv *c, const void *group,
                                                       uint32_t x, uint32_t first, const int n)
{
    float32x4_t sum[TILE_PX][TILE_VECTORS], a[TILE_PX];
    const float *bias = group, *weight = bias + GROUP;

    PSR_UNROLL(8)
    for (int p = 0; p < n; p++) {
        sum[p][0] = vld1q_f32(bias);
        sum[p][1] = vld1q_f32(bias + LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const float *in = (const float *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            uint32_t i = 0;
            for (; i + LANES <= c->c_in; i += LANES, in += LANES) {
                PSR_UNROLL(8)
                for (int p = 0; p < n; p++)
                    a[p] = vld1q_f32(in + (size_t)p * c->in_px);
                ADD_PRODUCTS(0);
                ADD_PRODUCTS(1);
                ADD_PRODUCTS(2);
                ADD_PRODUCTS(3);
            }
            /* The head's three channels. */
            for (; i < c->c_in; i++, in++) {
                PSR_UNROLL(8)
                for (int p = 0; p < n; p++)
                    a[p] = vld1q_dup_f32(in + (size_t)p * c->in_px);
                ADD_PRODUCTS(0);
            }
        }
    }

    PSR_UNROLL(8)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < TILE_VECTORS; k++) {
            const size_t at = (x + (size_t)p) * c->out_px + first + (size_t)(k * LANES);
            vst1q_f32((float *)c->row[0].out + at, psr_neon_finish(c, &c->row[0], sum[p][k], at));
        }
    }
}

static void conv_row(const struct psr_conv *c)
{
    PSR_NEON_CONV_ROW(c, tile, sizeof(float) * ((size_t)c->c_in * 9 + 1))
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_fp32(weights, GROUP, packed);
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 24 };
    float32x4_t sum[CHAINS];
    const float32x4_t a = vdupq_n_f32(0.5f);

    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        sum[i] = vdupq_n_f32((float)i);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_UNROLL(24)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = vfmaq_f32(sum[i], a, a);
    }
    float32x4_t total = vdupq_n_f32(0.0f);
    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        total = vaddq_f32(total, sum[i]);
    *operations = rounds * CHAINS * LANES * 2;
    return vaddvq_f32(total);
}

const struct psr_kernels psr_kernels_neon_fp32 = {
    .isa = PIPERSR_ISA_NEON,
    .precision = PIPERSR_PRECISION_FP32,
    .cpu_features = PSR_CPU_NEON,
    .speed = 100,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(float),
    .packed_bytes = psr_packed_bytes_fp32,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
