/* SPDX-License-Identifier: MIT
 *
 * What this processor can do and the operating system lets us use.
 */
#ifndef PSR_CPU_H
#define PSR_CPU_H

#include <stdint.h>

enum {
    PSR_CPU_AVX2 = 1 << 0,   /* with FMA */
    PSR_CPU_AVX512 = 1 << 1, /* F, BW, DQ, VL */
    PSR_CPU_AVX512_VNNI = 1 << 2,
    PSR_CPU_AVX512_BF16 = 1 << 3,
    PSR_CPU_AVX_VNNI = 1 << 4,
    PSR_CPU_AMX_INT8 = 1 << 5,
    PSR_CPU_AMX_BF16 = 1 << 6,
    PSR_CPU_NEON = 1 << 7, /* 64-bit Arm */
    PSR_CPU_NEON_DOTPROD = 1 << 8,
    PSR_CPU_NEON_I8MM = 1 << 9,
    PSR_CPU_NEON_BF16 = 1 << 10
};

/* Bit set of PSR_CPU_*; a set whose registers the system does not save is left out. Where the CPU
 * has AMX, Linux is asked to let this process use it; refused, AMX is left out. */
uint32_t psr_cpu_features(void);

#endif
