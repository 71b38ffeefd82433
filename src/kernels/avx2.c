/* SPDX-License-Identifier: MIT
 *
 * fp32 kernels for AVX2 with FMA.
 *
 * A tile is up to 6 pixels by 16 output channels: 12 accumulators, two registers of weights, one or
 * two of broadcast inputs, 16 in all. The arithmetic is the same, operation by operation, as in the
 * AVX-512 kernels, so both give the same bits.
 */
#if !defined(__AVX2__) || !defined(__FMA__)
#error "build this file with -mavx2 -mfma"
#endif
#if defined(__AVX512F__)
#error "this file must not be built for AVX-512: it runs where that is missing"
#endif

#include <immintrin.h>

#include "src/cpu.h"
#include "src/kernels/kernels.h"

enum { LANES = 8, TILE_PX = 6, TILE_VECTORS = 2, GROUP = TILE_VECTORS * LANES };

/* x / (1 + e^-x). e^-x = 2^n * 2^f with n whole and f in [-0.5, 0.5]. */
static inline __m256 silu(__m256 x)
{
    static const float c[] = PSR_EXP2_COEFFICIENTS;
    __m256 t =
        _mm256_min_ps(_mm256_mul_ps(x, _mm256_set1_ps(-0x1.715476p+0f)), _mm256_set1_ps(126.0f));
    /* Below, 2^n is built from its exponent bits: where e^-x would be subnormal it is as good as
     * nothing beside the 1 that it is added to. */
    t = _mm256_max_ps(t, _mm256_set1_ps(-126.0f));
    const __m256 n = _mm256_round_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256 f = _mm256_sub_ps(t, n);
    __m256 p = _mm256_set1_ps(c[6]);
    for (int i = 5; i >= 0; i--)
        p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(c[i]));
    const __m256i exponent =
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    const __m256 e = _mm256_mul_ps(p, _mm256_castsi256_ps(exponent));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

/* n pixels by one group of channels; called with constant n only (see avx512.c). */
static inline __attribute__((always_inline)) void
tile(const struct psr_conv *c, const float *packed, uint32_t x, uint32_t first, const int n)
{
    __m256 sum[TILE_PX][TILE_VECTORS];
    const float *weight = packed + GROUP;

#pragma GCC unroll 6
    for (int p = 0; p < n; p++) {
        sum[p][0] = _mm256_loadu_ps(packed);
        sum[p][1] = _mm256_loadu_ps(packed + LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const float *in = (const float *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i++, in++, weight += GROUP) {
                const __m256 w0 = _mm256_loadu_ps(weight), w1 = _mm256_loadu_ps(weight + LANES);
#pragma GCC unroll 6
                for (int p = 0; p < n; p++) {
                    const __m256 a = _mm256_broadcast_ss(in + (size_t)p * c->in_px);
                    sum[p][0] = _mm256_fmadd_ps(a, w0, sum[p][0]);
                    sum[p][1] = _mm256_fmadd_ps(a, w1, sum[p][1]);
                }
            }
        }
    }

#pragma GCC unroll 6
    for (int p = 0; p < n; p++) {
#pragma GCC unroll 2
        for (int k = 0; k < TILE_VECTORS; k++) {
            const size_t at = (x + (size_t)p) * c->out_px + first + (size_t)(k * LANES);
            __m256 value = sum[p][k];
            if (c->activation == PSR_SILU)
                value = silu(value);
            if (c->residual)
                value = _mm256_add_ps(value, _mm256_loadu_ps(c->residual + at));
            if (c->residual2)
                value = _mm256_add_ps(value, _mm256_loadu_ps(c->residual2 + at));
            _mm256_storeu_ps((float *)c->out + at, value);
        }
    }
}

static void conv_row(const struct psr_conv *c)
{
    /* Even shares, as in avx512.c. */
    const uint32_t tiles = (c->n_px + TILE_PX - 1) / TILE_PX;
    const float *packed = c->packed;

    for (uint32_t first = 0; first < c->c_out; first += GROUP) {
        for (uint32_t t = 0; t < tiles; t++) {
            const uint32_t x = (uint32_t)((uint64_t)c->n_px * t / tiles);
            switch ((uint32_t)((uint64_t)c->n_px * (t + 1) / tiles) - x) {
            case 1:
                tile(c, packed, x, first, 1);
                break;
            case 2:
                tile(c, packed, x, first, 2);
                break;
            case 3:
                tile(c, packed, x, first, 3);
                break;
            case 4:
                tile(c, packed, x, first, 4);
                break;
            case 5:
                tile(c, packed, x, first, 5);
                break;
            case 6:
                tile(c, packed, x, first, 6);
                break;
            }
        }
        packed += (size_t)GROUP * ((size_t)c->c_in * 9 + 1);
    }
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_fp32(weights, GROUP, packed);
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 12 };
    __m256 sum[CHAINS];
    const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1.0f);

#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm256_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm256_fmadd_ps(sum[i], a, b);
    }
    __m256 total = _mm256_setzero_ps();
    for (int i = 0; i < CHAINS; i++)
        total = _mm256_add_ps(total, sum[i]);
    float lanes[LANES], result = 0;
    _mm256_storeu_ps(lanes, total);
    for (int i = 0; i < LANES; i++)
        result += lanes[i];
    *operations = rounds * CHAINS * LANES * 2;
    return result;
}

const struct psr_kernels psr_kernels_avx2_fp32 = {
    .isa = PIPERSR_ISA_AVX2,
    .precision = PIPERSR_PRECISION_FP32,
    .cpu_features = PSR_CPU_AVX2,
    .narrow_bytes = sizeof(float),
    .packed_bytes = psr_packed_bytes_fp32,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
