/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for AMX: exact sums of unsigned by signed bytes in tiles; what follows them is that
 * of avx512_vnni.c, so the bits are the same.
 *
 * Tested on a CPU that has the instructions, and by their emulation elsewhere
 * (tests/unit/amx_emulator.h).
 */
#if !defined(__AMX_INT8__) && !defined(__AMXINT8__)
#error "build this file with -mamx-tile -mamx-int8 and the flags of avx512.c"
#endif

#include "src/cpu.h"
#include "src/kernels/amx_tile.h"

/* A packed group, as psr_pack_int8() lays it out. */
struct header {
    int32_t start[LANES];
    float scale[LANES], bias[LANES];
};

static inline __attribute__((always_inline)) void values_of(const struct psr_amx_block *block,
                                                            const int32_t *sums, uint32_t n,
                                                            const int halves,
                                                            __m512 value[2 * QUAD])
{
    PSR_UNROLL(2)
    for (int k = 0; k < halves; k++) {
        const struct header *header = (const void *)block->group[k];
        const __m512 scale = _mm512_loadu_ps(header->scale), bias = _mm512_loadu_ps(header->bias);
        PSR_UNROLL(4)
        for (uint32_t j = 0; j < QUAD; j++) {
            const int32_t *sum = sums + j * BLOCK_CHANNELS + k * LANES;
            value[k * QUAD + j] =
                j < n ? _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sum)), scale, bias)
                      : bias;
        }
    }
}

static inline __attribute__((always_inline)) void
store_codes(const struct psr_conv *c, const struct psr_conv_row *row, uint32_t channel, size_t at,
            size_t px, const __m512 value[QUAD], uint32_t n, bool narrow)
{
    uint8_t *const codes = narrow ? row->out : row->codes;
    if (!codes)
        return;
    const __m512i zero = psr_avx512_zero_codes(&c->out_coding, channel);
    const __m512 inverse_scale = _mm512_loadu_ps(c->out_coding.inverse_scale + channel);
    psr_avx512_store_codes(
        codes + at, px, psr_avx512_codes_of(value, inverse_scale, _mm512_packs_epi32(zero, zero)),
        n);
}

static __attribute__((noinline)) void finish(const struct psr_conv *c, struct psr_amx_block *block,
                                             const int32_t *sums)
{
    PSR_AMX_FINISH(c, block, sums, values_of, store_codes);
}

static void conv_row(const struct psr_conv *c)
{
    psr_amx_conv_row(c, (struct psr_amx_precision){true, sizeof(struct header), finish});
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_int8(weights, LANES, packed);
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    uint8_t ones[TILE_ROW_BYTES];
    int32_t sums[LANES];
    memset(ones, 1, sizeof ones);
    *operations = psr_amx_probe(rounds, true, ones, sums);
    return (float)sums[0];
}

const struct psr_kernels psr_kernels_amx_int8 = {
    .isa = PIPERSR_ISA_AMX,
    .precision = PIPERSR_PRECISION_INT8,
    .cpu_features = PSR_CPU_AVX512 | PSR_CPU_AMX_INT8,
    .speed = 2000,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(uint8_t),
    .narrow = psr_avx512_narrow_int8,
    .codes_rows = true,
    .head = &psr_kernels_avx512_fp32,
    .tail = &psr_kernels_avx512_winograd,
    .packed_bytes = psr_packed_bytes_int8,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
