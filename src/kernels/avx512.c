/* SPDX-License-Identifier: MIT
 *
 * fp32 kernels for AVX-512 F, BW, DQ, VL.
 *
 * A tile is up to 14 pixels by 32 output channels: 28 accumulators, two registers of weights, one
 * or two of broadcast inputs. Each multiply-add then needs 16/28 loads, and the weights of a tile
 * come from L2 at under 5 bytes a cycle.
 */
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) ||                   \
    !defined(__AVX512VL__) || !defined(__FMA__)
#error "build this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma"
#endif

#include <immintrin.h>

#include "src/cpu.h"
#include "src/kernels/kernels.h"

enum { LANES = 16, TILE_PX = 14, TILE_VECTORS = 2 };

/* x / (1 + e^-x). e^-x = 2^n * 2^f with n whole and f in [-0.5, 0.5]. */
static inline __m512 silu(__m512 x)
{
    static const float c[] = PSR_EXP2_COEFFICIENTS;
    const __m512 t =
        _mm512_min_ps(_mm512_mul_ps(x, _mm512_set1_ps(-0x1.715476p+0f)), _mm512_set1_ps(126.0f));
    const __m512 n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 f = _mm512_sub_ps(t, n);
    __m512 p = _mm512_set1_ps(c[6]);
    for (int i = 5; i >= 0; i--)
        p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c[i]));
    return _mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1.0f), _mm512_scalef_ps(p, n)));
}

/* n pixels by v vectors of channels. Called with constants only, so that the compiler unrolls all
 * but the loop over input channels and keeps `sum` in registers. */
static inline __attribute__((always_inline)) void tile(const struct psr_conv *c,
                                                       const float *packed, uint32_t x,
                                                       uint32_t first, const int n, const int v)
{
    __m512 sum[TILE_PX][TILE_VECTORS];
    const float *weight = packed + v * LANES;

#pragma GCC unroll 14
    for (int p = 0; p < n; p++) {
#pragma GCC unroll 2
        for (int k = 0; k < v; k++)
            sum[p][k] = _mm512_loadu_ps(packed + k * LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const float *in = c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i++, in++, weight += v * LANES) {
                __m512 w[TILE_VECTORS];
#pragma GCC unroll 2
                for (int k = 0; k < v; k++)
                    w[k] = _mm512_loadu_ps(weight + k * LANES);
#pragma GCC unroll 14
                for (int p = 0; p < n; p++) {
                    const __m512 a = _mm512_set1_ps(in[(size_t)p * c->in_px]);
#pragma GCC unroll 2
                    for (int k = 0; k < v; k++)
                        sum[p][k] = _mm512_fmadd_ps(a, w[k], sum[p][k]);
                }
            }
        }
    }

#pragma GCC unroll 14
    for (int p = 0; p < n; p++) {
#pragma GCC unroll 2
        for (int k = 0; k < v; k++) {
            const size_t at = (x + (size_t)p) * c->out_px + first + (size_t)(k * LANES);
            __m512 value = sum[p][k];
            if (c->activation == PSR_SILU)
                value = silu(value);
            if (c->residual)
                value = _mm512_add_ps(value, _mm512_loadu_ps(c->residual + at));
            if (c->residual2)
                value = _mm512_add_ps(value, _mm512_loadu_ps(c->residual2 + at));
            _mm512_storeu_ps(c->out + at, value);
        }
    }
}

/* One tile of n pixels, n known at run time only. */
static inline __attribute__((always_inline)) void tile_of(const struct psr_conv *c,
                                                          const float *packed, uint32_t x,
                                                          uint32_t first, uint32_t n, const int v)
{
    switch (n) {
#define CASE(N)                                                                                    \
    case N:                                                                                        \
        tile(c, packed, x, first, N, v);                                                           \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
#undef CASE
    }
}

static void conv_row(const struct psr_conv *c)
{
    /* Even shares: 30 pixels are 10 + 10 + 10, not 14 + 14 + 2, as a narrow tile waits for its own
     * sums. */
    const uint32_t tiles = (c->n_px + TILE_PX - 1) / TILE_PX;
    const float *packed = c->packed;

    for (uint32_t first = 0; first < c->c_out;) {
        const uint32_t width =
            c->c_out - first >= TILE_VECTORS * LANES ? TILE_VECTORS * LANES : LANES;
        for (uint32_t t = 0; t < tiles; t++) {
            const uint32_t x = (uint32_t)((uint64_t)c->n_px * t / tiles);
            const uint32_t n = (uint32_t)((uint64_t)c->n_px * (t + 1) / tiles) - x;
            if (width == LANES)
                tile_of(c, packed, x, first, n, 1);
            else
                tile_of(c, packed, x, first, n, 2);
        }
        packed += (size_t)width * ((size_t)c->c_in * 9 + 1);
        first += width;
    }
}

static void pack(const float *weight, const float *bias, uint32_t c_in, uint32_t c_out,
                 void *packed)
{
    psr_pack_fp32(weight, bias, c_in, c_out, TILE_VECTORS * LANES, packed);
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 24 };
    __m512 sum[CHAINS];
    const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1.0f);

#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], a, b);
    }
    __m512 total = _mm512_setzero_ps();
    for (int i = 0; i < CHAINS; i++)
        total = _mm512_add_ps(total, sum[i]);
    *operations = rounds * CHAINS * LANES * 2;
    return _mm512_reduce_add_ps(total);
}

const struct psr_kernels psr_kernels_avx512_fp32 = {
    .isa = PIPERSR_ISA_AVX512,
    .precision = PIPERSR_PRECISION_FP32,
    .cpu_features = PSR_CPU_AVX512,
    .packed_bytes = psr_packed_bytes_fp32,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
