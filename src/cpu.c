/* SPDX-License-Identifier: MIT */
#include "src/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "pipersr.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

/* The register sets that the operating system saves on a task switch (XCR0). A CPU flag alone is
 * not enough: without the system's support the first instruction would fault. */
static uint64_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Tiles are 8 KiB more to save at a task switch, so Linux wants to be asked once by each process.
 * Its yes holds for all threads, those that run already and those to come, and asking again does no
 * harm. A system that is not known to let tiles be used counts as a no. */
static int may_use_tiles(void)
{
#if defined(__linux__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return 0;
#endif
}

uint32_t psr_cpu_features(void)
{
    /* XCR0: a tile's shape is bit 17, its contents bit 18. */
    enum { YMM_STATE = 0x6, ZMM_STATE = 0xe6, TILE_STATE = 0x60000 };
    enum { HAS_AMX_BF16 = 1 << 22, HAS_AMX_TILE = 1 << 24, HAS_AMX_INT8 = 1 << 25 };
    uint32_t a, b, c, d, features = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    const uint64_t state = saved_state();
    const int has_fma = (c & bit_FMA) != 0;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (state & YMM_STATE) != YMM_STATE)
        return 0;
    const uint32_t subleaves = a, b7 = b, c7 = c, d7 = d;
    uint32_t a71 = 0;
    if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        a71 = a;

    if (has_fma && (b7 & bit_AVX2))
        features |= PSR_CPU_AVX2;
    if ((features & PSR_CPU_AVX2) && (a71 & 1u << 4))
        features |= PSR_CPU_AVX_VNNI;
    const uint32_t avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((features & PSR_CPU_AVX2) && (b7 & avx512) == avx512 && (state & ZMM_STATE) == ZMM_STATE) {
        features |= PSR_CPU_AVX512;
        if (c7 & bit_AVX512VNNI)
            features |= PSR_CPU_AVX512_VNNI;
        if (a71 & 1u << 5)
            features |= PSR_CPU_AVX512_BF16;
        if ((d7 & HAS_AMX_TILE) && (state & TILE_STATE) == TILE_STATE && may_use_tiles()) {
            if (d7 & HAS_AMX_INT8)
                features |= PSR_CPU_AMX_INT8;
            if (d7 & HAS_AMX_BF16)
                features |= PSR_CPU_AMX_BF16;
        }
    }
    return features;
}

#elif defined(__AARCH64EL__) && defined(__linux__)
#include <sys/auxv.h>

/* The kernel's own list: a set that it does not let programs use is not in it. */
uint32_t psr_cpu_features(void)
{
    static const struct {
        unsigned long type, bit;
        uint32_t feature;
    } capabilities[] = {
        {AT_HWCAP, HWCAP_ASIMDDP, PSR_CPU_NEON_DOTPROD},
        {AT_HWCAP2, HWCAP2_I8MM, PSR_CPU_NEON_I8MM},
        {AT_HWCAP2, HWCAP2_BF16, PSR_CPU_NEON_BF16},
    };
    if (!(getauxval(AT_HWCAP) & HWCAP_ASIMD))
        return 0;
    uint32_t features = PSR_CPU_NEON;
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
        if (getauxval(capabilities[i].type) & capabilities[i].bit)
            features |= capabilities[i].feature;
    }
    return features;
}

#elif defined(__AARCH64EL__)

/* NEON is part of the architecture; what came later would have to be asked of each system. */
uint32_t psr_cpu_features(void)
{
    return PSR_CPU_NEON;
}

#else

uint32_t psr_cpu_features(void)
{
    return 0;
}

#endif

uint32_t pipersr_cpu_count(void)
{
#if defined(__linux__)
    /* The affinity mask, not the number of CPUs built in: containers and taskset narrow it. */
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (uint32_t)CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

pipersr_isa pipersr_cpu_describe(char *text, size_t size)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        {PSR_CPU_AVX2, "avx2 fma"},           {PSR_CPU_AVX_VNNI, "avx_vnni"},
        {PSR_CPU_AVX512, "avx512"},           {PSR_CPU_AVX512_VNNI, "avx512_vnni"},
        {PSR_CPU_AVX512_BF16, "avx512_bf16"}, {PSR_CPU_AMX_INT8, "amx_int8"},
        {PSR_CPU_AMX_BF16, "amx_bf16"},       {PSR_CPU_NEON, "neon"},
        {PSR_CPU_NEON_DOTPROD, "dotprod"},    {PSR_CPU_NEON_I8MM, "i8mm"},
        {PSR_CPU_NEON_BF16, "bf16"},
    };
    const uint32_t features = psr_cpu_features();

    if (text && size) {
        size_t used = 0;
        text[0] = '\0';
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (!(features & names[i].bit))
                continue;
            int n = snprintf(text + used, size - used, "%s%s", used ? " " : "", names[i].name);
            if (n < 0 || (size_t)n >= size - used)
                break;
            used += (size_t)n;
        }
    }
    return features & (PSR_CPU_AMX_INT8 | PSR_CPU_AMX_BF16) ? PIPERSR_ISA_AMX
           : features & PSR_CPU_AVX512                      ? PIPERSR_ISA_AVX512
           : features & PSR_CPU_AVX2                        ? PIPERSR_ISA_AVX2
           : features & PSR_CPU_NEON                        ? PIPERSR_ISA_NEON
                                                            : PIPERSR_ISA_C;
}
