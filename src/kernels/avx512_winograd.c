/* SPDX-License-Identifier: MIT
 *
 * fp32 by Winograd's filtering for AVX-512 F, BW, DQ, VL: the algorithm of winograd.h with tiles as
 * in avx512.c, which makes the head.
 */
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) ||                   \
    !defined(__AVX512VL__) || !defined(__FMA__)
#error "build this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma"
#endif

#include "src/cpu.h"
#include "src/kernels/avx512_tile.h"
#include "src/kernels/avx512_vec.h"

#define WINOGRAD_TILES   14
#define WINOGRAD_VECTORS 2
#define WINOGRAD_BLOCK   14

#include "src/kernels/winograd_fp32.h"

const struct psr_kernels psr_kernels_avx512_winograd = {
    .isa = PIPERSR_ISA_AVX512,
    .precision = PIPERSR_PRECISION_FP32,
    .cpu_features = PSR_CPU_AVX512,
    .speed = 215,
    .tile_px = 4,
    .tile_rows = 2,
    .narrow_bytes = sizeof(float),
    .head = &psr_kernels_avx512_fp32,
    .packed_bytes = psr_packed_bytes_winograd_fp32,
    .pack = winograd_pack,
    .scratch_bytes = winograd_scratch_bytes,
    .conv = winograd_conv,
};
