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
#include "src/kernels/avx2_tile.h"

/* n pixels by one group of channels; called with constant n only (see avx512.c). */
static inline __attribute__((always_inline)) void
tile(const struct psr_conv *c, const float *packed, uint32_t x, uint32_t first, const int n)
{
    __m256 sum[TILE_PX][TILE_VECTORS];
    const float *weight = packed + GROUP;

    PSR_UNROLL(6)
    for (int p = 0; p < n; p++) {
        sum[p][0] = _mm256_loadu_ps(packed);
        sum[p][1] = _mm256_loadu_ps(packed + LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const float *in = (const float *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i++, in++, weight += GROUP) {
                const __m256 w0 = _mm256_loadu_ps(weight), w1 = _mm256_loadu_ps(weight + LANES);
                PSR_UNROLL(6)
                for (int p = 0; p < n; p++) {
                    const __m256 a = _mm256_broadcast_ss(in + (size_t)p * c->in_px);
                    sum[p][0] = _mm256_fmadd_ps(a, w0, sum[p][0]);
                    sum[p][1] = _mm256_fmadd_ps(a, w1, sum[p][1]);
                }
            }
        }
    }

    PSR_UNROLL(6)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < TILE_VECTORS; k++) {
            const size_t at = (x + (size_t)p) * c->out_px + first + (size_t)(k * LANES);
            _mm256_storeu_ps((float *)c->row[0].out + at,
                             psr_avx2_finish(c, &c->row[0], sum[p][k], at));
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

    PSR_UNROLL(12)
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm256_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_UNROLL(12)
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
    .speed = 100,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(float),
    .packed_bytes = psr_packed_bytes_fp32,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
