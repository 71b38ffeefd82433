/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for AMX: exact sums of unsigned by signed bytes in tiles; what follows them is that
 * of avx512_vnni.c, so the bits are the same.
 *
 * Tested by emulation of the instructions (tests/unit/amx_emulator.h), never run on a CPU that has
 * them.
 */
#if !defined(__AMX_INT8__)
#error "build this file with -mamx-tile -mamx-int8 and the flags of avx512.c"
#endif

#include "src/cpu.h"
#include "src/kernels/amx_tile.h"

/* A packed group, as psr_pack_int8() lays it out. */
struct header {
    int32_t start[LANES];
    float scale[LANES], bias[LANES];
};

static inline __attribute__((always_inline)) struct psr_amx_channels
load_channels(const struct psr_conv *c, const struct psr_amx_plan *plan,
              const struct psr_amx_block *block)
{
    struct psr_amx_channels channels;
    for (int i = 0; i < 2; i++) {
        /* A block of 16 channels: the same twice, the second is not used. */
        const uint32_t group = block->is_wide ? (uint32_t)i : 0;
        const struct header *header = (const void *)(block->group + group * plan->group_bytes);
        const uint32_t channel = block->first + group * LANES;
        channels.scale[i] = _mm512_loadu_ps(header->scale);
        channels.bias[i] = _mm512_loadu_ps(header->bias);
        channels.inverse_scale[i] = _mm512_setzero_ps();
        channels.zero[i] = _mm512_setzero_si512();
        if (c->narrow_out) {
            channels.inverse_scale[i] = _mm512_loadu_ps(c->out_coding.inverse_scale + channel);
            channels.zero[i] = psr_avx512_zero_codes(&c->out_coding, channel);
        }
    }
    return channels;
}

static inline __attribute__((always_inline)) void finish(const struct psr_conv *c,
                                                         const struct psr_amx_channels *channels,
                                                         const int i, const int32_t *sums,
                                                         size_t at)
{
    const __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(sums));
    const __m512 value =
        psr_avx512_finish(c, _mm512_fmadd_ps(sum, channels->scale[i], channels->bias[i]), at);
    if (c->narrow_out)
        _mm_storeu_si128((__m128i *)(void *)((uint8_t *)c->out + at),
                         psr_avx512_code(value, channels->inverse_scale[i], channels->zero[i]));
    else
        _mm512_storeu_ps((float *)c->out + at, value);
}

static void conv_row(const struct psr_conv *c)
{
    psr_amx_conv_row(
        c, (struct psr_amx_precision){true, sizeof(struct header), load_channels, finish});
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
    .narrow_bytes = sizeof(uint8_t),
    .narrow = psr_avx512_narrow_int8,
    .head = &psr_kernels_avx512_fp32,
    .tail = &psr_kernels_avx512_fp32,
    .packed_bytes = psr_packed_bytes_int8,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
