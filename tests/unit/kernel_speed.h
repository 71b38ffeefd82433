/* SPDX-License-Identifier: MIT
 *
 * How fast a kernel is on one thread, its rows in a near cache: `test_kernels speed`.
 */
#ifndef KERNEL_SPEED_H
#define KERNEL_SPEED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/kernels/kernels.h"

static inline double kernel_seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* 10^9 operations per second in registers: the best of many slices of some milliseconds. */
static inline double kernel_peak(const struct psr_kernels *kernels)
{
    const struct psr_kernels *measured = kernels->probe ? kernels : kernels->head;
    double best = 0;
    for (int i = 0; i < 30; i++) {
        uint64_t operations;
        const double start = kernel_seconds_now();
        volatile float value = measured->probe(100000, &operations);
        (void)value;
        const double rate = (double)operations / (kernel_seconds_now() - start) * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

/* Prints the best of many calls for the default model's body layers: 64 to 64 channels with SiLU.
 */
static inline void measure_kernel(const struct psr_kernels *kernels)
{
    enum { C = 64, PX = 384, ROW = (PX + 6) * C, ROWS_IN = PSR_MAX_TILE_ROWS + 2 };
    const size_t scratch = kernels->scratch_bytes ? kernels->scratch_bytes(C) : 0;
    const size_t packed_bytes = (kernels->packed_bytes(C, C) + 63) / 64 * 64;
    static float weight[C * C * 9], bias[C], inverse_scale[C];
    static uint8_t zero[C];
    unsigned char *rows = aligned_alloc(64, ROWS_IN * ROW * sizeof(float));
    float *out = aligned_alloc(64, PSR_MAX_TILE_ROWS * ROW * sizeof(float));
    void *packed = aligned_alloc(64, packed_bytes);

    for (int i = 0; i < C * C * 9; i++)
        weight[i] = (float)(i % 17 - 8) / 64.0f;
    for (int i = 0; i < C; i++)
        inverse_scale[i] = 64.0f;
    memset(rows, 0, ROWS_IN * ROW * sizeof(float));
    memset(packed, 0, packed_bytes);
    const struct psr_coding coding = {inverse_scale, zero};
    kernels->pack(&(struct psr_weights){weight, bias, C, C, coding}, packed);
    struct psr_conv conv = {
        .in_px = C,
        .packed = packed,
        .narrow_out = kernels->narrow != NULL,
        .out_coding = coding,
        .out_px = C,
        .c_in = C,
        .c_out = C,
        .n_px = PX,
        .n_rows = kernels->tile_rows,
        .scratch = aligned_alloc(64, (scratch + 63) / 64 * 64),
        .activation = PSR_SILU,
    };
    for (size_t i = 0; i < ROWS_IN; i++)
        conv.in[i] = rows + i * ROW * kernels->narrow_bytes;
    for (size_t i = 0; i < PSR_MAX_TILE_ROWS; i++)
        conv.row[i].out = out + i * ROW;

    double best = 1e9;
    const double begin = kernel_seconds_now();
    while (kernel_seconds_now() - begin < 0.3) {
        const double start = kernel_seconds_now();
        kernels->conv(&conv);
        const double seconds = kernel_seconds_now() - start;
        best = seconds < best ? seconds : best;
    }
    const double rate = 2e-9 * C * C * 9 * PX * kernels->tile_rows / best;
    const double peak = kernel_peak(kernels);
    printf("%-7s %-5s %8.1f us for %u x %d pixels  %8.1f of %8.1f GFLOP/s  %5.1f %%\n",
           pipersr_isa_name(kernels->isa), pipersr_precision_name(kernels->precision), best * 1e6,
           kernels->tile_rows, PX, rate, peak, 100 * rate / peak);
    free(rows);
    free(out);
    free(packed);
    free(conv.scratch);
}

#endif
