/* SPDX-License-Identifier: MIT
 *
 * Two rows of a 3x3 convolution by Winograd's minimal filtering: F(2, 3) down the columns nested in
 * F(4, 3) along the rows. A tile of 4 x 2 output pixels is computed from 6 x 4 input pixels with 24
 * products for each pair of channels where the plain sum has 72 (A. Lavin, S. Gray, "Fast
 * algorithms for convolutional neural networks", 2016). The transforms are
 *
 *     F(4, 3), points 0, 1, -1, 2, -2, infinity          F(2, 3), points 0, 1, -1, infinity
 *     inputs  4 d0 - 5 d2 + d4                           inputs  d0 - d2
 *             -4 d1 - 4 d2 + d3 + d4                             d1 + d2
 *             4 d1 - 4 d2 - d3 + d4                              d2 - d1
 *             -2 d1 - d2 + 2 d3 + d4                             d1 - d3
 *             2 d1 - d2 - 2 d3 + d4
 *             4 d1 - 5 d3 + d5
 *     outputs m0 + m1 + m2 + m3 + m4                     outputs m0 + m1 + m2
 *             m1 - m2 + 2 (m3 - m4)                              m1 - m2 - m3
 *             m1 + m2 + 4 (m3 + m4)
 *             m1 - m2 + 8 (m3 - m4) + m5
 *
 * and, for the weights, in pack.c. Between the transforms lies, for each of the 24 positions, a
 * product of matrices: tiles x input channels by input channels x output channels.
 *
 * This file is the same algorithm for every instruction set, so that sets with fused multiply-adds
 * give the same bits. The file that includes it says how one vector is handled:
 *
 *     vec, LANES                       a vector of floats; + and - work on it
 *     vec_load(p), vec_store(p, v), vec_zero(), vec_set(float)
 *     vec_multiply_add(a, b, c)        a * b + c, rounded once
 *     vec_finish(conv, row, v, at)     activation and residuals
 *     winograd_row                     an element of the rows that are read
 *     winograd_load(p)                 a vector of them as floats
 *     winograd_emit(conv, row, at, v)  stores a vector of outputs
 *     WINOGRAD_TILES                   tiles of the register tile
 *     WINOGRAD_VECTORS                 and its vectors of output channels
 *     WINOGRAD_BLOCK                   tiles that are transformed together
 *     WINOGRAD_DEPTH                   input channels that are multiplied at a time
 *     winograd_element                 what is multiplied
 *     winograd_put(p, v)               stores a vector of elements
 *     winograd_operand                 a register of elements
 *     winograd_weights(p)              loads one
 *     winograd_input(p)                fills one with a tile's DEPTH elements
 *     winograd_multiply(s, a, w)       adds their products to the sums
 */
#ifndef PSR_WINOGRAD_H
#define PSR_WINOGRAD_H

#include "src/kernels/fetch_ahead.h"
#include "src/kernels/kernels.h"

enum { WINOGRAD_CHANNELS = WINOGRAD_VECTORS * LANES };

/* The scratch of a block: the transformed inputs as [position][tile][c_in], then the products of
 * one group of output channels as [position][tile][channel]. */
static size_t winograd_inputs_bytes(uint32_t c_in)
{
    return (size_t)PSR_WINOGRAD_POSITIONS * WINOGRAD_BLOCK * c_in * sizeof(winograd_element);
}

static size_t winograd_scratch_bytes(uint32_t c_in)
{
    return winograd_inputs_bytes(c_in) +
           (size_t)PSR_WINOGRAD_POSITIONS * WINOGRAD_BLOCK * WINOGRAD_CHANNELS * sizeof(float);
}

static inline vec vec_fma(float a, vec b, vec c)
{
    return vec_multiply_add(vec_set(a), b, c);
}

/* F(2, 3) of one column of four pixels. */
static inline __attribute__((always_inline)) void winograd_column(const winograd_row *const row[4],
                                                                  size_t at, vec to[4])
{
    const vec d0 = winograd_load(row[0] + at), d1 = winograd_load(row[1] + at);
    const vec d2 = winograd_load(row[2] + at), d3 = winograd_load(row[3] + at);
    to[0] = d0 - d2;
    to[1] = d1 + d2;
    to[2] = d2 - d1;
    to[3] = d1 - d3;
}

/* One tile's inputs for one vector of channels, to the 24 planes from `to` on. */
static inline __attribute__((always_inline)) void
winograd_transform_tile(const winograd_row *const row[4], size_t px, winograd_element *to,
                        size_t plane)
{
    vec d[6][4];

    PSR_UNROLL(6)
    for (size_t j = 0; j < 6; j++)
        winograd_column(row, j * px, d[j]);
    PSR_UNROLL(4)
    for (int r = 0; r < 4; r++, to += 6 * plane) {
        const vec even = vec_fma(-4, d[2][r], d[4][r]), odd = vec_fma(-4, d[1][r], d[3][r]);
        const vec outer = d[4][r] - d[2][r], inner = d[3][r] - d[1][r];
        winograd_put(to, vec_fma(4, d[0][r], vec_fma(-5, d[2][r], d[4][r])));
        winograd_put(to + plane, even + odd);
        winograd_put(to + 2 * plane, even - odd);
        winograd_put(to + 3 * plane, vec_fma(2, inner, outer));
        winograd_put(to + 4 * plane, vec_fma(-2, inner, outer));
        winograd_put(to + 5 * plane, vec_fma(4, d[1][r], vec_fma(-5, d[3][r], d[5][r])));
    }
}

/* The inputs of `tiles` tiles from pixel x on. Tile by tile with all channels, although a tile
 * could take two columns from the one before: the rows come from a cache that is far, and are
 * fetched ahead in the order in which they lie. */
static void winograd_transform(const struct psr_conv *c, uint32_t x, uint32_t tiles,
                               winograd_element *inputs)
{
    const size_t px = c->in_px, plane = (size_t)WINOGRAD_BLOCK * c->c_in;

    for (uint32_t t = 0; t < tiles; t++) {
        psr_fetch_ahead(c, x + 4 * t, 4 * WINOGRAD_BLOCK, sizeof(winograd_row), 2);
        for (uint32_t i = 0; i < c->c_in; i += LANES) {
            const winograd_row *row[4];
            for (int r = 0; r < 4; r++)
                row[r] = (const winograd_row *)c->in[r] + (x + 4 * (size_t)t) * px + i;
            winograd_transform_tile(row, px, inputs + (size_t)t * c->c_in + i, plane);
        }
    }
}

/* The product of matrices for n tiles by v vectors of output channels, both constant. */
static inline __attribute__((always_inline)) void winograd_product(const winograd_element *input,
                                                                   const winograd_element *weights,
                                                                   uint32_t c_in, float *product,
                                                                   const int n, const int v)
{
    vec sum[WINOGRAD_TILES][WINOGRAD_VECTORS];

    PSR_UNROLL(14)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            sum[p][k] = vec_zero();
    }
    for (uint32_t i = 0; i < c_in; i += WINOGRAD_DEPTH, weights += v * LANES * WINOGRAD_DEPTH) {
        winograd_operand w[WINOGRAD_VECTORS];
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            w[k] = winograd_weights(weights + k * LANES * WINOGRAD_DEPTH);
        PSR_UNROLL(14)
        for (int p = 0; p < n; p++) {
            const winograd_operand a = winograd_input(input + (size_t)p * c_in + i);
            PSR_UNROLL(2)
            for (int k = 0; k < v; k++)
                sum[p][k] = winograd_multiply(sum[p][k], a, w[k]);
        }
    }
    PSR_UNROLL(14)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < v; k++)
            vec_store(product + p * WINOGRAD_CHANNELS + k * LANES, sum[p][k]);
    }
}

#define WINOGRAD_CASE(N, V)                                                                        \
    case N + (V - 1) * 16:                                                                         \
        winograd_product(input, weights, c_in, product, N, V);                                     \
        break;
#define WINOGRAD_CASES(N) WINOGRAD_CASE(N, 1) WINOGRAD_CASE(N, 2)

static void winograd_product_of(const winograd_element *input, const winograd_element *weights,
                                uint32_t c_in, float *product, uint32_t n, uint32_t v)
{
    switch (n + (v - 1) * 16) {
        WINOGRAD_CASES(1)
        WINOGRAD_CASES(2)
        WINOGRAD_CASES(3)
        WINOGRAD_CASES(4)
        WINOGRAD_CASES(5)
        WINOGRAD_CASES(6)
#if WINOGRAD_TILES > 6
        WINOGRAD_CASES(7)
        WINOGRAD_CASES(8)
#endif
#if WINOGRAD_TILES > 8
        WINOGRAD_CASES(9)
        WINOGRAD_CASES(10)
        WINOGRAD_CASES(11)
        WINOGRAD_CASES(12)
        WINOGRAD_CASES(13)
        WINOGRAD_CASES(14)
#endif
    }
}

/* All positions of a block for one group of v vectors of output channels. Few tiles at a time wait
 * for their own sums, so the register tiles are dealt out in even shares. */
static void winograd_products(const winograd_element *inputs, const winograd_element *weights,
                              uint32_t c_in, uint32_t tiles, uint32_t v, float *products)
{
    const uint32_t parts = (tiles + WINOGRAD_TILES - 1) / WINOGRAD_TILES;
    for (uint32_t position = 0; position < PSR_WINOGRAD_POSITIONS; position++) {
        for (uint32_t part = 0; part < parts; part++) {
            const uint32_t t = tiles * part / parts, n = tiles * (part + 1) / parts - t;
            winograd_product_of(inputs + (size_t)t * c_in, weights, c_in,
                                products + (size_t)t * WINOGRAD_CHANNELS, n, v);
        }
        inputs += (size_t)WINOGRAD_BLOCK * c_in;
        weights += (size_t)c_in * v * LANES;
        products += (size_t)WINOGRAD_BLOCK * WINOGRAD_CHANNELS;
    }
}

/* One tile's outputs for one vector of channels, before bias: [row][pixel]. */
static inline __attribute__((always_inline)) void winograd_outputs(const float *products,
                                                                   vec out[2][4])
{
    const size_t plane = (size_t)WINOGRAD_BLOCK * WINOGRAD_CHANNELS;
    vec m[2][6];

    PSR_UNROLL(6)
    for (int i = 0; i < 6; i++, products += plane) {
        const vec m0 = vec_load(products), m1 = vec_load(products + 6 * plane);
        const vec m2 = vec_load(products + 12 * plane), m3 = vec_load(products + 18 * plane);
        m[0][i] = m0 + (m1 + m2);
        m[1][i] = (m1 - m2) - m3;
    }
    PSR_UNROLL(2)
    for (int r = 0; r < 2; r++) {
        const vec sum1 = m[r][1] + m[r][2], difference1 = m[r][1] - m[r][2];
        const vec sum2 = m[r][3] + m[r][4], difference2 = m[r][3] - m[r][4];
        out[r][0] = m[r][0] + (sum1 + sum2);
        out[r][1] = vec_fma(2, difference2, difference1);
        out[r][2] = vec_fma(4, sum2, sum1);
        out[r][3] = vec_fma(8, difference2, difference1) + m[r][5];
    }
}

/* Writes a tile's outputs for one vector of channels; `at` is the place of the first. Most often
 * both counts are constant. The rows are copies: what is written might be their originals, for all
 * that a compiler knows, and would be read anew each time. */
static inline __attribute__((always_inline)) void
winograd_write(const struct psr_conv *c, const struct psr_conv_row rows[2], size_t at, vec start,
               vec out[2][4], const uint32_t n_rows, const uint32_t n_px)
{
    PSR_UNROLL(2)
    for (uint32_t r = 0; r < 2; r++) {
        PSR_UNROLL(4)
        for (uint32_t j = 0; j < 4; j++) {
            if (r >= n_rows || j >= n_px)
                continue;
            const size_t here = at + j * c->out_px;
            winograd_emit(c, &rows[r], here, vec_finish(c, &rows[r], out[r][j] + start, here));
        }
    }
}

/* Turns a block's products into output pixels, from pixel x and channel `first` on. */
static void winograd_finish(const struct psr_conv *c, const float *products, const float *bias,
                            uint32_t x, uint32_t first, uint32_t tiles, uint32_t v)
{
    const struct psr_conv_row rows[2] = {c->row[0], c->row[1]};
    for (uint32_t t = 0; t < tiles; t++, x += 4) {
        const uint32_t n_px = c->n_px - x < 4 ? c->n_px - x : 4;
        for (uint32_t k = 0; k < v; k++) {
            const vec start = vec_load(bias + k * LANES);
            vec out[2][4];
            winograd_outputs(products + t * WINOGRAD_CHANNELS + k * LANES, out);
            const size_t at = (size_t)x * c->out_px + first + (size_t)k * LANES;
            if (c->n_rows == 2 && n_px == 4)
                winograd_write(c, rows, at, start, out, 2, 4);
            else
                winograd_write(c, rows, at, start, out, c->n_rows, n_px);
        }
    }
}

static void winograd_conv(const struct psr_conv *c)
{
    const uint32_t tiles = (c->n_px + 3) / 4;
    const uint32_t blocks = (tiles + WINOGRAD_BLOCK - 1) / WINOGRAD_BLOCK;
    winograd_element *const inputs = c->scratch;
    float *const products = (float *)((unsigned char *)c->scratch + winograd_inputs_bytes(c->c_in));

    for (uint32_t b = 0; b < blocks; b++) {
        const uint32_t t = (uint32_t)((uint64_t)tiles * b / blocks);
        const uint32_t n = (uint32_t)((uint64_t)tiles * (b + 1) / blocks) - t;
        const unsigned char *group = c->packed;
        winograd_transform(c, 4 * t, n, inputs);
        for (uint32_t first = 0; first < c->c_out; first += WINOGRAD_CHANNELS) {
            const uint32_t left = (c->c_out - first) / LANES;
            const uint32_t v = left < WINOGRAD_VECTORS ? left : WINOGRAD_VECTORS;
            const float *bias = (const float *)group;
            const winograd_element *weights = (const winograd_element *)(bias + v * LANES);
            winograd_products(inputs, weights, c->c_in, n, v, products);
            winograd_finish(c, products, bias, 4 * t, first, n, v);
            group = (const unsigned char *)(weights +
                                            (size_t)PSR_WINOGRAD_POSITIONS * c->c_in * v * LANES);
        }
    }
}

#endif
