/* SPDX-License-Identifier: MIT
 *
 * Winograd's filtering (winograd.h) in plain C, one number at a time, with fused multiply-adds as
 * the vector entries have them: the tail of the int8 reference, which gives the same bytes as they.
 * Slow where the C library emulates fmaf(), so not in the table.
 */
#include <math.h>

#include "src/kernels/kernels.h"

enum { LANES = 1 };

typedef float vec;

static inline float vec_load(const float *from)
{
    return *from;
}

static inline void vec_store(float *to, float value)
{
    *to = value;
}

static inline float vec_zero(void)
{
    return 0;
}

static inline float vec_set(float value)
{
    return value;
}

static inline float vec_multiply_add(float a, float b, float c)
{
    return fmaf(a, b, c);
}

/* A tail has no activation and no residuals. */
static inline float vec_finish(const struct psr_conv *c, const struct psr_conv_row *row,
                               float value, size_t at)
{
    (void)c;
    (void)row;
    (void)at;
    return value;
}

#define WINOGRAD_TILES   6
#define WINOGRAD_VECTORS 2
#define WINOGRAD_BLOCK   6

#include "src/kernels/winograd_fp32.h"

const struct psr_kernels psr_kernels_c_winograd = {
    .isa = PIPERSR_ISA_C,
    .precision = PIPERSR_PRECISION_FP32,
    .speed = 1,
    .tile_px = 4,
    .tile_rows = 2,
    .narrow_bytes = sizeof(float),
    .head = &psr_kernels_c_fused,
    .packed_bytes = psr_packed_bytes_winograd_fp32,
    .pack = winograd_pack,
    .scratch_bytes = winograd_scratch_bytes,
    .conv = winograd_conv,
};
