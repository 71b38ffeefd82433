/* SPDX-License-Identifier: MIT
 *
 * F(4x4, 3x3) at the points 0, 1, -1, 2, -2 and infinity, as in Lavin and Gray, "Fast Algorithms
 * for Convolutional Neural Networks", 2015: with its matrices A, B and G the outputs of a tile are
 * A' ((G g G') * (B' d B)) A. The kernel's gradient is the transposed of that:
 * G' (sum over tiles of (B' d B) * (A y A')) G. The products at each of 36 points are those of
 * matrices, tiles by channels.
 */
#include "winograd.h"

#include <string.h>

#if defined(__AVX512F__)
#define VEC_BYTES 64
#elif defined(__AVX2__)
#define VEC_BYTES 32
#else
#define VEC_BYTES 16
#endif
#include "vec.h"

enum { TILE = 4, SPAN = 6, TAPS = 9 };

/* Tiles whose spectra stay in the second cache, and numbers between two points' matrices, so that
 * the points do not meet in the same sets of the first. */
enum { BLOCK = VEC_BYTES == 64 ? 36 : 24, GAP = 16 };

/* The registers hold the sums of so many rows of VECS vectors. */
enum { MOST_ROWS = VEC_BYTES == 64 ? 12 : 6, VECS = 2 };

INLINE void to_spectrum(const vec d[SPAN], vec t[SPAN])
{
    const vec a = d[4] - 4.0f * d[2], b = d[3] - 4.0f * d[1];
    const vec p = d[4] - d[2], q = d[3] - d[1];
    t[0] = 4.0f * d[0] + (d[4] - 5.0f * d[2]);
    t[1] = a + b;
    t[2] = a - b;
    t[3] = p + 2.0f * q;
    t[4] = p - 2.0f * q;
    t[5] = 4.0f * d[1] + (d[5] - 5.0f * d[3]);
}

INLINE void from_spectrum(const vec m[SPAN], vec y[TILE])
{
    const vec s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = d1 + 2.0f * d2;
    y[2] = s1 + 4.0f * s2;
    y[3] = d1 + 8.0f * d2 + m[5];
}

/* The transposed of from_spectrum(). */
INLINE void gradient_to_spectrum(const vec y[TILE], vec m[SPAN])
{
    const vec s1 = y[0] + y[2], d1 = y[1] + y[3];
    const vec s2 = y[0] + 4.0f * y[2], d2 = y[1] + 4.0f * y[3];
    m[0] = y[0];
    m[1] = s1 + d1;
    m[2] = s1 - d1;
    m[3] = s2 + 2.0f * d2;
    m[4] = s2 - 2.0f * d2;
    m[5] = y[3];
}

INLINE void kernel_to_spectrum(const vec g[3], vec t[SPAN])
{
    const vec s = g[0] + g[2], p = g[0] + 4.0f * g[2], q = 2.0f * g[1];
    t[0] = 0.25f * g[0];
    t[1] = (-1.0f / 6) * (s + g[1]);
    t[2] = (-1.0f / 6) * (s - g[1]);
    t[3] = (1.0f / 24) * (p + q);
    t[4] = (1.0f / 24) * (p - q);
    t[5] = g[2];
}

/* The transposed of kernel_to_spectrum(). */
INLINE void gradient_from_spectrum(const vec t[SPAN], vec g[3])
{
    const vec s1 = (-1.0f / 6) * (t[1] + t[2]), d1 = (-1.0f / 6) * (t[1] - t[2]);
    const vec s2 = (1.0f / 24) * (t[3] + t[4]), d2 = (1.0f / 12) * (t[3] - t[4]);
    g[0] = 0.25f * t[0] + s1 + s2;
    g[1] = d1 + d2;
    g[2] = s1 + 4.0f * s2 + t[5];
}

/* A tile's functions bring the next one's pixels to the first cache: the processor does not foresee
 * steps of a whole pixel.
 *
 * Six by six pixels of LANES channels; `step` numbers between points. */
INLINE void input_tile(const float *from, size_t pixel, size_t row, float *to, size_t step)
{
    vec t[SPAN][SPAN];
    UNROLLED
    for (int x = 0; x < SPAN; x++) {
        vec d[SPAN], c[SPAN];
        UNROLLED
        for (int y = 0; y < SPAN; y++)
            d[y] = vec_load(from + y * row + x * pixel);
        UNROLLED
        for (int y = 0; y < SPAN && x >= SPAN - TILE; y++)
            __builtin_prefetch(from + y * row + (x + TILE) * pixel);
        to_spectrum(d, c);
        UNROLLED
        for (int y = 0; y < SPAN; y++)
            t[y][x] = c[y];
    }
    UNROLLED
    for (int y = 0; y < SPAN; y++) {
        vec c[SPAN];
        to_spectrum(t[y], c);
        UNROLLED
        for (int x = 0; x < SPAN; x++, to += step)
            vec_store(to, c[x]);
    }
}

/* Four by four pixels. */
INLINE void gradient_tile(const float *from, size_t pixel, size_t row, float *to, size_t step)
{
    vec t[SPAN][TILE];
    UNROLLED
    for (int x = 0; x < TILE; x++) {
        vec d[TILE], c[SPAN];
        UNROLLED
        for (int y = 0; y < TILE; y++)
            d[y] = vec_load(from + y * row + x * pixel);
        UNROLLED
        for (int y = 0; y < TILE; y++)
            __builtin_prefetch(from + y * row + (x + TILE) * pixel);
        gradient_to_spectrum(d, c);
        UNROLLED
        for (int y = 0; y < SPAN; y++)
            t[y][x] = c[y];
    }
    UNROLLED
    for (int y = 0; y < SPAN; y++) {
        vec c[SPAN];
        gradient_to_spectrum(t[y], c);
        UNROLLED
        for (int x = 0; x < SPAN; x++, to += step)
            vec_store(to, c[x]);
    }
}

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

/* c [rows][columns] (+)= a [rows][n_k] times b [n_k][columns]; rows: a multiple of 4. a_row and a_k
 * are the numbers between a's rows and along them. Meanwhile the numbers `next`, as many as b or c
 * has, are brought to the second cache. */
struct product {
    uint32_t rows, columns, n_k;
    const float *a;
    size_t a_row, a_k;
    const float *b;
    float *c;
    int add;
    const float *next;
    size_t n_next;
};

INLINE void multiply_tile(const struct product *p, uint32_t rows, uint32_t vecs, const float *a,
                          const float *b, float *c, const float *next, size_t next_step)
{
    const size_t a_row = p->a_row, a_k = p->a_k, columns = p->columns;
    vec sums[MOST_ROWS][VECS];
    UNROLLED
    for (uint32_t r = 0; r < rows; r++)
        UNROLLED
    for (uint32_t v = 0; v < vecs; v++)
        sums[r][v] = p->add ? vec_load(c + r * columns + v * LANES) : vec_of(0);
    /* Pointers to every third row, and a row's length and its double, fit into registers. */
    const float *a3[MOST_ROWS / 3];
    UNROLLED
    for (uint32_t r = 0; r < rows; r += 3)
        a3[r / 3] = a + r * a_row;
    for (uint32_t k = p->n_k; k > 0; k--) {
        vec right[VECS];
        UNROLLED
        for (uint32_t v = 0; v < vecs; v++)
            right[v] = vec_load(b + v * LANES);
        UNROLLED
        for (uint32_t r = 0; r < rows; r++) {
            const vec left = vec_of(a3[r / 3][r % 3 * a_row]);
            UNROLLED
            for (uint32_t v = 0; v < vecs; v++)
                sums[r][v] += left * right[v];
        }
        __builtin_prefetch(next, 0, 2);
        next += next_step;
        UNROLLED
        for (uint32_t r = 0; r < rows; r += 3)
            a3[r / 3] += a_k;
        b += columns;
    }
    UNROLLED
    for (uint32_t r = 0; r < rows; r++)
        UNROLLED
    for (uint32_t v = 0; v < vecs; v++)
        vec_store(c + r * columns + v * LANES, sums[r][v]);
}

/* All rows of `vecs` vectors of columns; where what is to be brought goes on. */
INLINE const float *multiply_panel(const struct product *p, uint32_t vecs, uint32_t column,
                                   const float *next, size_t next_step)
{
    const float *a = p->a, *b = p->b + column;
    float *c = p->c + column;
    for (uint32_t left = p->rows, now; left; left -= now) {
        /* 16 as 8 + 8 rather than 12 + 4, and 8 as 4 + 4. */
        if (left >= MOST_ROWS && left != MOST_ROWS / 3 * 4) {
            now = MOST_ROWS;
            multiply_tile(p, MOST_ROWS, vecs, a, b, c, next, next_step);
        } else if (MOST_ROWS > 8 && left >= 8) {
            now = 8;
            multiply_tile(p, 8, vecs, a, b, c, next, next_step);
        } else {
            now = 4;
            multiply_tile(p, 4, vecs, a, b, c, next, next_step);
        }
        a += now * p->a_row;
        c += now * p->columns;
        next += p->n_k * next_step;
    }
    return next;
}

INLINE void multiply(const struct product *p)
{
    const uint32_t panel = VECS * LANES, panels = (p->columns + panel - 1) / panel,
                   tiles = (p->rows + MOST_ROWS - 1) / MOST_ROWS;
    const size_t turns = (size_t)panels * tiles * p->n_k,
                 next_step = (p->n_next + turns - 1) / turns;
    const float *next = p->next;
    uint32_t column = 0;
    for (; column + panel <= p->columns; column += panel)
        next = multiply_panel(p, VECS, column, next, next_step);
    for (; column < p->columns; column += LANES)
        next = multiply_panel(p, 1, column, next, next_step);
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
