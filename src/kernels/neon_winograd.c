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

#include "src/kernels/winograd_fp32.h"

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
    .pack = winograd_pack,
    .scratch_bytes = winograd_scratch_bytes,
    .conv = winograd_conv,
};
