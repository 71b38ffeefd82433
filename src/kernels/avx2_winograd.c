/* SPDX-License-Identifier: MIT
 *
 * fp32 by Winograd's filtering for AVX2 and FMA: the algorithm of winograd.h with tiles as
 * in avx2.c, which makes the head.
 */
#if !defined(__AVX2__) || !defined(__FMA__)
#error "build this file with -mavx2 -mfma"
#endif

#include "src/cpu.h"
#include "src/kernels/avx2_tile.h"
#include "src/kernels/avx2_vec.h"

#define WINOGRAD_TILES   6
#define WINOGRAD_VECTORS 2
#define WINOGRAD_BLOCK   24

#include "src/kernels/winograd_fp32.h"

const struct psr_kernels psr_kernels_avx2_winograd = {
    .isa = PIPERSR_ISA_AVX2,
    .precision = PIPERSR_PRECISION_FP32,
    .cpu_features = PSR_CPU_AVX2,
    .speed = 150,
    .tile_px = 4,
    .tile_rows = 2,
    .narrow_bytes = sizeof(float),
    .head = &psr_kernels_avx2_fp32,
    .packed_bytes = psr_packed_bytes_winograd_fp32,
    .pack = winograd_pack,
    .scratch_bytes = winograd_scratch_bytes,
    .conv = winograd_conv,
};
