/* SPDX-License-Identifier: MIT
 *
 * bf16 kernels for AMX: inputs and weights in bf16, sums and trunk in fp32. A multiply adds up the
 * even and the odd channels of up to 32 apart, each with fused multiply-adds in rising order, then
 * the two, and then adds that to the sum; numbers below the normal range count as 0.
 *
 * Tested on a CPU that has the instructions, and by their emulation elsewhere
 * (tests/unit/amx_emulator.h).
 */
#if (!defined(__AMX_BF16__) && !defined(__AMXBF16__)) || !defined(__AVX512BF16__)
#error "build this file with -mamx-tile -mamx-bf16 and the flags of avx512_bf16.c"
#endif

#include "src/cpu.h"
#include "src/kernels/amx_tile.h"

/* The biases were the sums' start values. */
static inline __attribute__((always_inline)) void values_of(const struct psr_amx_block *block,
                                                            const int32_t *sums, uint32_t n,
                                                            const int halves,
                                                            __m512 value[2 * QUAD])
{
    (void)block;
    PSR_UNROLL(8)
    for (uint32_t i = 0; i < (uint32_t)halves * QUAD; i++) {
        const int32_t *sum = sums + (size_t)(i % QUAD) * BLOCK_CHANNELS + i / QUAD * LANES;
        value[i] = i % QUAD < n ? _mm512_load_ps(sum) : _mm512_setzero_ps();
    }
}

static inline __attribute__((always_inline)) void
store_bf16(const struct psr_conv *c, const struct psr_conv_row *row, uint32_t channel, size_t at,
           size_t px, const __m512 value[QUAD], uint32_t n, bool narrow)
{
    (void)c;
    (void)channel;
    if (!narrow)
        return;
    PSR_UNROLL(4)
    for (uint32_t j = 0; j < QUAD; j++) {
        if (j < n)
            _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)row->out + at + j * px),
                                (__m256i)_mm512_cvtneps_pbh(value[j]));
    }
}

static __attribute__((noinline)) void finish(const struct psr_conv *c, struct psr_amx_block *block,
                                             const int32_t *sums)
{
    PSR_AMX_FINISH(c, block, sums, values_of, store_bf16);
}

static void conv_row(const struct psr_conv *c)
{
    psr_amx_conv_row(c, (struct psr_amx_precision){false, LANES * sizeof(float), finish});
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_bf16(weights, LANES, packed);
}

static void narrow(const float *from, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding, void *to)
{
    (void)coding;
    for (size_t i = 0; i < n_px * channels; i += LANES)
        _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)to + i),
                            (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    uint16_t ones[TILE_ROW_BYTES / sizeof(uint16_t)];
    int32_t sums[LANES];
    float result;
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
        ones[i] = psr_bf16_of_float(1.0f);
    *operations = psr_amx_probe(rounds, false, ones, sums);
    memcpy(&result, sums, sizeof result);
    return result;
}

const struct psr_kernels psr_kernels_amx_bf16 = {
    .isa = PIPERSR_ISA_AMX,
    .precision = PIPERSR_PRECISION_BF16,
    .cpu_features = PSR_CPU_AVX512 | PSR_CPU_AVX512_BF16 | PSR_CPU_AMX_BF16,
    .speed = 1000,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(uint16_t),
    .narrow = narrow,
    .head = &psr_kernels_avx512_fp32,
    .packed_bytes = psr_packed_bytes_bf16,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
