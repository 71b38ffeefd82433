/* SPDX-License-Identifier: MIT
 *
 * bf16 kernels for AVX-512 BF16: inputs and weights in bf16, sums and trunk in fp32. Tiles as in
 * avx512.c, but an instruction adds the products of two input channels.
 */
#if !defined(__AVX512BF16__)
#error "build this file with -mavx512bf16 and the flags of avx512.c"
#endif

#include "src/cpu.h"
#include "src/kernels/avx512_tile.h"

/* n pixels by v vectors of channels, both constant (see avx512.c). */
static inline __attribute__((always_inline)) void tile(const struct psr_conv *c, const void *group,
                                                       uint32_t x, uint32_t first, const int n,
                                                       const int v)
{
    __m512 sum[TILE_PX][TILE_VECTORS];
    const float *bias = group;
    const unsigned char *weight = (const unsigned char *)(bias + v * LANES);

#pragma GCC unroll 14
    for (int p = 0; p < n; p++) {
#pragma GCC unroll 2
        for (int k = 0; k < v; k++)
            sum[p][k] = _mm512_loadu_ps(bias + k * LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const uint16_t *in = (const uint16_t *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i += 2, in += 2, weight += v * 64) {
                __m512bh w[TILE_VECTORS];
#pragma GCC unroll 2
                for (int k = 0; k < v; k++)
                    w[k] = (__m512bh)_mm512_loadu_si512(weight + k * 64);
#pragma GCC unroll 14
                for (int p = 0; p < n; p++) {
                    int32_t pair;
                    memcpy(&pair, in + (size_t)p * c->in_px, sizeof pair);
                    const __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 2
                    for (int k = 0; k < v; k++)
                        sum[p][k] = _mm512_dpbf16_ps(sum[p][k], w[k], a);
                }
            }
        }
    }

#pragma GCC unroll 14
    for (int p = 0; p < n; p++) {
#pragma GCC unroll 2
        for (int k = 0; k < v; k++) {
            const size_t at = (x + (size_t)p) * c->out_px + first + (size_t)(k * LANES);
            const __m512 value = psr_avx512_finish(c, sum[p][k], at);
            if (c->narrow_out)
                _mm256_storeu_si256((__m256i *)((uint16_t *)c->out + at),
                                    (__m256i)_mm512_cvtneps_pbh(value));
            else
                _mm512_storeu_ps((float *)c->out + at, value);
        }
    }
}

static void conv_row(const struct psr_conv *c)
{
    PSR_AVX512_CONV_ROW(c, tile, sizeof(uint16_t) * (size_t)c->c_in * 9 + sizeof(float))
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_bf16(weights, TILE_VECTORS * LANES, packed);
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 24 };
    __m512 sum[CHAINS];
    const __m512bh half = (__m512bh)_mm512_set1_epi16(0x3f00);

#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_dpbf16_ps(sum[i], half, half);
    }
    __m512 total = _mm512_setzero_ps();
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++)
        total = _mm512_add_ps(total, sum[i]);
    *operations = rounds * CHAINS * LANES * 4;
    return _mm512_reduce_add_ps(total);
}

const struct psr_kernels psr_kernels_avx512_bf16 = {
    .isa = PIPERSR_ISA_AVX512,
    .precision = PIPERSR_PRECISION_BF16,
    .cpu_features = PSR_CPU_AVX512 | PSR_CPU_AVX512_BF16,
    .narrow_bytes = sizeof(uint16_t),
    .narrow = psr_avx512_narrow_bf16,
    .head = &psr_kernels_avx512_fp32,
    .packed_bytes = psr_packed_bytes_bf16,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
