/* SPDX-License-Identifier: MIT
 *
 * Blocks of tiles are transformed, multiplied at each point by the kernel's spectrum, tiles by
 * channels, and transformed back.
 */
#include "winograd.h"

#include "product.h"
#include "spectrum.h"

enum { TAPS = 9 };

/* Tiles whose spectra stay in the second cache, and numbers between two points' matrices, so that
 * the points do not meet in the same sets of the first. */
enum { BLOCK = VEC_BYTES == 64 ? 36 : 24, GAP = 16 };

INLINE void use_vector(const struct winograd *w, enum winograd_use use, size_t at, vec value)
{
    const size_t ahead = at + TILE * w->c_out;
    __builtin_prefetch(w->out + ahead);
    if (use != WINOGRAD_ADD)
        __builtin_prefetch(w->slope + ahead);
    else if (w->add)
        __builtin_prefetch(w->add + ahead);
    if (use == WINOGRAD_SILU) {
        const vec s = vec_sigmoid(value), rest = value - value * s;
        vec_store(w->slope + at, s * (1.0f + rest));
        value *= s;
    } else if (use == WINOGRAD_BACK_SILU) {
        value *= vec_load(w->slope + at);
    } else {
        if (w->add)
            value += vec_load(w->add + at);
        if (w->skip)
            value += vec_load(w->skip + at);
    }
    vec_store(w->out + at, value);
}

INLINE void output_tile(const struct winograd *w, enum winograd_use use, const float *from,
                        size_t step, size_t at, vec bias)
{
    vec t[TILE][SPAN];
    UNROLLED
    for (int x = 0; x < SPAN; x++) {
        vec m[SPAN], c[TILE];
        UNROLLED
        for (int y = 0; y < SPAN; y++)
            m[y] = vec_load(from + (y * SPAN + x) * step);
        from_spectrum(m, c);
        UNROLLED
        for (int y = 0; y < TILE; y++)
            t[y][x] = c[y];
    }
    const size_t row = (size_t)(w->side + 2) * w->c_out;
    UNROLLED
    for (int y = 0; y < TILE; y++, at += row) {
        vec c[TILE];
        from_spectrum(t[y], c);
        UNROLLED
        for (int x = 0; x < TILE; x++)
            use_vector(w, use, at + (size_t)x * w->c_out, c[x] + bias);
    }
}

/* c = a times b, which the next point's follows. */
static void multiply_by_kernel(uint32_t rows, uint32_t columns, uint32_t n_k, const float *a,
                               const float *b, float *c)
{
    const size_t n = (size_t)n_k * columns;
    multiply(&(struct product){rows, columns, n_k, a, n_k, 1, b, c, 0, b + n, n});
}

/* c, which the next point's follows, += a' [rows][n_k] times b. */
static void multiply_transposed(uint32_t rows, uint32_t columns, uint32_t n_k, const float *a,
                                const float *b, float *c)
{
    const size_t n = (size_t)rows * columns;
    multiply(&(struct product){rows, columns, n_k, a, 1, rows, b, c, 1, c + n, n});
}

static size_t point_step(uint32_t channels)
{
    return (size_t)BLOCK * channels + GAP;
}

size_t winograd_room(uint32_t channels)
{
    return 2 * WINOGRAD_POINTS * point_step(channels);
}

/* Index of the first number of a tile's 6 x 6 pixels. */
static size_t tile_place(uint32_t side, uint32_t tile, uint32_t channels)
{
    const uint32_t in_row = side / TILE;
    return ((size_t)(tile / in_row * TILE) * (side + 2) + tile % in_row * TILE) * channels;
}

static void input_block(const float *in, uint32_t side, uint32_t channels, uint32_t first,
                        uint32_t count, float *to, size_t step)
{
    const size_t row = (size_t)(side + 2) * channels;
    for (uint32_t tile = first; tile < first + count; tile++) {
        const float *from = in + tile_place(side, tile, channels);
        for (uint32_t c = 0; c < channels; c += LANES, to += LANES)
            input_tile(from + c, channels, row, to, step);
    }
}

static void gradient_block(const float *gradient, uint32_t side, uint32_t channels, uint32_t first,
                           uint32_t count, float *to)
{
    const size_t step = point_step(channels), row = (size_t)(side + 2) * channels;
    for (uint32_t tile = first; tile < first + count; tile++) {
        const float *from = gradient + tile_place(side, tile, channels) + row + channels;
        for (uint32_t c = 0; c < channels; c += LANES, to += LANES)
            gradient_tile(from + c, channels, row, to, step);
    }
}

INLINE void output_block(const struct winograd *w, enum winograd_use use, uint32_t first,
                         uint32_t count, const float *from, size_t step)
{
    const size_t row = (size_t)(w->side + 2) * w->c_out;
    for (uint32_t tile = first; tile < first + count; tile++) {
        const size_t at = tile_place(w->side, tile, w->c_out) + row + w->c_out;
        for (uint32_t c = 0; c < w->c_out; c += LANES, from += LANES)
            output_tile(w, use, from, step, at + c, w->bias ? vec_load(w->bias + c) : vec_of(0));
    }
}

static uint32_t tiles_of(uint32_t side)
{
    return side / TILE * (side / TILE);
}

static uint32_t block_at(uint32_t side, uint32_t tile)
{
    const uint32_t left = tiles_of(side) - tile;
    return left < BLOCK ? left : BLOCK;
}

void winograd_run(const struct winograd *w, float *room)
{
    const size_t step = point_step(w->c_in > w->c_out ? w->c_in : w->c_out);
    /* A point's sums lie where the inputs of the one before are not needed any more. */
    float *sums = room, *inputs = room + step;
    for (uint32_t tile = 0, count; tile < tiles_of(w->side); tile += count) {
        count = block_at(w->side, tile);
        input_block(w->in, w->side, w->c_in, tile, count, inputs, step);
        for (uint32_t point = 0; point < WINOGRAD_POINTS; point++)
            multiply_by_kernel(count, w->c_out, w->c_in, inputs + point * step,
                               w->kernel + (size_t)point * w->c_in * w->c_out, sums + point * step);
        switch (w->use) {
        case WINOGRAD_ADD:
            output_block(w, WINOGRAD_ADD, tile, count, sums, step);
            break;
        case WINOGRAD_SILU:
            output_block(w, WINOGRAD_SILU, tile, count, sums, step);
            break;
        case WINOGRAD_BACK_SILU:
            output_block(w, WINOGRAD_BACK_SILU, tile, count, sums, step);
            break;
        }
    }
}

void winograd_gradient(const float *in, uint32_t c_in, const float *out_gradient, uint32_t c_out,
                       uint32_t side, float *spectrum, float *bias, float *room)
{
    /* At the points 1 and 1 a gradient's spectrum is the sum over its tile. */
    enum { SUM_POINT = SPAN + 1 };
    const size_t in_step = point_step(c_in), out_step = point_step(c_out);
    float *inputs = room, *gradients = room + WINOGRAD_POINTS * in_step;
    for (uint32_t tile = 0, count; tile < tiles_of(side); tile += count) {
        count = block_at(side, tile);
        input_block(in, side, c_in, tile, count, inputs, in_step);
        gradient_block(out_gradient, side, c_out, tile, count, gradients);
        for (uint32_t point = 0; point < WINOGRAD_POINTS; point++)
            multiply_transposed(c_in, c_out, count, inputs + point * in_step,
                                gradients + point * out_step,
                                spectrum + (size_t)point * c_in * c_out);
        const float *sums = gradients + SUM_POINT * out_step;
        for (uint32_t c = 0; c < c_out; c += LANES) {
            vec sum = vec_load(bias + c);
            for (uint32_t t = 0; t < count; t++)
                sum += vec_load(sums + t * c_out + c);
            vec_store(bias + c, sum);
        }
    }
}

void winograd_pack(const float *weights, uint32_t c_out, uint32_t c_in, uint32_t c_out_padded,
                   uint32_t c_in_padded, int turned, float *spectrum)
{
    const size_t o_step = turned ? TAPS : (size_t)c_in * TAPS,
                 i_step = turned ? (size_t)c_out * TAPS : TAPS;
    const size_t point_numbers = (size_t)c_in_padded * c_out_padded;
    for (uint32_t i = 0; i < c_in_padded; i++)
        for (uint32_t o = 0; o < c_out_padded; o += LANES) {
            float taps[TAPS][LANES] = {0};
            for (uint32_t lane = 0; lane < LANES && o + lane < c_out && i < c_in; lane++) {
                const float *from = weights + (o + lane) * o_step + i * i_step;
                for (int tap = 0; tap < TAPS; tap++)
                    taps[turned ? TAPS - 1 - tap : tap][lane] = from[tap];
            }
            vec t[SPAN][3];
            for (int x = 0; x < 3; x++) {
                const vec g[3] = {vec_load(taps[x]), vec_load(taps[3 + x]), vec_load(taps[6 + x])};
                vec c[SPAN];
                kernel_to_spectrum(g, c);
                for (int y = 0; y < SPAN; y++)
                    t[y][x] = c[y];
            }
            float *to = spectrum + (size_t)i * c_out_padded + o;
            for (int y = 0; y < SPAN; y++) {
                vec c[SPAN];
                kernel_to_spectrum(t[y], c);
                for (int x = 0; x < SPAN; x++, to += point_numbers)
                    vec_store(to, c[x]);
            }
        }
}

void winograd_unpack(const float *spectrum, uint32_t c_out, uint32_t c_in, uint32_t c_out_padded,
                     uint32_t c_in_padded, float *gradient)
{
    const size_t point_numbers = (size_t)c_in_padded * c_out_padded;
    for (uint32_t i = 0; i < c_in; i++)
        for (uint32_t o = 0; o < c_out; o += LANES) {
            const float *from = spectrum + (size_t)i * c_out_padded + o;
            vec t[3][SPAN];
            for (int x = 0; x < SPAN; x++) {
                vec m[SPAN], c[3];
                for (int y = 0; y < SPAN; y++)
                    m[y] = vec_load(from + (size_t)(y * SPAN + x) * point_numbers);
                gradient_from_spectrum(m, c);
                for (int y = 0; y < 3; y++)
                    t[y][x] = c[y];
            }
            float taps[TAPS][LANES];
            for (int y = 0; y < 3; y++) {
                vec c[3];
                gradient_from_spectrum(t[y], c);
                for (int x = 0; x < 3; x++)
                    vec_store(taps[3 * y + x], c[x]);
            }
            for (uint32_t lane = 0; lane < LANES && o + lane < c_out; lane++)
                for (int tap = 0; tap < TAPS; tap++)
                    gradient[((size_t)(o + lane) * c_in + i) * TAPS + tap] += taps[tap][lane];
        }
}
