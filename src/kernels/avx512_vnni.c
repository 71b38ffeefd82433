/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for AVX-512 VNNI: codes and weights in 8 bits, exact sums in 32, trunk in fp32.
 *
 * VNNI adds the products of four bytes, or of two 16-bit numbers, to each 32 bits. The second
 * halves the rate, but Winograd's F(2, 3) x F(4, 3) needs a third of the products, and in 16 bits
 * it is exact, so it wins. The transforms are those of winograd.h; the weights' is multiplied by 48
 * and then divided, position by position, by what the factors `along_column` and `along_row` put
 * back after the products:
 *
 *   - a code is 0..255, so a transformed input lies within -4080..4080 (d1 + d2 of the row's second
 *     line, -4 d1 - 4 d2 + d3 + d4);
 *   - a weight's code is -127..127, so a transformed weight lies within 3 * 7 * 127 = 2667;
 *   - a product's bound is the largest where the row's line is the second: 4080 * 9 * 127, and 128
 *     of them are below 2^30;
 *   - what the output transform gives is 48 times the sum, below 2^31 for 128 channels, so it does
 *     not matter that numbers on the way may wrap around.
 */
#if !defined(__AVX512VNNI__)
#error "build this file with -mavx512vnni and the flags of avx512.c"
#endif

#include "src/cpu.h"
#include "src/kernels/avx512_tile.h"
#include "src/kernels/fetch_ahead.h"

enum {
    POSITIONS = PSR_WINOGRAD_POSITIONS,
    BLOCK = 2 * TILE_PX,          /* tiles that are transformed together */
    GROUP = TILE_VECTORS * LANES, /* output channels */
    CHANNELS = 2 * LANES          /* 16-bit numbers in a register */
};

/* sum += the two products of signed 16-bit numbers in each 32 bits. GCC 12 does not see that its
 * intrinsic adds in place, and copies and spills; clang does, and takes many minutes over the
 * assembly under a sanitizer. */
static inline __m512i add_products(__m512i sum, __m512i inputs, __m512i weights)
{
#if defined(__clang__)
    return _mm512_dpwssd_epi32(sum, inputs, weights);
#else
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(inputs), "v"(weights));
    return sum;
#endif
}

/* ------------------------------------------------------------------------------- the inputs -- */

/* F(2, 3) of one column of four pixels, for up to 32 channels. */
static inline __attribute__((always_inline)) void
transform_column(const uint8_t *const row[4], size_t at, __mmask32 channels, __m512i to[4])
{
    __m512i d[4];
    PSR_UNROLL(4)
    for (int r = 0; r < 4; r++)
        d[r] = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(channels, row[r] + at));
    to[0] = _mm512_sub_epi16(d[0], d[2]);
    to[1] = _mm512_add_epi16(d[1], d[2]);
    to[2] = _mm512_sub_epi16(d[2], d[1]);
    to[3] = _mm512_sub_epi16(d[1], d[3]);
}

/* The transformed inputs of `tiles` tiles from pixel x on, as [position][tile][c_in]. */
static void transform(const struct psr_conv *c, uint32_t x, uint32_t tiles, int16_t *inputs)
{
    const size_t px = c->in_px, plane = (size_t)BLOCK * c->c_in;

    for (uint32_t t = 0; t < tiles; t++)
        psr_fetch_ahead(c, x + 4 * t, 4 * BLOCK, sizeof(uint8_t));
    for (uint32_t i = 0; i < c->c_in; i += CHANNELS) {
        const __mmask32 channels = c->c_in - i < CHANNELS ? 0xffff : 0xffffffff;
        const uint8_t *row[4];
        __m512i d0[4], d1[4];
        for (int r = 0; r < 4; r++)
            row[r] = (const uint8_t *)c->in[r] + x * px + i;
        transform_column(row, 0, channels, d0);
        transform_column(row, px, channels, d1);
        for (uint32_t t = 0; t < tiles; t++) {
            __m512i d2[4], d3[4], d4[4], d5[4];
            const size_t at = 4 * t * px;
            transform_column(row, at + 2 * px, channels, d2);
            transform_column(row, at + 3 * px, channels, d3);
            transform_column(row, at + 4 * px, channels, d4);
            transform_column(row, at + 5 * px, channels, d5);
            PSR_UNROLL(4)
            for (int r = 0; r < 4; r++) {
                const __m512i even = _mm512_sub_epi16(d4[r], _mm512_slli_epi16(d2[r], 2));
                const __m512i odd = _mm512_sub_epi16(d3[r], _mm512_slli_epi16(d1[r], 2));
                const __m512i outer = _mm512_sub_epi16(d4[r], d2[r]);
                const __m512i inner = _mm512_slli_epi16(_mm512_sub_epi16(d3[r], d1[r]), 1);
                const __m512i first = _mm512_slli_epi16(_mm512_sub_epi16(d0[r], d2[r]), 2);
                const __m512i last = _mm512_slli_epi16(_mm512_sub_epi16(d1[r], d3[r]), 2);
                const __m512i v[6] = {
                    _mm512_add_epi16(first, outer),
                    _mm512_add_epi16(even, odd),
                    _mm512_sub_epi16(even, odd),
                    _mm512_add_epi16(outer, inner),
                    _mm512_sub_epi16(outer, inner),
                    _mm512_add_epi16(last, _mm512_sub_epi16(d5[r], d3[r])),
                };
                int16_t *to = inputs + (size_t)r * 6 * plane + (size_t)t * c->c_in + i;
                PSR_UNROLL(6)
                for (int p = 0; p < 6; p++, to += plane)
                    _mm512_mask_storeu_epi16(to, channels, v[p]);
                d0[r] = d4[r];
                d1[r] = d5[r];
            }
        }
    }
}

/* ----------------------------------------------------------------------------- the products -- */

/* n tiles by v vectors of output channels, both constant, at one position. */
static inline __attribute__((always_inline)) void tile(const int16_t *input, const int16_t *weights,
                                                       uint32_t c_in, int32_t *product, const int n,
                                                       const int v)
{
    __m512i sum[TILE_PX][TILE_VECTORS];

    PSR_UNROLL(14)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            sum[p][k] = _mm512_setzero_si512();
    }
    for (uint32_t i = 0; i < c_in; i += 2, weights += v * LANES * 2) {
        __m512i w[TILE_VECTORS];
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            w[k] = _mm512_loadu_si512(weights + k * LANES * 2);
        PSR_UNROLL(14)
        for (int p = 0; p < n; p++) {
            int32_t pair;
            memcpy(&pair, input + (size_t)p * c_in + i, sizeof pair);
            const __m512i a = _mm512_set1_epi32(pair);
            PSR_UNROLL(2)
            for (int k = 0; k < v; k++)
                sum[p][k] = add_products(sum[p][k], a, w[k]);
        }
    }
    PSR_UNROLL(14)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            _mm512_storeu_si512(product + p * GROUP + k * LANES, sum[p][k]);
    }
}

#define CASE(N, V)                                                                                 \
    case N + (V - 1) * TILE_PX:                                                                    \
        tile(input, weights, c_in, product, N, V);                                                 \
        break;
#define CASES(N) CASE(N, 1) CASE(N, 2)

static void product_of(const int16_t *input, const int16_t *weights, uint32_t c_in,
                       int32_t *product, uint32_t n, uint32_t v)
{
    switch (n + (v - 1) * TILE_PX) {
        CASES(1)
        CASES(2)
        CASES(3)
        CASES(4)
        CASES(5)
        CASES(6)
        CASES(7)
        CASES(8)
        CASES(9)
        CASES(10)
        CASES(11)
        CASES(12)
        CASES(13)
        CASES(14)
    }
}

/* All positions of a block for one group of v vectors, as [position][tile][GROUP]. */
static void products_of(const int16_t *inputs, const int16_t *weights, uint32_t c_in,
                        uint32_t tiles, uint32_t v, int32_t *products)
{
    const uint32_t parts = (tiles + TILE_PX - 1) / TILE_PX;
    for (uint32_t position = 0; position < POSITIONS; position++) {
        for (uint32_t part = 0; part < parts; part++) {
            const uint32_t t = tiles * part / parts, n = tiles * (part + 1) / parts - t;
            product_of(inputs + (size_t)t * c_in, weights, c_in, products + (size_t)t * GROUP, n,
                       v);
        }
        inputs += (size_t)BLOCK * c_in;
        weights += (size_t)c_in * v * LANES;
        products += (size_t)BLOCK * GROUP;
    }
}

/* ------------------------------------------------------------------------------ the outputs -- */

/* a + 2^n * b */
static inline __m512i add_shifted(__m512i a, __m512i b, unsigned n)
{
    return _mm512_add_epi32(a, _mm512_slli_epi32(b, n));
}

/* The sums that 48 times themselves are. The division is exact: by 16, and by 3 through the number
 * that gives 1 with it in 32 bits. */
static inline __m512i divide_by_48(__m512i sum)
{
    return _mm512_mullo_epi32(_mm512_srai_epi32(sum, 4), _mm512_set1_epi32((int)0xaaaaaaabu));
}

/* One tile's sums for one vector of channels: [row][pixel]. */
static inline __attribute__((always_inline)) void sums_of(const int32_t *products,
                                                          __m512i sum[2][4])
{
    const size_t plane = (size_t)BLOCK * GROUP;
    __m512i m[2][6];

    PSR_UNROLL(6)
    for (int i = 0; i < 6; i++, products += plane) {
        const __m512i m0 = _mm512_loadu_si512(products);
        const __m512i m1 = _mm512_loadu_si512(products + 6 * plane);
        const __m512i m2 = _mm512_loadu_si512(products + 12 * plane);
        const __m512i m3 = _mm512_loadu_si512(products + 18 * plane);
        m[0][i] = add_shifted(_mm512_add_epi32(m1, m2), m0, 1);
        m[1][i] = _mm512_sub_epi32(_mm512_sub_epi32(m1, m2), _mm512_slli_epi32(m3, 1));
    }
    PSR_UNROLL(2)
    for (int r = 0; r < 2; r++) {
        const __m512i sum1 = _mm512_add_epi32(m[r][1], m[r][2]);
        const __m512i sum2 = _mm512_add_epi32(m[r][3], m[r][4]);
        const __m512i difference1 = _mm512_sub_epi32(m[r][1], m[r][2]);
        const __m512i difference2 = _mm512_sub_epi32(m[r][3], m[r][4]);
        const __m512i six = _mm512_slli_epi32(add_shifted(m[r][0], m[r][0], 1), 1);
        const __m512i twenty_four = _mm512_slli_epi32(add_shifted(m[r][5], m[r][5], 1), 3);
        sum[r][0] = _mm512_add_epi32(add_shifted(sum2, sum1, 2), six);
        sum[r][1] = _mm512_slli_epi32(add_shifted(difference2, difference1, 1), 1);
        sum[r][2] = _mm512_slli_epi32(_mm512_add_epi32(sum1, sum2), 2);
        sum[r][3] = add_shifted(add_shifted(twenty_four, difference1, 2), difference2, 3);
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
                   uint32_t x, uint32_t first, uint32_t tiles, uint32_t v)
{
    for (uint32_t t = 0; t < tiles; t++, x += 4) {
        const uint32_t n_px = c->n_px - x < 4 ? c->n_px - x : 4;
        for (uint32_t k = 0; k < v; k++) {
            const __m512i start = _mm512_loadu_si512(group->start + k * LANES);
            const __m512 scale = _mm512_loadu_ps(group->scale + k * LANES);
            const __m512 bias = _mm512_loadu_ps(group->bias + k * LANES);
            const uint32_t channel = first + k * LANES;
            __m512i sum[2][4];
            sums_of(products + t * GROUP + k * LANES, sum);
            for (uint32_t r = 0; r < c->n_rows; r++) {
                for (uint32_t j = 0; j < n_px; j++) {
                    const size_t at = r * c->row_elements + (x + j) * c->out_px + channel;
                    const __m512 exact = _mm512_cvtepi32_ps(_mm512_add_epi32(sum[r][j], start));
                    const __m512 value =
                        psr_avx512_finish(c, _mm512_fmadd_ps(exact, scale, bias), at);
                    if (c->narrow_out)
                        _mm_storeu_si128((__m128i *)(void *)((uint8_t *)c->out + at),
                                         psr_avx512_code_of(&c->out_coding, channel, value));
                    else
                        _mm512_storeu_ps((float *)c->out + at, value);
                }
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
        for (uint32_t first = 0, v; first < c->c_out; first += v * LANES) {
            v = c->c_out - first >= GROUP ? TILE_VECTORS : 1;
            const struct group group = {
                .start = (const int32_t *)packed,
                .scale = (const float *)packed + v * LANES,
                .bias = (const float *)packed + 2 * v * LANES,
            };
            const int16_t *weights = (const int16_t *)(group.bias + v * LANES);
            products_of(inputs, weights, c->c_in, n, v, products);
            finish(c, &group, products, 4 * t, first, n, v);
            packed = (const unsigned char *)(weights + (size_t)POSITIONS * c->c_in * v * LANES);
        }
    }
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_winograd_int8(weights, GROUP, packed);
}

/* The peak is that of bytes, four products an instruction, for comparison with what multiplies
 * them. */
static inline __m512i add_byte_products(__m512i sum, __m512i codes, __m512i weights)
{
#if defined(__clang__)
    return _mm512_dpbusd_epi32(sum, codes, weights);
#else
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(weights));
    return sum;
#endif
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 24 };
    __m512i sum[CHAINS];
    const __m512i ones = _mm512_set1_epi8(1);

    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_epi32(i);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_UNROLL(24)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = add_byte_products(sum[i], ones, ones);
    }
    __m512i total = _mm512_setzero_si512();
    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        total = _mm512_add_epi32(total, sum[i]);
    *operations = rounds * CHAINS * LANES * 8;
    return (float)_mm512_reduce_add_epi32(total);
}

const struct psr_kernels psr_kernels_avx512_vnni = {
    .isa = PIPERSR_ISA_AVX512,
    .precision = PIPERSR_PRECISION_INT8,
    .cpu_features = PSR_CPU_AVX512 | PSR_CPU_AVX512_VNNI,
    .speed = 380,
    .tile_px = 1,
    .tile_rows = 2,
    .narrow_bytes = sizeof(uint8_t),
    .narrow = psr_avx512_narrow_int8,
    .head = &psr_kernels_avx512_fp32,
    .tail = &psr_kernels_avx512_winograd,
    .packed_bytes = psr_packed_bytes_winograd_int8,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .conv = conv_rows,
    .probe = probe,
};
