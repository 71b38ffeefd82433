/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for AVX2, which has no instruction that multiplies bytes and keeps every bit of the
 * sum: vpmaddubsw saturates. So products are made of 16-bit numbers (vpmaddwd), and two thirds of
 * them are saved by Winograd's F(2, 3) x F(4, 3), which in integers is exact. The transforms are
 * those of winograd.h; the weights' is multiplied by 48 and then divided, position by position, by
 * what the factors `along_column` and `along_row` put back after the products:
 *
 *   - a code is 0..255, so a transformed input lies within -4080..4080 (d1 + d2 of the row's second
 *     line, -4 d1 - 4 d2 + d3 + d4);
 *   - a weight's code is -127..127, so a transformed weight lies within 3 * 7 * 127 = 2667;
 *   - a product's bound is the largest where the row's line is the second: 4080 * 9 * 127, and 128
 *     of them are below 2^30;
 *   - what the output transform gives is 48 times the sum, below 2^31 for 128 channels, so it does
 *     not matter that numbers on the way may wrap around.
 *
 * A tile is two rows of four output pixels. Up to 6 tiles by 16 output channels are multiplied at
 * once: 12 accumulators, two registers of weights, one of broadcast inputs, one of products, 16 in
 * all.
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
#include "src/kernels/fetch_ahead.h"

enum {
    POSITIONS = PSR_WINOGRAD_POSITIONS,
    BLOCK = 4 * TILE_PX, /* tiles that are transformed together */
    PARTS = 16           /* 16-bit numbers in a register */
};

static inline __m256i load(const void *from)
{
    return _mm256_loadu_si256(from);
}

static inline void store(void *to, __m256i x)
{
    _mm256_storeu_si256(to, x);
}

/* ------------------------------------------------------------------------------- the inputs -- */

static inline __m256i load_codes(const uint8_t *code)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)code));
}

static inline __m256i add16(__m256i a, __m256i b)
{
    return _mm256_add_epi16(a, b);
}

static inline __m256i sub16(__m256i a, __m256i b)
{
    return _mm256_sub_epi16(a, b);
}

static inline __m256i times4(__m256i x)
{
    return _mm256_slli_epi16(x, 2);
}

/* F(2, 3) of one column of four pixels, for 16 channels. */
static inline __attribute__((always_inline)) void transform_column(const uint8_t *const row[4],
                                                                   size_t at, __m256i to[4])
{
    const __m256i d0 = load_codes(row[0] + at), d1 = load_codes(row[1] + at);
    const __m256i d2 = load_codes(row[2] + at), d3 = load_codes(row[3] + at);
    to[0] = sub16(d0, d2);
    to[1] = add16(d1, d2);
    to[2] = sub16(d2, d1);
    to[3] = sub16(d1, d3);
}

/* One tile's inputs for 16 channels, to the 24 planes from `to` on. */
static inline __attribute__((always_inline)) void
transform_tile(const uint8_t *const row[4], size_t px, int16_t *to, size_t plane)
{
    __m256i d[6][4];

    PSR_UNROLL(6)
    for (size_t j = 0; j < 6; j++)
        transform_column(row, j * px, d[j]);
    PSR_UNROLL(4)
    for (int r = 0; r < 4; r++, to += 6 * plane) {
        const __m256i even = sub16(d[4][r], times4(d[2][r]));
        const __m256i odd = sub16(d[3][r], times4(d[1][r]));
        const __m256i outer = sub16(d[4][r], d[2][r]);
        const __m256i inner = sub16(d[3][r], d[1][r]), inner2 = add16(inner, inner);
        store(to, add16(times4(sub16(d[0][r], d[2][r])), outer));
        store(to + plane, add16(even, odd));
        store(to + 2 * plane, sub16(even, odd));
        store(to + 3 * plane, add16(outer, inner2));
        store(to + 4 * plane, sub16(outer, inner2));
        store(to + 5 * plane, add16(times4(sub16(d[1][r], d[3][r])), sub16(d[5][r], d[3][r])));
    }
}

/* The inputs of `tiles` tiles from pixel x on, as [position][tile][c_in]. */
static void transform(const struct psr_conv *c, uint32_t x, uint32_t tiles, int16_t *inputs)
{
    const size_t px = c->in_px, plane = (size_t)BLOCK * c->c_in;

    for (uint32_t t = 0; t < tiles; t++, x += 4) {
        psr_fetch_ahead(c, x, 4 * BLOCK, sizeof(uint8_t), 2);
        for (uint32_t i = 0; i < c->c_in; i += PARTS) {
            const uint8_t *row[4];
            for (int r = 0; r < 4; r++)
                row[r] = (const uint8_t *)c->in[r] + x * px + i;
            transform_tile(row, px, inputs + (size_t)t * c->c_in + i, plane);
        }
    }
}

/* ----------------------------------------------------------------------------- the products -- */

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

/* n tiles by one group of output channels at one position; constant n only (see avx512.c). */
static inline __attribute__((always_inline)) void tile(const int16_t *input, const int16_t *weights,
                                                       uint32_t c_in, int32_t *product, const int n)
{
    __m256i sum[TILE_PX][TILE_VECTORS];

    PSR_UNROLL(6)
    for (int p = 0; p < n; p++)
        sum[p][0] = sum[p][1] = _mm256_setzero_si256();
    for (uint32_t i = 0; i < c_in; i += 4) {
        PSR_UNROLL(2)
        for (int step = 0; step < 2; step++, input += 2, weights += 2 * GROUP) {
            const __m256i w0 = load(weights), w1 = load(weights + PARTS);
            PSR_UNROLL(6)
            for (int p = 0; p < n; p++) {
                int32_t pair;
                memcpy(&pair, input + (size_t)p * c_in, sizeof pair);
                add_products(sum[p], _mm256_set1_epi32(pair), w0, w1);
            }
        }
    }
    PSR_UNROLL(6)
    for (int p = 0; p < n; p++) {
        store(product + p * GROUP, sum[p][0]);
        store(product + p * GROUP + LANES, sum[p][1]);
    }
}

static void product_of(const int16_t *input, const int16_t *weights, uint32_t c_in,
                       int32_t *product, uint32_t n)
{
    switch (n) {
    case 1:
        tile(input, weights, c_in, product, 1);
        break;
    case 2:
        tile(input, weights, c_in, product, 2);
        break;
    case 3:
        tile(input, weights, c_in, product, 3);
        break;
    case 4:
        tile(input, weights, c_in, product, 4);
        break;
    case 5:
        tile(input, weights, c_in, product, 5);
        break;
    case 6:
        tile(input, weights, c_in, product, 6);
        break;
    }
}

/* All positions of a block for one group, as [position][tile][GROUP]. */
static void products_of(const int16_t *inputs, const int16_t *weights, uint32_t c_in,
                        uint32_t tiles, int32_t *products)
{
    /* Even shares, as in avx512.c. */
    const uint32_t parts = (tiles + TILE_PX - 1) / TILE_PX;
    for (uint32_t position = 0; position < POSITIONS; position++) {
        for (uint32_t part = 0; part < parts; part++) {
            const uint32_t t = tiles * part / parts, n = tiles * (part + 1) / parts - t;
            product_of(inputs + (size_t)t * c_in, weights, c_in, products + (size_t)t * GROUP, n);
        }
        inputs += (size_t)BLOCK * c_in;
        weights += (size_t)c_in * GROUP;
        products += (size_t)BLOCK * GROUP;
    }
}

/* ------------------------------------------------------------------------------ the outputs -- */

static inline __m256i add32(__m256i a, __m256i b)
{
    return _mm256_add_epi32(a, b);
}

static inline __m256i sub32(__m256i a, __m256i b)
{
    return _mm256_sub_epi32(a, b);
}

/* a + 2^n * b */
static inline __m256i add_shifted(__m256i a, __m256i b, int n)
{
    return add32(a, _mm256_slli_epi32(b, n));
}

/* The sums that 48 times themselves are: divided by 16, and by 3 through its inverse in 32 bits. */
static inline __m256i divide_by_48(__m256i sum)
{
    return _mm256_mullo_epi32(_mm256_srai_epi32(sum, 4), _mm256_set1_epi32((int32_t)0xaaaaaaab));
}

/* One tile's sums for one vector of channels: [row][pixel]. */
static inline __attribute__((always_inline)) void sums_of(const int32_t *products,
                                                          __m256i sum[2][4])
{
    const size_t plane = (size_t)BLOCK * GROUP;
    __m256i m[2][6];

    PSR_UNROLL(6)
    for (int i = 0; i < 6; i++, products += plane) {
        const __m256i m0 = load(products), m1 = load(products + 6 * plane);
        const __m256i m2 = load(products + 12 * plane), m3 = load(products + 18 * plane);
        m[0][i] = add_shifted(add32(m1, m2), m0, 1);
        m[1][i] = sub32(sub32(m1, m2), add32(m3, m3));
    }
    PSR_UNROLL(2)
    for (int r = 0; r < 2; r++) {
        const __m256i sum1 = add32(m[r][1], m[r][2]), sum2 = add32(m[r][3], m[r][4]);
        const __m256i difference1 = sub32(m[r][1], m[r][2]);
        const __m256i difference2 = sub32(m[r][3], m[r][4]);
        const __m256i three = add_shifted(m[r][0], m[r][0], 1);
        const __m256i three_last = add_shifted(m[r][5], m[r][5], 1);
        const __m256i inner = add_shifted(difference2, difference1, 1);
        sum[r][0] = add_shifted(add_shifted(sum2, sum1, 2), three, 1);
        sum[r][1] = add32(inner, inner);
        sum[r][2] = _mm256_slli_epi32(add32(sum1, sum2), 2);
        sum[r][3] =
            add_shifted(_mm256_slli_epi32(difference1, 2), add32(three_last, difference2), 3);
        PSR_UNROLL(4)
        for (int j = 0; j < 4; j++)
            sum[r][j] = divide_by_48(sum[r][j]);
    }
}

/* What a group of output channels is finished with. */
struct group {
    const int32_t *start;
    const float *scale, *bias;
};

static void finish(const struct psr_conv *c, const struct group *group, const int32_t *products,
                   uint32_t x, uint32_t first, uint32_t tiles)
{
    const __m256i start[TILE_VECTORS] = {load(group->start), load(group->start + LANES)};
    for (uint32_t t = 0; t < tiles; t++, x += 4, products += GROUP) {
        const uint32_t n_px = c->n_px - x < 4 ? c->n_px - x : 4;
        __m256i sum[TILE_VECTORS][2][4];
        sums_of(products, sum[0]);
        sums_of(products + LANES, sum[1]);
        for (uint32_t r = 0; r < c->n_rows; r++) {
            for (uint32_t j = 0; j < n_px; j++) {
                const __m256i both[TILE_VECTORS] = {add32(sum[0][r][j], start[0]),
                                                    add32(sum[1][r][j], start[1])};
                psr_avx2_finish_int8(c, &c->row[r], both, group->scale, group->bias,
                                     (x + j) * c->out_px + first, first);
            }
        }
    }
}

static size_t inputs_bytes(uint32_t c_in)
{
    return (size_t)POSITIONS * BLOCK * c_in * sizeof(int16_t);
}

static size_t scratch_bytes(uint32_t c_in)
{
    return inputs_bytes(c_in) + (size_t)POSITIONS * BLOCK * GROUP * sizeof(int32_t);
}

static void conv_rows(const struct psr_conv *c)
{
    const uint32_t tiles = (c->n_px + 3) / 4, blocks = (tiles + BLOCK - 1) / BLOCK;
    int16_t *const inputs = c->scratch;
    int32_t *const products = (int32_t *)((unsigned char *)c->scratch + inputs_bytes(c->c_in));

    for (uint32_t b = 0; b < blocks; b++) {
        const uint32_t t = (uint32_t)((uint64_t)tiles * b / blocks);
        const uint32_t n = (uint32_t)((uint64_t)tiles * (b + 1) / blocks) - t;
        const unsigned char *packed = c->packed;
        transform(c, 4 * t, n, inputs);
        for (uint32_t first = 0; first < c->c_out; first += GROUP) {
            const struct group group = {
                .start = (const int32_t *)(const void *)packed,
                .scale = (const float *)(const void *)packed + GROUP,
                .bias = (const float *)(const void *)packed + 2 * GROUP,
            };
            const int16_t *weights = (const int16_t *)(const void *)(group.bias + GROUP);
            products_of(inputs, weights, c->c_in, n, products);
            finish(c, &group, products, 4 * t, first, n);
            packed = (const unsigned char *)(weights + (size_t)POSITIONS * c->c_in * GROUP);
        }
    }
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_winograd_int8(weights, GROUP, packed);
}

static void narrow(const float *from, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding, void *to)
{
    psr_avx2_narrow_int8(from, n_px, channels, coding, to);
}

/* The instructions of the innermost loop: a vpmaddwd of 16 products and a vpaddd. Operations are
 * those of the plain convolution, of which a product here does three. */
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
    *operations = rounds * CHAINS * TILE_VECTORS * PARTS * 2 * 3;
    return (float)result;
}

const struct psr_kernels psr_kernels_avx2_int8 = {
    .isa = PIPERSR_ISA_AVX2,
    .precision = PIPERSR_PRECISION_INT8,
    .cpu_features = PSR_CPU_AVX2,
    .speed = 260,
    .tile_px = 1,
    .tile_rows = 2,
    .narrow_bytes = sizeof(uint8_t),
    .narrow = narrow,
    .head = &psr_kernels_avx2_fp32,
    .tail = &psr_kernels_avx2_winograd,
    .packed_bytes = psr_packed_bytes_winograd_int8,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .conv = conv_rows,
    .probe = probe,
};
