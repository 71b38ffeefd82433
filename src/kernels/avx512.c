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
#include "src/kernels/avx512_tile.h"

/* n pixels by v vectors of channels. Called with constants only, so that the compiler unrolls all
 * but the loop over input channels and keeps `sum` in registers. */
static inline __attribute__((always_inline)) void tile(const struct psr_conv *c, const void *group,
                                                       uint32_t x, uint32_t first, const int n,
                                                       const int v)
{
    __m512 sum[TILE_PX][TILE_VECTORS];
    const float *bias = group, *weight = bias + v * LANES;

    PSR_UNROLL(14)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            sum[p][k] = _mm512_loadu_ps(bias + k * LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const float *in = (const float *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i++, in++, weight += v * LANES) {
                __m512 w[TILE_VECTORS];
                PSR_UNROLL(2)
                for (int k = 0; k < v; k++)
                    w[k] = _mm512_loadu_ps(weight + k * LANES);
                PSR_UNROLL(14)
                for (int p = 0; p < n; p++) {
                    const __m512 a = _mm512_set1_ps(in[(size_t)p * c->in_px]);
                    PSR_UNROLL(2)
                    for (int k = 0; k < v; k++)
                        sum[p][k] = _mm512_fmadd_ps(a, w[k], sum[p][k]);
                }
            }
        }
    }

    PSR_UNROLL(14)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++) {
            const size_t at = (x + (size_t)p) * c->out_px + first + (size_t)(k * LANES);
            _mm512_storeu_ps((float *)c->row[0].out + at,
                             psr_avx512_finish(c, &c->row[0], sum[p][k], at));
        }
    }
}

static void conv_row(const struct psr_conv *c)
{
    PSR_AVX512_CONV_ROW(c, tile, sizeof(float) * ((size_t)c->c_in * 9 + 1))
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_fp32(weights, TILE_VECTORS * LANES, packed);
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 24 };
    __m512 sum[CHAINS];
    const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1.0f);

    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_UNROLL(24)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], a, b);
    }
    __m512 total = _mm512_setzero_ps();
    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        total = _mm512_add_ps(total, sum[i]);
    *operations = rounds * CHAINS * LANES * 2;
    return _mm512_reduce_add_ps(total);
}

const struct psr_kernels psr_kernels_avx512_fp32 = {
    .isa = PIPERSR_ISA_AVX512,
    .precision = PIPERSR_PRECISION_FP32,
    .cpu_features = PSR_CPU_AVX512,
    .speed = 100,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(float),
    .packed_bytes = psr_packed_bytes_fp32,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
