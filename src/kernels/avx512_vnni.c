/* SPDX-License-Identifier: MIT
 *
 * int8 kernels for AVX-512 VNNI: codes and weights in 8 bits, exact sums in 32, trunk in fp32.
 *
 * VNNI adds the products of four bytes, or of two 16-bit numbers, to each 32 bits. The second
 * halves the rate, but Winograd's F(4, 3) x F(4, 3) needs a quarter of the products: 36 for a tile
 * of 4 x 4 output pixels where the plain sum has 144. In integers it is exact. F(4, 3) is
 * winograd.h's, for rows and columns alike; its weights are multiplied by 24 in each direction, and
 * by 12 at the infinite point, whose products count twice instead. So what comes out is 576 times
 * the sum.
 *
 *   - a code is 0..255, and the input transform's lines have coefficients of -8..2 in sum, or -5..5
 *     or smaller, so a transformed input lies within (8 * 8 + 2 * 2) * 255 = 17340;
 *   - a weight's code is -127..127, and the weight transform's lines have 6, 12, 12, 7, 7 and 12 as
 *     sums of magnitudes, so a transformed weight lies within 144 * 127 = 18288;
 *   - sums of products and what is made of them may wrap around, as all that is wanted of them is
 *     576 times the sum in 32 bits: the sum itself, after the multiplication by 9's inverse, in
 *     the upper 26. For up to 112 channels a sum of codes less their zeros lies within
 *     112 * 9 * 255 * 127, which is below 2^25; for 128 so does the sum of codes less 128. Either
 *     is what the products' sums start from, and the rest is added in the end.
 */
#if !defined(__AVX512VNNI__)
#error "build this file with -mavx512vnni and the flags of avx512.c"
#endif

#include "src/cpu.h"
#include "src/kernels/avx512_finish.h"
#include "src/kernels/fetch_ahead.h"

enum {
    POSITIONS = 36,
    /* Tiles that are transformed together, so few that their products stay in L1, and multiplied
     * together: 14 accumulators are enough for their latency. */
    BLOCK = 7,
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

static inline __m512i add16(__m512i a, __m512i b)
{
    return _mm512_add_epi16(a, b);
}

static inline __m512i sub16(__m512i a, __m512i b)
{
    return _mm512_sub_epi16(a, b);
}

static inline __m512i times4(__m512i x)
{
    return _mm512_slli_epi16(x, 2);
}

/* F(4, 3) of six inputs. */
static inline __attribute__((always_inline)) void transform_line(const __m512i d[6], __m512i v[6])
{
    const __m512i even = sub16(d[4], times4(d[2])), odd = sub16(d[3], times4(d[1]));
    const __m512i outer = sub16(d[4], d[2]);
    const __m512i inner = sub16(d[3], d[1]), inner2 = add16(inner, inner);
    v[0] = add16(times4(sub16(d[0], d[2])), outer);
    v[1] = add16(even, odd);
    v[2] = sub16(even, odd);
    v[3] = add16(outer, inner2);
    v[4] = sub16(outer, inner2);
    v[5] = sub16(sub16(d[5], d[3]), times4(inner));
}

/* The same down one column of six pixels, for up to 32 channels. */
static inline __attribute__((always_inline)) void
transform_column(const uint8_t *const row[6], size_t at, const bool full, __m512i to[6])
{
    __m512i d[6];
    PSR_UNROLL(6)
    for (int r = 0; r < 6; r++)
        d[r] = _mm512_cvtepu8_epi16(
            full ? _mm256_loadu_si256((const __m256i *)(const void *)(row[r] + at))
                 : _mm256_castsi128_si256(
                       _mm_loadu_si128((const __m128i *)(const void *)(row[r] + at))));
    transform_line(d, to);
}

/* The transformed inputs of `tiles` tiles from pixel x on, of 32 channels from i on, or 16. */
static inline __attribute__((always_inline)) void transform_channels(const struct psr_conv *c,
                                                                     uint32_t x, uint32_t tiles,
                                                                     uint32_t i, const bool full,
                                                                     int16_t *to)
{
    const size_t px = c->in_px, plane = (size_t)BLOCK * c->c_in;
    const uint8_t *row[6];
    __m512i d[6][6]; /* [column][line] */

    for (int r = 0; r < 6; r++)
        row[r] = (const uint8_t *)c->in[r] + x * px + i;
    transform_column(row, 0, full, d[0]);
    transform_column(row, px, full, d[1]);
    for (uint32_t t = 0; t < tiles; t++, to += c->c_in) {
        PSR_UNROLL(4)
        for (size_t j = 2; j < 6; j++)
            transform_column(row, (4 * t + j) * px, full, d[j]);
        PSR_UNROLL(6)
        for (int r = 0; r < 6; r++) {
            const __m512i line[6] = {d[0][r], d[1][r], d[2][r], d[3][r], d[4][r], d[5][r]};
            __m512i v[6];
            transform_line(line, v);
            PSR_UNROLL(6)
            for (int p = 0; p < 6; p++) {
                int16_t *const at = to + (size_t)(6 * r + p) * plane;
                if (full)
                    _mm512_storeu_si512(at, v[p]);
                else
                    _mm256_storeu_si256((__m256i *)(void *)at, _mm512_castsi512_si256(v[p]));
            }
            d[0][r] = d[4][r];
            d[1][r] = d[5][r];
        }
    }
}

/* All channels', as [position][tile][c_in]. */
static void transform(const struct psr_conv *c, uint32_t x, uint32_t tiles, int16_t *inputs)
{
    uint32_t i = 0;
    for (uint32_t t = 0; t < tiles; t++)
        psr_fetch_ahead(c, x + 4 * t, 4 * BLOCK, sizeof(uint8_t), 4);
    for (; i + CHANNELS <= c->c_in; i += CHANNELS)
        transform_channels(c, x, tiles, i, true, inputs + i);
    if (i < c->c_in)
        transform_channels(c, x, tiles, i, false, inputs + i);
}

/* ----------------------------------------------------------------------------- the products -- */

/* n tiles by v vectors of output channels, both constant, at one position. */
static inline __attribute__((always_inline)) void tile(const int16_t *input, const int16_t *weights,
                                                       uint32_t c_in, const int32_t *start,
                                                       int32_t *product, const int n, const int v)
{
    __m512i sum[BLOCK][TILE_VECTORS];

    PSR_UNROLL(7)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            sum[p][k] = start ? _mm512_loadu_si512(start + k * LANES) : _mm512_setzero_si512();
    }
    for (uint32_t i = 0; i < c_in; i += 2, weights += v * LANES * 2) {
        __m512i w[TILE_VECTORS];
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            w[k] = _mm512_loadu_si512(weights + k * LANES * 2);
        PSR_UNROLL(7)
        for (int p = 0; p < n; p++) {
            int32_t pair;
            memcpy(&pair, input + (size_t)p * c_in + i, sizeof pair);
            const __m512i a = _mm512_set1_epi32(pair);
            PSR_UNROLL(2)
            for (int k = 0; k < v; k++)
                sum[p][k] = add_products(sum[p][k], a, w[k]);
        }
    }
    PSR_UNROLL(7)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            _mm512_storeu_si512(product + p * GROUP + k * LANES, sum[p][k]);
    }
}

#define CASE(N, V)                                                                                 \
    case N + (V - 1) * BLOCK:                                                                      \
        tile(input, weights, c_in, start, product, N, V);                                          \
        break;
#define CASES(N) CASE(N, 1) CASE(N, 2)

static void product_of(const int16_t *input, const int16_t *weights, uint32_t c_in,
                       const int32_t *start, int32_t *product, uint32_t n, uint32_t v)
{
    switch (n + (v - 1) * BLOCK) {
        CASES(1)
        CASES(2)
        CASES(3)
        CASES(4)
        CASES(5)
        CASES(6)
        CASES(7)
    }
}

/* A group of v vectors of output channels, as pack() lays it out. */
struct group {
    const int32_t *start, *rest;
    const float *scale, *bias;
    const int16_t *weights;
    uint32_t first, v;
};

/* All positions of a block for one group, as [position][tile][GROUP]. */
static void products_of(const int16_t *inputs, const struct group *group, uint32_t c_in,
                        uint32_t tiles, int32_t *products)
{
    enum { START = 7 }; /* the position that counts once in every sum */
    const int16_t *weights = group->weights;
    for (uint32_t position = 0; position < POSITIONS; position++) {
        product_of(inputs, weights, c_in, position == START ? group->start : NULL, products, tiles,
                   group->v);
        inputs += (size_t)BLOCK * c_in;
        weights += (size_t)c_in * group->v * LANES;
        products += (size_t)BLOCK * GROUP;
    }
}

/* ------------------------------------------------------------------------------ the outputs -- */

static inline __m512i add32(__m512i a, __m512i b)
{
    return _mm512_add_epi32(a, b);
}

static inline __m512i sub32(__m512i a, __m512i b)
{
    return _mm512_sub_epi32(a, b);
}

/* a + 2^n * b */
static inline __m512i add_shifted(__m512i a, __m512i b, unsigned n)
{
    return _mm512_add_epi32(a, _mm512_slli_epi32(b, n));
}

/* F(4, 3)'s four outputs of six sums of products, of which the last counts half. */
static inline __attribute__((always_inline)) void outputs_of_line(const __m512i m[6], __m512i y[4])
{
    const __m512i sum1 = add32(m[1], m[2]), sum2 = add32(m[3], m[4]);
    const __m512i difference1 = sub32(m[1], m[2]), difference2 = sub32(m[3], m[4]);
    y[0] = add32(add32(m[0], sum1), sum2);
    y[1] = add_shifted(difference1, difference2, 1);
    y[2] = add_shifted(sum1, sum2, 2);
    y[3] = add_shifted(difference1, add_shifted(m[5], difference2, 2), 1);
}

/* The sums in the upper 26 bits that 576 times themselves are, which is 64 times 9: multiplied by
 * the number that gives 1 with 9 in 32 bits. */
static inline __m512i divide_by_576(__m512i sum)
{
    return _mm512_srai_epi32(_mm512_mullo_epi32(sum, _mm512_set1_epi32(0x38e38e39)), 6);
}

/* One tile's sums for one vector of output channels, made float: [row][pixel]. */
static inline __attribute__((always_inline)) void
values_of(const struct group *group, const int32_t *products, uint32_t k, __m512 value[16])
{
    const size_t plane = (size_t)BLOCK * GROUP;
    const __m512i rest = _mm512_loadu_si512(group->rest + k * LANES);
    const __m512 scale = _mm512_loadu_ps(group->scale + k * LANES);
    const __m512 bias = _mm512_loadu_ps(group->bias + k * LANES);
    __m512i column[6][4];

    PSR_UNROLL(6)
    for (int p = 0; p < 6; p++) {
        __m512i m[6];
        PSR_UNROLL(6)
        for (int r = 0; r < 6; r++)
            m[r] = _mm512_loadu_si512(products + (size_t)(6 * r + p) * plane + k * LANES);
        outputs_of_line(m, column[p]);
    }
    PSR_UNROLL(4)
    for (int r = 0; r < 4; r++) {
        const __m512i line[6] = {column[0][r], column[1][r], column[2][r],
                                 column[3][r], column[4][r], column[5][r]};
        __m512i sum[4];
        outputs_of_line(line, sum);
        PSR_UNROLL(4)
        for (int j = 0; j < 4; j++) {
            const __m512 exact = _mm512_cvtepi32_ps(add32(divide_by_576(sum[j]), rest));
            value[4 * r + j] = _mm512_fmadd_ps(exact, scale, bias);
        }
    }
}

/* `after` is a constant; unless it is PSR_ANYTHING, the tile has all its pixels and rows. */
static inline __attribute__((always_inline)) void
finish_tile(const struct psr_conv *c, const struct group *group, const int32_t *products,
            uint32_t x, uint32_t k, const enum psr_after after)
{
    const bool is_whole = after != PSR_ANYTHING;
    const uint32_t n_px = is_whole || c->n_px - x > 4 ? 4 : c->n_px - x;
    const uint32_t n_rows = is_whole ? 4 : c->n_rows;
    const bool silu = is_whole ? after == PSR_MIDDLE : c->activation == PSR_SILU;
    const bool narrow = is_whole ? after == PSR_MIDDLE : c->narrow_out;
    const uint32_t channel = group->first + k * LANES;
    const size_t at = (size_t)x * c->out_px + channel;
    __m512 value[16], inverse_scale = _mm512_setzero_ps();
    __m512i zero = _mm512_setzero_si512();

    values_of(group, products, k, value);
    if (silu)
        psr_avx512_silu_of_all(value, 16);
    if (narrow || c->row[0].codes) {
        inverse_scale = _mm512_loadu_ps(c->out_coding.inverse_scale + channel);
        zero = psr_avx512_zero_codes(&c->out_coding, channel);
        zero = _mm512_packs_epi32(zero, zero);
    }
    PSR_UNROLL(4)
    for (uint32_t r = 0; r < 4; r++) {
        const struct psr_conv_row row = c->row[r];
        if (r >= n_rows)
            break;
        if (after != PSR_MIDDLE)
            psr_avx512_add_quad(&row, value + 4 * r, at, c->out_px, n_px, after);
        if (!narrow)
            psr_avx512_store_quad((float *)row.out + at, c->out_px, value + 4 * r, n_px);
        uint8_t *const codes = narrow ? row.out : row.codes;
        if (codes)
            psr_avx512_store_codes(codes + at, c->out_px,
                                   psr_avx512_codes_of(value + 4 * r, inverse_scale, zero), n_px);
    }
}

/* The residuals of the tile at x, into L1: what was fetched ahead is in L2 by now at best. */
static void fetch_residuals(const struct psr_conv *c, const struct group *group, uint32_t x)
{
    for (uint32_t r = 0; r < c->n_rows && c->row[0].residual; r++) {
        for (uint32_t j = 0; j < 4; j++) {
            const float *from = c->row[r].residual + (x + j) * c->out_px + group->first;
            for (uint32_t k = 0; k < group->v; k++)
                __builtin_prefetch(from + k * LANES, 0, 3);
        }
    }
}

static void finish(const struct psr_conv *c, const struct group *group, const int32_t *products,
                   uint32_t x, uint32_t tiles)
{
    const enum psr_after wanted = psr_avx512_after(c, 4);
    for (uint32_t t = 0; t < tiles; t++, x += 4, products += GROUP) {
        const enum psr_after after = c->n_px - x < 4 ? PSR_ANYTHING : wanted;
        fetch_residuals(c, group, x + 2 * 4);
        for (uint32_t k = 0; k < group->v; k++) {
            if (after == PSR_MIDDLE)
                finish_tile(c, group, products, x, k, PSR_MIDDLE);
            else if (after == PSR_TRUNK)
                finish_tile(c, group, products, x, k, PSR_TRUNK);
            else
                finish_tile(c, group, products, x, k, PSR_ANYTHING);
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
                .rest = (const int32_t *)packed + v * LANES,
                .scale = (const float *)packed + 2 * v * LANES,
                .bias = (const float *)packed + 3 * v * LANES,
                .weights = (const int16_t *)packed + 4 * 2 * v * LANES,
                .first = first,
                .v = v,
            };
            products_of(inputs, &group, c->c_in, n, products);
            finish(c, &group, products, 4 * t, n);
            packed =
                (const unsigned char *)(group.weights + (size_t)POSITIONS * c->c_in * v * LANES);
        }
    }
}

/* ------------------------------------------------------------------------------- the packing -- */

static size_t packed_bytes(uint32_t c_in, uint32_t c_out)
{
    return (size_t)psr_padded_channels(c_out) *
           (POSITIONS * (size_t)c_in * sizeof(int16_t) + 2 * sizeof(int32_t) + 2 * sizeof(float));
}

static int32_t transformed_code(const int32_t code[9], uint32_t position)
{
    static const int8_t line[6][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4},
                                      {1, 2, 4}, {1, -2, 4},   {0, 0, 12}};
    int32_t sum = 0;
    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++)
            sum += line[position / 6][dy] * line[position % 6][dx] * code[dy * 3 + dx];
    }
    return sum;
}

/* Output channel o, the k-th of a group of `width`, whose start values are at `start`. */
static void pack_channel(const struct psr_weights *weights, uint32_t o, uint32_t k, uint32_t width,
                         int32_t *start)
{
    const uint32_t c_in = weights->c_in;
    int32_t *const rest = start + width;
    float *const scale = (float *)(rest + width), *const bias = scale + width;
    int16_t *const transformed = (int16_t *)(bias + width);
    int32_t of_zeros = 0, of_128 = 0;

    scale[k] = psr_weight_scale_int8(weights, o);
    bias[k] = weights->bias[o];
    for (uint32_t i = 0; i < c_in; i++) {
        int32_t code[9];
        for (uint32_t tap = 0; tap < 9; tap++) {
            code[tap] = psr_weight_code_int8(weights, o, i, tap, scale[k]);
            of_zeros -= code[tap] * weights->coding.zero[i];
            of_128 -= code[tap] * 128;
        }
        for (uint32_t position = 0; position < POSITIONS; position++)
            transformed[((size_t)position * (c_in / 2) + i / 2) * 2 * width + 2 * k + i % 2] =
                (int16_t)transformed_code(code, position);
    }
    const int32_t within = c_in <= 112 ? of_zeros : of_128;
    start[k] = (int32_t)(576 * (uint32_t)within);
    rest[k] = of_zeros - within;
}

static void pack(const struct psr_weights *weights, void *packed)
{
    const uint32_t padded = psr_padded_channels(weights->c_out);
    unsigned char *to = packed;
    for (uint32_t first = 0; first < padded; first += GROUP) {
        const uint32_t width = padded - first < GROUP ? padded - first : GROUP;
        for (uint32_t k = 0; k < width && first + k < weights->c_out; k++)
            pack_channel(weights, first + k, k, width, (int32_t *)(void *)to);
        to += packed_bytes(weights->c_in, width);
    }
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
    .speed = 600,
    .tile_px = 1,
    .tile_rows = 4,
    .narrow_bytes = sizeof(uint8_t),
    .narrow = psr_avx512_narrow_int8,
    .codes_rows = true,
    .head = &psr_kernels_avx512_fp32,
    .tail = &psr_kernels_avx512_winograd,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .conv = conv_rows,
    .probe = probe,
};
