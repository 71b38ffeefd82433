/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for AVX-512 VNNI: codes and weights in 8 bits, exact sums in 32, trunk in fp32.
 * Tiles as in avx512.c, but an instruction adds the products of four input channels.
 */
#if !defined(__AVX512VNNI__)
#error "build this file with -mavx512vnni and the flags of avx512.c"
#endif

#include "src/cpu.h"
#include "src/kernels/avx512_tile.h"

/* sum += the four products of unsigned bytes of `codes` and signed bytes of `weights` in each 32
 * bits. GCC 12 does not see that its intrinsic adds in place, and copies and spills; clang does,
 * and takes many minutes over the assembly under a sanitizer. */
static inline __m512i add_products(__m512i sum, __m512i codes, __m512i weights)
{
#if defined(__clang__)
    return _mm512_dpbusd_epi32(sum, codes, weights);
#else
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(weights));
    return sum;
#endif
}

/* 16 channels from `channel` on as codes. */
static inline __m128i code_of(const struct psr_coding *coding, uint32_t channel, __m512 value)
{
    const __m512i zero = _mm512_cvtepu8_epi32(
        _mm_loadu_si128((const __m128i *)(const void *)(coding->zero + channel)));
    /* Out of an integer's range the conversion would give the smallest one. */
    const __m512 scaled =
        _mm512_min_ps(_mm512_mul_ps(value, _mm512_loadu_ps(coding->inverse_scale + channel)),
                      _mm512_set1_ps(65536.0f));
    const __m512i code = _mm512_add_epi32(_mm512_cvtps_epi32(scaled), zero);
    return _mm512_cvtusepi32_epi8(_mm512_max_epi32(code, _mm512_setzero_si512()));
}

/* n pixels by v vectors of channels, both constant (see avx512.c). */
static inline __attribute__((always_inline)) void tile(const struct psr_conv *c, const void *group,
                                                       uint32_t x, uint32_t first, const int n,
                                                       const int v)
{
    const int32_t *start = group;
    const float *scale = (const float *)(start + v * LANES), *bias = scale + v * LANES;
    const unsigned char *weight = (const unsigned char *)(bias + v * LANES);
    __m512i sum[TILE_PX][TILE_VECTORS];

#pragma GCC unroll 14
    for (int p = 0; p < n; p++) {
#pragma GCC unroll 2
        for (int k = 0; k < v; k++)
            sum[p][k] = _mm512_loadu_si512(start + k * LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const uint8_t *in = (const uint8_t *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i += 4, in += 4, weight += v * 64) {
                __m512i w[TILE_VECTORS];
#pragma GCC unroll 2
                for (int k = 0; k < v; k++)
                    w[k] = _mm512_loadu_si512(weight + k * 64);
#pragma GCC unroll 14
                for (int p = 0; p < n; p++) {
                    int32_t four;
                    memcpy(&four, in + (size_t)p * c->in_px, sizeof four);
                    const __m512i a = _mm512_set1_epi32(four);
#pragma GCC unroll 2
                    for (int k = 0; k < v; k++)
                        sum[p][k] = add_products(sum[p][k], a, w[k]);
                }
            }
        }
    }

#pragma GCC unroll 14
    for (int p = 0; p < n; p++) {
#pragma GCC unroll 2
        for (int k = 0; k < v; k++) {
            const uint32_t channel = first + (uint32_t)(k * LANES);
            const size_t at = (x + (size_t)p) * c->out_px + channel;
            const __m512 value = psr_avx512_finish(
                c,
                _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[p][k]), _mm512_loadu_ps(scale + k * LANES),
                                _mm512_loadu_ps(bias + k * LANES)),
                at);
            if (c->narrow_out)
                _mm_storeu_si128((__m128i *)(void *)((uint8_t *)c->out + at),
                                 code_of(&c->out_coding, channel, value));
            else
                _mm512_storeu_ps((float *)c->out + at, value);
        }
    }
}

static void conv_row(const struct psr_conv *c)
{
    PSR_AVX512_CONV_ROW(c, tile, (size_t)c->c_in * 9 + sizeof(int32_t) + 2 * sizeof(float))
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_int8(weights, TILE_VECTORS * LANES, packed);
}

static void narrow(const float *from, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding, void *to)
{
    for (size_t x = 0; x < n_px; x++) {
        for (uint32_t i = 0; i < channels; i += LANES)
            _mm_storeu_si128((__m128i *)(void *)((uint8_t *)to + x * channels + i),
                             code_of(coding, i, _mm512_loadu_ps(from + x * channels + i)));
    }
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 24 };
    __m512i sum[CHAINS];
    const __m512i ones = _mm512_set1_epi8(1);

#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_epi32(i);
    for (uint64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++)
            sum[i] = add_products(sum[i], ones, ones);
    }
    __m512i total = _mm512_setzero_si512();
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++)
        total = _mm512_add_epi32(total, sum[i]);
    *operations = rounds * CHAINS * LANES * 8;
    return (float)_mm512_reduce_add_epi32(total);
}

const struct psr_kernels psr_kernels_avx512_vnni = {
    .isa = PIPERSR_ISA_AVX512,
    .precision = PIPERSR_PRECISION_INT8,
    .cpu_features = PSR_CPU_AVX512 | PSR_CPU_AVX512_VNNI,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(uint8_t),
    .narrow = narrow,
    .head = &psr_kernels_avx512_fp32,
    .tail = &psr_kernels_avx512_fp32,
    .packed_bytes = psr_packed_bytes_int8,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
