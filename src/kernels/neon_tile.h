/* SPDX-License-Identifier: MIT
 *
 * What the NEON kernels of all precisions share: the shape of their tiles, how a row is cut into
 * tiles, and what follows a tile's sums.
 *
 * A tile is up to 8 pixels by 8 output channels: 16 accumulators, enough for four multiply-add
 * units with a latency of four; one register for each pixel, holding 16 bytes of its inputs, which
 * the instructions multiply by lanes; two or more of weights. A group's weights (18 KiB in fp32
 * for 64 input channels) stay in L1 for a whole row.
 */
#ifndef PSR_NEON_TILE_H
#define PSR_NEON_TILE_H

#include <arm_neon.h>

#include "src/kernels/kernels.h"

enum { LANES = 4, TILE_PX = 8, TILE_VECTORS = 2, GROUP = TILE_VECTORS * LANES };

/* x / (1 + e^-x). e^-x = 2^n * 2^f with n whole and f in [-0.5, 0.5]. Operation by operation that
 * of the other vector kernels, so all give the same bits. */
static inline float32x4_t psr_neon_silu(float32x4_t x)
{
    static const float c[] = PSR_EXP2_COEFFICIENTS;
    float32x4_t t = vminnmq_f32(vmulq_f32(x, vdupq_n_f32(-0x1.715476p+0f)), vdupq_n_f32(126.0f));
    /* Below, 2^n is built from its exponent bits: where e^-x would be subnormal it is as good as
     * nothing beside the 1 that it is added to. */
    t = vmaxnmq_f32(t, vdupq_n_f32(-126.0f));
    const float32x4_t n = vrndnq_f32(t);
    const float32x4_t f = vsubq_f32(t, n);
    float32x4_t p = vdupq_n_f32(c[6]);
    for (int i = 5; i >= 0; i--)
        p = vfmaq_f32(vdupq_n_f32(c[i]), p, f);
    const int32x4_t exponent = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
    const float32x4_t e = vmulq_f32(p, vreinterpretq_f32_s32(exponent));
    return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1.0f), e));
}

/* Activation and residuals; `at` is the element's place in the output row. */
static inline float32x4_t psr_neon_finish(const struct psr_conv *c, const struct psr_conv_row *row,
                                          float32x4_t sum, size_t at)
{
    if (c->activation == PSR_SILU)
        sum = psr_neon_silu(sum);
    if (row->residual)
        sum = vaddq_f32(sum, vld1q_f32(row->residual + at));
    if (row->residual2)
        sum = vaddq_f32(sum, vld1q_f32(row->residual2 + at));
    return sum;
}

/* Calls TILE(c, packed group, first pixel, first channel, n) for every tile of a row, n as a
 * constant. CHANNEL_BYTES: packed bytes of one output channel.
 * Pixels are dealt out in even shares: 10 are 5 + 5, not 8 + 2, as a narrow tile waits for its own
 * sums. */
#define PSR_NEON_CONV_ROW(c, TILE, CHANNEL_BYTES)                                                  \
    const uint32_t tiles = ((c)->n_px + TILE_PX - 1) / TILE_PX;                                    \
    const unsigned char *group = (c)->packed;                                                      \
    for (uint32_t first = 0; first < (c)->c_out; first += GROUP) {                                 \
        for (uint32_t t = 0; t < tiles; t++) {                                                     \
            const uint32_t x = (uint32_t)((uint64_t)(c)->n_px * t / tiles);                        \
            switch ((uint32_t)((uint64_t)(c)->n_px * (t + 1) / tiles) - x) {                       \
                PSR_NEON_CASE(c, TILE, 1)                                                          \
                PSR_NEON_CASE(c, TILE, 2)                                                          \
                PSR_NEON_CASE(c, TILE, 3)                                                          \
                PSR_NEON_CASE(c, TILE, 4)                                                          \
                PSR_NEON_CASE(c, TILE, 5)                                                          \
                PSR_NEON_CASE(c, TILE, 6)                                                          \
                PSR_NEON_CASE(c, TILE, 7)                                                          \
                PSR_NEON_CASE(c, TILE, 8)                                                          \
            }                                                                                      \
        }                                                                                          \
        group += GROUP * (CHANNEL_BYTES);                                                          \
    }

#define PSR_NEON_CASE(c, TILE, N)                                                                  \
    case N:                                                                                        \
        TILE(c, group, x, first, N);                                                               \
        break;

#endif
