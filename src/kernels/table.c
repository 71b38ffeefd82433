/* SPDX-License-Identifier: MIT */
#include "src/kernels/kernels.h"

/* Worst first: a later entry that the CPU can run takes the place of an earlier one. */
static const struct psr_kernels *const entries[] = {
    &psr_kernels_c_fp32,
    &psr_kernels_c_bf16,
    &psr_kernels_c_int8,
#if defined(PIPERSR_HAVE_X86)
    &psr_kernels_avx2_fp32,
    &psr_kernels_avx2_winograd,
    &psr_kernels_avx512_fp32,
    &psr_kernels_avx512_winograd,
    &psr_kernels_avx512_bf16,
    &psr_kernels_avx2_int8,
    &psr_kernels_avx_vnni,
    &psr_kernels_avx512_vnni,
    &psr_kernels_amx_bf16,
    &psr_kernels_amx_int8,
#endif
#if defined(PIPERSR_HAVE_ARM)
    &psr_kernels_neon_fp32,
    &psr_kernels_neon_winograd,
    &psr_kernels_neon_bf16,
    &psr_kernels_neon_dotprod,
    &psr_kernels_neon_i8mm,
#endif
    NULL,
};

const struct psr_kernels *const *psr_kernels_all(void)
{
    return entries;
}

const struct psr_kernels *psr_kernels_select(pipersr_precision precision, pipersr_isa limit,
                                             uint32_t features)
{
    const struct psr_kernels *best = NULL;

    for (size_t i = 0; entries[i]; i++) {
        const struct psr_kernels *entry = entries[i];
        if (entry->precision != precision || (limit != PIPERSR_ISA_AUTO && entry->isa != limit))
            continue;
        if ((entry->cpu_features & features) == entry->cpu_features)
            best = entry;
    }
    return best;
}
