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

/* What is the same for 16 output channels of all pixels. */
struct channels {
    __m512 scale, bias, inverse_scale;
    __m512i zero;
};

static inline struct channels load_channels(const struct psr_conv *c,
                                            const struct psr_amx_block *block, uint32_t i)
{
    const struct header *header = (const void *)block->group[i];
    struct channels channels = {
        .scale = _mm512_loadu_ps(header->scale),
        .bias = _mm512_loadu_ps(header->bias),
        .inverse_scale = _mm512_setzero_ps(),
        .zero = _mm512_setzero_si512(),
    };
    if (c->narrow_out) {
        const uint32_t channel = block->first + (block->is_wide ? i * LANES : 0);
        channels.inverse_scale = _mm512_loadu_ps(c->out_coding.inverse_scale + channel);
        channels.zero = psr_avx512_zero_codes(&c->out_coding, channel);
    }
    return channels;
}

static inline __attribute__((always_inline)) void finish_vector(const struct psr_conv *c,
                                                                const struct channels *channels,
                                                                const int32_t *sums, size_t at)
{
    const __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(sums));
    const __m512 value =
        psr_avx512_finish(c, &c->row[0], _mm512_fmadd_ps(sum, channels->scale, channels->bias), at);
    if (c->narrow_out)
        _mm_storeu_si128((__m128i *)(void *)((uint8_t *)c->row[0].out + at),
                         psr_avx512_code(value, channels->inverse_scale, channels->zero));
    else
        _mm512_storeu_ps((float *)c->row[0].out + at, value);
}

static __attribute__((noinline)) void finish(const struct psr_conv *c, struct psr_amx_block *block,
                                             const int32_t *sums, uint32_t count)
{
    const struct channels first = load_channels(c, block, 0), second = load_channels(c, block, 1);
    for (; count && block->next < block->end; count--, block->next++) {
        const int32_t *sum = sums + (size_t)(block->next - block->x[0]) * BLOCK_CHANNELS;
        const size_t at = block->next * c->out_px + block->first;
        finish_vector(c, &first, sum, at);
        if (block->is_wide)
            finish_vector(c, &second, sum + LANES, at + LANES);
    }
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
    .head = &psr_kernels_avx512_fp32,
    .tail = &psr_kernels_avx512_winograd,
    .packed_bytes = psr_packed_bytes_int8,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
