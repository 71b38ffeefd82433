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
#define WINOGRAD_DEPTH   1

typedef float winograd_element;
typedef __m512 winograd_operand;

static inline void winograd_put(float *to, __m512 value)
{
    _mm512_storeu_ps(to, value);
}

static inline __m512 winograd_weights(const float *from)
{
    return _mm512_loadu_ps(from);
}

static inline __m512 winograd_input(const float *from)
{
    return _mm512_set1_ps(*from);
}

static inline __m512 winograd_multiply(__m512 sum, __m512 input, __m512 weights)
{
    return _mm512_fmadd_ps(input, weights, sum);
}

#include "src/kernels/winograd.h"

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_winograd_fp32(weights, WINOGRAD_CHANNELS, packed);
}

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
    .pack = pack,
    .scratch_bytes = winograd_scratch_bytes,
    .conv = winograd_conv,
    .probe = NULL,
};
