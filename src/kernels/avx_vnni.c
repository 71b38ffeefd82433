/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for AVX-VNNI: the byte products of AVX-512 VNNI on AVX2's registers.
 *
 * A tile is up to 6 pixels by 16 output channels: 12 accumulators, two registers of weights, one or
 * two of broadcast inputs, 16 in all.
 */
#if !defined(__AVX2__) || !defined(__FMA__)
#error "build this file with -mavx2 -mfma -mavxvnni"
#endif
#if defined(__AVX512F__)
#error "this file must not be built for AVX-512: it runs where that is missing"
#endif

#include <immintrin.h>

#include "src/cpu.h"
#include "src/kernels/avx2_tile.h"

/* sum += the four products of unsigned bytes of `codes` and signed bytes of `weights` in each 32
 * bits. Not the intrinsic: see avx512_vnni.c. */
static inline __m256i add_products(__m256i sum, __m256i codes, __m256i weights)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(codes), "x"(weights));
    return sum;
}

static inline __m256i load(const void *from)
{
    return _mm256_loadu_si256(from);
}

/* n pixels by one group of channels; called with constant n only (see avx512.c). */
static inline __attribute__((always_inline)) void
tile(const struct psr_conv *c, const unsigned char *group, uint32_t x, uint32_t first, const int n)
{
    const int32_t *start = (const int32_t *)(const void *)group;
    const float *scale = (const float *)(start + GROUP), *bias = scale + GROUP;
    const unsigned char *weight = (const unsigned char *)(bias + GROUP);
    __m256i sum[TILE_PX][TILE_VECTORS];

    PSR_UNROLL(6)
    for (int p = 0; p < n; p++) {
        sum[p][0] = load(start);
        sum[p][1] = load(start + LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const uint8_t *in = (const uint8_t *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i += 4, in += 4, weight += 4 * GROUP) {
                const __m256i w0 = load(weight), w1 = load(weight + 4 * LANES);
                PSR_UNROLL(6)
                for (int p = 0; p < n; p++) {
                    int32_t four;
                    memcpy(&four, in + (size_t)p * c->in_px, sizeof four);
                    const __m256i a = _mm256_set1_epi32(four);
                    sum[p][0] = add_products(sum[p][0], a, w0);
                    sum[p][1] = add_products(sum[p][1], a, w1);
                }
            }
        }
    }

    PSR_UNROLL(6)
    for (int p = 0; p < n; p++)
        psr_avx2_finish_int8(c, &c->row[0], sum[p], scale, bias,
                             (x + (size_t)p) * c->out_px + first, first);
}

static void conv_row(const struct psr_conv *c)
{
    /* Even shares, as in avx512.c. */
    const uint32_t tiles = (c->n_px + TILE_PX - 1) / TILE_PX;
    const unsigned char *group = c->packed;

    for (uint32_t first = 0; first < c->c_out; first += GROUP) {
        for (uint32_t t = 0; t < tiles; t++) {
            const uint32_t x = (uint32_t)((uint64_t)c->n_px * t / tiles);
            switch ((uint32_t)((uint64_t)c->n_px * (t + 1) / tiles) - x) {
            case 1:
                tile(c, group, x, first, 1);
                break;
            case 2:
                tile(c, group, x, first, 2);
                break;
            case 3:
                tile(c, group, x, first, 3);
                break;
            case 4:
                tile(c, group, x, first, 4);
                break;
            case 5:
                tile(c, group, x, first, 5);
                break;
            case 6:
                tile(c, group, x, first, 6);
                break;
            }
        }
        group += psr_packed_bytes_int8(c->c_in, GROUP);
    }
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_int8(weights, GROUP, packed);
}

static void narrow(const float *from, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding, void *to)
{
    psr_avx2_narrow_int8(from, n_px, channels, coding, to);
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 12 };
    __m256i sum[CHAINS];
    const __m256i ones = _mm256_set1_epi8(1);

    PSR_UNROLL(12)
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm256_set1_epi32(i);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_UNROLL(12)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = add_products(sum[i], ones, ones);
    }
    __m256i total = _mm256_setzero_si256();
    PSR_UNROLL(12)
    for (int i = 0; i < CHAINS; i++)
        total = _mm256_add_epi32(total, sum[i]);
    int32_t lanes[LANES], result = 0;
    _mm256_storeu_si256((__m256i *)(void *)lanes, total);
    for (int i = 0; i < LANES; i++)
        result ^= lanes[i];
    *operations = rounds * CHAINS * LANES * 8;
    return (float)result;
}

const struct psr_kernels psr_kernels_avx_vnni = {
    .isa = PIPERSR_ISA_AVX2,
    .precision = PIPERSR_PRECISION_INT8,
    .cpu_features = PSR_CPU_AVX2 | PSR_CPU_AVX_VNNI,
    .speed = 280,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(uint8_t),
    .narrow = narrow,
    .head = &psr_kernels_avx2_fp32,
    .tail = &psr_kernels_avx2_winograd,
    .packed_bytes = psr_packed_bytes_int8,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
