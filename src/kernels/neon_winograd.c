/* SPDX-License-Identifier: MIT
 *
 * fp32 by Winograd's filtering for 64-bit Arm's NEON: the algorithm of winograd.h with tiles as
 * in neon.c, which makes the head.
 */
#if !defined(__ARM_NEON) || !defined(__aarch64__)
#error "build this file for 64-bit Arm"
#endif

#include "src/cpu.h"
#include "src/kernels/neon_tile.h"
#include "src/kernels/neon_vec.h"

#define WINOGRAD_TILES   8
#define WINOGRAD_VECTORS 2
#define WINOGRAD_BLOCK   16
#define WINOGRAD_DEPTH   1

typedef float winograd_element;
typedef float32x4_t winograd_operand;

static inline void winograd_put(float *to, float32x4_t value)
{
    vst1q_f32(to, value);
}

static inline float32x4_t winograd_weights(const float *from)
{
    return vld1q_f32(from);
}

static inline float32x4_t winograd_input(const float *from)
{
    return vld1q_dup_f32(from);
}

static inline float32x4_t winograd_multiply(float32x4_t sum, float32x4_t input, float32x4_t weights)
{
    return vfmaq_f32(sum, input, weights);
}

#include "src/kernels/winograd.h"

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_winograd_fp32(weights, WINOGRAD_CHANNELS, packed);
}

const struct psr_kernels psr_kernels_neon_winograd = {
    .isa = PIPERSR_ISA_NEON,
    .precision = PIPERSR_PRECISION_FP32,
    .cpu_features = PSR_CPU_NEON,
    .speed = 200,
    .tile_px = 4,
    .tile_rows = 2,
    .narrow_bytes = sizeof(float),
    .head = &psr_kernels_neon_fp32,
    .packed_bytes = psr_packed_bytes_winograd_fp32,
    .pack = pack,
    .scratch_bytes = winograd_scratch_bytes,
    .conv = winograd_conv,
    .probe = NULL,
};
