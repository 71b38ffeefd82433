/* SPDX-License-Identifier: MIT
 *
 * bf16 for AVX-512 BF16 by Winograd's filtering (winograd.h): rows that are read lie in bf16 and
 * are transformed in fp32; transformed inputs and weights are rounded to bf16, and an instruction
 * adds the products of two input channels in fp32.
 */
#if !defined(__AVX512BF16__)
#error "build this file with -mavx512bf16 and the flags of avx512.c"
#endif

#include "src/cpu.h"
#include "src/kernels/avx512_tile.h"
#include "src/kernels/avx512_vec.h"

#define WINOGRAD_TILES   14
#define WINOGRAD_VECTORS 2
#define WINOGRAD_BLOCK   28
#define WINOGRAD_DEPTH   2

typedef uint16_t winograd_row;

static inline vec winograd_load(const uint16_t *from)
{
    const __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)from);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

static inline void store_bf16(uint16_t *to, __m512 value)
{
    _mm256_storeu_si256((__m256i *)(void *)to, (__m256i)_mm512_cvtneps_pbh(value));
}

static inline void winograd_emit(const struct psr_conv *c, const struct psr_conv_row *row,
                                 size_t at, vec value)
{
    if (c->narrow_out)
        store_bf16((uint16_t *)row->out + at, value);
    else
        vec_store((float *)row->out + at, value);
}

typedef uint16_t winograd_element;
typedef __m512bh winograd_operand;

static inline void winograd_put(uint16_t *to, __m512 value)
{
    store_bf16(to, value);
}

static inline __m512bh winograd_weights(const uint16_t *from)
{
    return (__m512bh)_mm512_loadu_si512(from);
}

static inline __m512bh winograd_input(const uint16_t *from)
{
    int32_t pair;
    memcpy(&pair, from, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

static inline __m512 winograd_multiply(__m512 sum, __m512bh input, __m512bh weights)
{
    return _mm512_dpbf16_ps(sum, weights, input);
}

#include "src/kernels/winograd.h"

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_winograd_bf16(weights, WINOGRAD_CHANNELS, packed);
}

static void narrow(const float *from, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding, void *to)
{
    (void)coding;
    for (size_t i = 0; i < n_px * channels; i += LANES)
        store_bf16((uint16_t *)to + i, _mm512_loadu_ps(from + i));
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 24 };
    __m512 sum[CHAINS];
    const __m512bh half = (__m512bh)_mm512_set1_epi16(0x3f00);

    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_UNROLL(24)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_dpbf16_ps(sum[i], half, half);
    }
    __m512 total = _mm512_setzero_ps();
    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        total = _mm512_add_ps(total, sum[i]);
    *operations = rounds * CHAINS * LANES * 4;
    return _mm512_reduce_add_ps(total);
}

const struct psr_kernels psr_kernels_avx512_bf16 = {
    .isa = PIPERSR_ISA_AVX512,
    .precision = PIPERSR_PRECISION_BF16,
    .cpu_features = PSR_CPU_AVX512 | PSR_CPU_AVX512_BF16,
    .speed = 350,
    .tile_px = 4,
    .tile_rows = 2,
    .narrow_bytes = sizeof(uint16_t),
    .narrow = narrow,
    .head = &psr_kernels_avx512_fp32,
    .packed_bytes = psr_packed_bytes_winograd_bf16,
    .pack = pack,
    .scratch_bytes = winograd_scratch_bytes,
    .conv = winograd_conv,
    .probe = probe,
};
