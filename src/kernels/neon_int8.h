/* SPDX-License-Identifier: MIT
 *
 * What follows the integer sums, the same in both int8 kernels for NEON.
 */
#ifndef PSR_NEON_INT8_H
#define PSR_NEON_INT8_H

#include "src/kernels/neon_tile.h"

/* Packed bytes of one output channel: see psr_pack_int8(). */
static inline size_t psr_neon_int8_channel_bytes(uint32_t c_in)
{
    return (size_t)c_in * 9 + sizeof(int32_t) + 2 * sizeof(float);
}

/* Eight channels from `channel` on as codes. Every step saturates, so that no number however large
 * turns round. */
static inline uint8x8_t psr_neon_code_of(const struct psr_coding *coding, uint32_t channel,
                                         float32x4_t low, float32x4_t high)
{
    const uint16x8_t zero = vmovl_u8(vld1_u8(coding->zero + channel));
    const float *scale = coding->inverse_scale + channel;
    const int32x4_t codes[] = {
        vqaddq_s32(vcvtnq_s32_f32(vmulq_f32(low, vld1q_f32(scale))),
                   vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(zero)))),
        vqaddq_s32(vcvtnq_s32_f32(vmulq_f32(high, vld1q_f32(scale + LANES))),
                   vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(zero)))),
    };
    return vqmovn_u16(vcombine_u16(vqmovun_s32(codes[0]), vqmovun_s32(codes[1])));
}

/* A group of one pixel, from its sums to the output row. `scale`: the group's, then its biases. */
static inline void psr_neon_int8_finish(const struct psr_conv *c, const float *scale, uint32_t x,
                                        uint32_t first, const int32x4_t sum[TILE_VECTORS])
{
    const size_t at = x * c->out_px + first;
    float32x4_t value[TILE_VECTORS];

    PSR_UNROLL(2)
    for (int k = 0; k < TILE_VECTORS; k++) {
        const float32x4_t scaled = vfmaq_f32(vld1q_f32(scale + GROUP + k * LANES),
                                             vcvtq_f32_s32(sum[k]), vld1q_f32(scale + k * LANES));
        value[k] = psr_neon_finish(c, &c->row[0], scaled, at + (size_t)(k * LANES));
    }
    if (c->narrow_out) {
        vst1_u8((uint8_t *)c->row[0].out + at,
                psr_neon_code_of(&c->out_coding, first, value[0], value[1]));
    } else {
        vst1q_f32((float *)c->row[0].out + at, value[0]);
        vst1q_f32((float *)c->row[0].out + at + LANES, value[1]);
    }
}

static inline void psr_neon_int8_narrow(const float *from, size_t n_px, uint32_t channels,
                                        const struct psr_coding *coding, void *to)
{
    uint8_t *codes = to;
    for (size_t x = 0; x < n_px; x++) {
        for (uint32_t i = 0; i < channels; i += GROUP, from += GROUP, codes += GROUP)
            vst1_u8(codes, psr_neon_code_of(coding, i, vld1q_f32(from), vld1q_f32(from + LANES)));
    }
}

#endif
