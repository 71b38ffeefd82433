/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for AVX2, which has no instruction that multiplies bytes and keeps every bit of the
 * sum: vpmaddubsw saturates. So products are made of 16-bit numbers (vpmaddwd), and half of them
 * are saved by Winograd's F(4, 3) along the row, which in integers is exact:
 *
 * Four outputs y of one kernel row g need the six inputs d around them. With the matrices
 *
 *         4  0 -5  0  1  0            6  0  0
 *         0 -4 -4  1  1  0           -4 -4 -4           1  1  1  1  1  0
 *     B = 0  4 -4 -1  1  0       G = -4  4 -4       A = 0  1 -1  2 -2  0
 *         0 -2 -1  2  1  0            1  2  4           0  1  1  4  4  0
 *         0  2 -1 -2  1  0            1 -2  4           0  1 -1  8 -8  1
 *         0  4  0 -5  0  1            0  0 24
 *
 * 24 y = A (G g * B d): 6 products and not 12. They are summed over the input channels and kernel
 * rows first, A is applied to the sums.
 *
 * No bit is lost. |B d| <= 10 * 255 and |G g| <= 24 * 127 fit in 16 bits. Sums in 32 bits wrap
 * around, which changes them by multiples of 2^32 only; and what comes out in the end is
 * |24 y| <= 24 * 9 * 255 * 127 * c_in, which fits in 32 bits up to 306 channels. It is a multiple
 * of 24: a shift divides by 8, a multiplication by the inverse of 3 modulo 2^32 by 3.
 *
 * A position is four output pixels. A tile is up to 6 positions by 16 output channels: 12
 * accumulators, two registers of weights, one of broadcast inputs, one of products, 16 in all.
 */
#if !defined(__AVX2__) || !defined(__FMA__)
#error "build this file with -mavx2 -mfma"
#endif
#if defined(__AVX512F__)
#error "this file must not be built for AVX-512: it runs where that is missing"
#endif

#include <assert.h>
#include <immintrin.h>

#include "src/cpu.h"
#include "src/kernels/avx2_tile.h"

enum {
    POSITION_PX = 4,
    TRANSFORMED = 6,
    MAX_C_IN = 128,
    PARTS = 16, /* 16-bit numbers in a register */
    /* All layers' weights together do not fit in L2: each layer's are fetched anew for each row. */
    WEIGHTS_AHEAD_BYTES = 4096
};

/* Of TILE_PX positions: the transformed inputs of the kernel's rows one behind the other, and the
 * sums of a group. */
struct block {
    int16_t in[TRANSFORMED][TILE_PX][3 * MAX_C_IN];
    int32_t sum[TRANSFORMED][TILE_PX][GROUP];
};

static inline __m256i load_codes(const uint8_t *code)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)code));
}

static inline __m256i times4(__m256i x)
{
    return _mm256_slli_epi16(x, 2);
}

static inline __m256i add16(__m256i a, __m256i b)
{
    return _mm256_add_epi16(a, b);
}

static inline __m256i sub16(__m256i a, __m256i b)
{
    return _mm256_sub_epi16(a, b);
}

/* B d for output pixels x .. x + 3. Beyond the row the last pixel stands in: what it adds to the
 * outputs inside the row cancels out. */
static void transform_inputs(const struct psr_conv *c, uint32_t x, struct block *block,
                             size_t position)
{
    size_t offset[TRANSFORMED];
    for (uint32_t i = 0; i < TRANSFORMED; i++)
        offset[i] = (x + i < c->n_px + 1 ? x + i : c->n_px + 1) * c->in_px;

    for (size_t dy = 0; dy < 3; dy++) {
        for (uint32_t channel = 0; channel < c->c_in; channel += PARTS) {
            const uint8_t *in = (const uint8_t *)c->in[dy] + channel;
            __m256i d[TRANSFORMED], v[TRANSFORMED];
            for (int i = 0; i < TRANSFORMED; i++)
                d[i] = load_codes(in + offset[i]);
            const __m256i even = sub16(d[4], times4(d[2])), odd = sub16(d[3], times4(d[1]));
            const __m256i even2 = sub16(d[4], d[2]), odd2 = sub16(d[3], d[1]);
            v[0] = add16(sub16(times4(sub16(d[0], d[2])), d[2]), d[4]);
            v[1] = add16(even, odd);
            v[2] = sub16(even, odd);
            v[3] = add16(even2, add16(odd2, odd2));
            v[4] = sub16(even2, add16(odd2, odd2));
            v[5] = add16(sub16(times4(sub16(d[1], d[3])), d[3]), d[5]);
            for (int i = 0; i < TRANSFORMED; i++)
                _mm256_storeu_si256(
                    (__m256i *)(void *)(block->in[i][position] + dy * c->c_in + channel), v[i]);
        }
    }
}

static inline __m256i load(const void *from)
{
    return _mm256_loadu_si256(from);
}

/* sum[k] += the sum of two products of `in` and weight k in each 32 bits. Not intrinsics: GCC 12
 * takes more registers for the products than there are. */
static inline __attribute__((always_inline)) void
add_products(__m256i sum[TILE_VECTORS], __m256i in, __m256i weight0, __m256i weight1)
{
    __m256i products;
    __asm__("vpmaddwd %[weight0], %[in], %[products]\n\t"
            "vpmaddwd %[weight1], %[in], %[in]\n\t"
            "vpaddd %[products], %[sum0], %[sum0]\n\t"
            "vpaddd %[in], %[sum1], %[sum1]"
            : [sum0] "+x"(sum[0]), [sum1] "+x"(sum[1]), [in] "+x"(in), [products] "=&x"(products)
            : [weight0] "x"(weight0), [weight1] "x"(weight1));
}

/* The products' sums of n positions and one group; constant n only (see avx512.c). */
static inline __attribute__((always_inline)) void
sum_tile(const struct psr_conv *c, const int16_t *weight, struct block *block, const int n)
{
    for (int t = 0; t < TRANSFORMED; t++) {
        const int16_t *in = block->in[t][0];
        __m256i sum[TILE_PX][TILE_VECTORS];
        PSR_UNROLL(6)
        for (int p = 0; p < n; p++)
            sum[p][0] = sum[p][1] = _mm256_setzero_si256();

        for (uint32_t i = 0; i < 3 * c->c_in; i += 4) {
            PSR_UNROLL(2)
            for (int step = 0; step < 2; step++, in += 2, weight += 2 * GROUP) {
                _mm_prefetch((const char *)weight + WEIGHTS_AHEAD_BYTES, _MM_HINT_T0);
                const __m256i w0 = load(weight), w1 = load(weight + PARTS);
                PSR_UNROLL(6)
                for (int p = 0; p < n; p++) {
                    int32_t pair;
                    memcpy(&pair, in + (ptrdiff_t)p * 3 * MAX_C_IN, sizeof pair);
                    add_products(sum[p], _mm256_set1_epi32(pair), w0, w1);
                }
            }
        }
        PSR_UNROLL(6)
        for (int p = 0; p < n; p++) {
            _mm256_storeu_si256((__m256i *)(void *)block->sum[t][p], sum[p][0]);
            _mm256_storeu_si256((__m256i *)(void *)(block->sum[t][p] + LANES), sum[p][1]);
        }
    }
}

static void sum_group(const struct psr_conv *c, const int16_t *weight, struct block *block,
                      uint32_t n)
{
    switch (n) {
    case 1:
        sum_tile(c, weight, block, 1);
        break;
    case 2:
        sum_tile(c, weight, block, 2);
        break;
    case 3:
        sum_tile(c, weight, block, 3);
        break;
    case 4:
        sum_tile(c, weight, block, 4);
        break;
    case 5:
        sum_tile(c, weight, block, 5);
        break;
    case 6:
        sum_tile(c, weight, block, 6);
        break;
    }
}

static inline __m256i add32(__m256i a, __m256i b)
{
    return _mm256_add_epi32(a, b);
}

static inline __m256i shift32(__m256i x, int bits)
{
    return _mm256_slli_epi32(x, bits);
}

/* A times the six sums, divided by 24, and the start values added. */
static inline void transform_sums(const struct block *block, uint32_t position, int vector,
                                  __m256i start, __m256i y[POSITION_PX])
{
    const __m256i third = _mm256_set1_epi32((int32_t)0xaaaaaaab);
    __m256i m[TRANSFORMED];
    for (int t = 0; t < TRANSFORMED; t++)
        m[t] = load(block->sum[t][position] + vector * LANES);
    const __m256i sum = add32(m[1], m[2]), difference = _mm256_sub_epi32(m[1], m[2]);
    const __m256i sum2 = add32(m[3], m[4]), difference2 = _mm256_sub_epi32(m[3], m[4]);
    y[0] = add32(m[0], add32(sum, sum2));
    y[1] = add32(difference, shift32(difference2, 1));
    y[2] = add32(sum, shift32(sum2, 2));
    y[3] = add32(m[5], add32(difference, shift32(difference2, 3)));
    for (int i = 0; i < POSITION_PX; i++)
        y[i] = add32(start, _mm256_mullo_epi32(_mm256_srai_epi32(y[i], 3), third));
}

static void finish_position(const struct psr_conv *c, const unsigned char *group,
                            const struct block *block, uint32_t position, uint32_t x,
                            uint32_t channel)
{
    const int32_t *start = (const int32_t *)(const void *)group;
    const float *scale = (const float *)(start + GROUP), *bias = scale + GROUP;
    __m256i y[TILE_VECTORS][POSITION_PX];

    for (int k = 0; k < TILE_VECTORS; k++)
        transform_sums(block, position, k, load(start + k * LANES), y[k]);
    for (uint32_t i = 0; i < POSITION_PX && x + i < c->n_px; i++)
        psr_avx2_finish_int8(c, (__m256i[]){y[0][i], y[1][i]}, scale, bias,
                             (x + i) * c->out_px + channel, channel);
}

static size_t group_bytes(uint32_t c_in)
{
    return GROUP *
           ((size_t)c_in * 3 * TRANSFORMED * sizeof(int16_t) + sizeof(int32_t) + 2 * sizeof(float));
}

static void conv_row(const struct psr_conv *c)
{
    /* Even shares, as in avx512.c. */
    const uint32_t positions = (c->n_px + POSITION_PX - 1) / POSITION_PX;
    const uint32_t tiles = (positions + TILE_PX - 1) / TILE_PX;
    struct block block;

    assert(c->c_in <= MAX_C_IN);
    for (uint32_t t = 0; t < tiles; t++) {
        const uint32_t p = (uint32_t)((uint64_t)positions * t / tiles);
        const uint32_t n = (uint32_t)((uint64_t)positions * (t + 1) / tiles) - p;
        for (uint32_t i = 0; i < n; i++)
            transform_inputs(c, (p + i) * POSITION_PX, &block, i);
        const unsigned char *group = c->packed;
        for (uint32_t first = 0; first < c->c_out; first += GROUP) {
            sum_group(c, (const int16_t *)(const void *)(group + GROUP * 12), &block, n);
            for (uint32_t i = 0; i < n; i++)
                finish_position(c, group, &block, i, (p + i) * POSITION_PX, first);
            group += group_bytes(c->c_in);
        }
    }
}

static size_t packed_bytes(uint32_t c_in, uint32_t c_out)
{
    return psr_padded_channels(c_out) / GROUP * group_bytes(c_in);
}

/* A group is its start values, scales and biases as in psr_pack_int8(), then G g as
 * [TRANSFORMED][dy][c_in / 2][GROUP][2] in 16 bits. */
static void pack(const struct psr_weights *weights, void *packed)
{
    static const int G[TRANSFORMED][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4},
                                          {1, 2, 4}, {1, -2, 4},   {0, 0, 24}};
    const uint32_t c_in = weights->c_in;

    for (uint32_t o = 0; o < weights->c_out; o++) {
        unsigned char *group = (unsigned char *)packed + o / GROUP * group_bytes(c_in);
        int32_t *start = (int32_t *)(void *)group + o % GROUP;
        float *scale = (float *)(start + GROUP), *bias = scale + GROUP;
        int16_t *transformed = (int16_t *)(void *)(group + GROUP * 12) + o % GROUP * 2;
        *scale = psr_weight_scale_int8(weights, o);
        *bias = weights->bias[o];
        for (uint32_t dy = 0; dy < 3; dy++) {
            for (uint32_t i = 0; i < c_in; i++) {
                int g[3];
                for (uint32_t dx = 0; dx < 3; dx++) {
                    g[dx] = psr_weight_code_int8(weights, o, i, dy * 3 + dx, *scale);
                    *start -= g[dx] * weights->coding.zero[i];
                }
                for (uint32_t t = 0; t < TRANSFORMED; t++)
                    transformed[((t * 3 + dy) * (size_t)c_in + i) / 2 * 2 * GROUP + i % 2] =
                        (int16_t)(G[t][0] * g[0] + G[t][1] * g[1] + G[t][2] * g[2]);
            }
        }
    }
}

static void narrow(const float *from, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding, void *to)
{
    psr_avx2_narrow_int8(from, n_px, channels, coding, to);
}

/* The instructions of the innermost loop: a vpmaddwd of 16 products and a vpaddd. Operations are
 * those of the plain convolution, of which a product here does two. */
static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 6 };
    __m256i sum[CHAINS][TILE_VECTORS];
    const __m256i ones = _mm256_set1_epi16(1);

    PSR_UNROLL(6)
    for (int i = 0; i < CHAINS; i++)
        sum[i][0] = sum[i][1] = _mm256_set1_epi32(i);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_UNROLL(6)
        for (int i = 0; i < CHAINS; i++)
            add_products(sum[i], ones, ones, ones);
    }
    __m256i total = _mm256_setzero_si256();
    PSR_UNROLL(6)
    for (int i = 0; i < CHAINS; i++)
        total = add32(total, add32(sum[i][0], sum[i][1]));
    int32_t lanes[LANES], result = 0;
    _mm256_storeu_si256((__m256i *)(void *)lanes, total);
    for (int i = 0; i < LANES; i++)
        result ^= lanes[i];
    *operations = rounds * CHAINS * TILE_VECTORS * PARTS * 2 * 2;
    return (float)result;
}

const struct psr_kernels psr_kernels_avx2_int8 = {
    .isa = PIPERSR_ISA_AVX2,
    .precision = PIPERSR_PRECISION_INT8,
    .cpu_features = PSR_CPU_AVX2,
    .speed = 200,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(uint8_t),
    .narrow = narrow,
    .head = &psr_kernels_avx2_fp32,
    .tail = &psr_kernels_avx2_winograd,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
