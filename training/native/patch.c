/* SPDX-License-Identifier: MIT */
#include "patch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conv.h"
#include "tile.h"

/* Rec. 601's luma of full-range R, G, B in 0..1, as picture_quality.py has it. */
static const float Y_WEIGHTS[COLOURS] = {65.481f / 255, 128.553f / 255, 24.966f / 255};
static const float MSE_FACTOR = 20; /* as in device_step.py */

struct workspace {
    struct shape shape;
    uint16_t *input;                                         /* [places][HEAD_IN], of 0 ... 255 */
    uint16_t *in[2 * MOST_BLOCKS + 1], *before[MOST_BLOCKS]; /* inputs of body and tail; of SiLU */
    uint16_t *in_low[2]; /* what rounding lost of the last two inputs */
    uint16_t *out_gradient, *gradient[2], *columns, *even_pairs, *odd_pairs;
    float *trunk, *skip, *made;
    uint8_t *wanted; /* [side * side][3 scale^2] */
    void *blocks[2 * MOST_BLOCKS + MOST_BLOCKS + 16];
    uint32_t n_blocks;
    int failed;
};

uint32_t shape_tail_sums(const struct shape *shape)
{
    return (COLOURS * shape->scale * shape->scale + 15) / 16 * 16;
}

uint32_t shape_tail_inputs(const struct shape *shape)
{
    return (COLOURS * shape->scale * shape->scale + 31) / 32 * 32;
}

/* Zeroed: the planes' borders stay so. */
static void *take(struct workspace *w, size_t bytes)
{
    void *block = aligned_alloc(64, (bytes + 4096) / 64 * 64);
    if (!block) {
        w->failed = 1;
        return NULL;
    }
    memset(block, 0, (bytes + 4096) / 64 * 64);
    w->blocks[w->n_blocks++] = block;
    return block;
}

struct workspace *workspace_new(const struct shape *shape)
{
    struct workspace *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->shape = *shape;
    const uint32_t tail = shape_tail_inputs(shape);
    const uint32_t widest = tail > shape->channels ? tail : shape->channels;
    const size_t places = (size_t)(shape->side + 2) * (shape->side + 2),
                 plane = places * shape->channels;
    w->input = take(w, places * HEAD_IN * 2);
    for (uint32_t i = 0; i < 2 * shape->blocks + 1; i++)
        w->in[i] = take(w, plane * 2);
    for (uint32_t i = 0; i < shape->blocks; i++)
        w->before[i] = take(w, plane * 2);
    for (int i = 0; i < 2; i++) {
        w->in_low[i] = take(w, plane * 2);
        w->gradient[i] = take(w, plane * 2);
    }
    w->out_gradient = take(w, places * tail * 2);
    w->columns = take(w, places * widest * 2);
    w->even_pairs = take(w, pairs_size(shape->side, widest) * 2);
    w->odd_pairs = take(w, pairs_size(shape->side, widest) * 2);
    w->trunk = take(w, plane * 4);
    w->skip = take(w, plane * 4);
    w->made = take(w, places * shape_tail_sums(shape) * 4);
    w->wanted = take(w, (size_t)shape->side * shape->side * COLOURS * shape->scale * shape->scale);
    if (w->failed) {
        workspace_free(w);
        return NULL;
    }
    return w;
}

void workspace_free(struct workspace *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->n_blocks; i++)
        free(w->blocks[i]);
    free(w);
}

static const uint8_t *source_of(const uint8_t *from, int64_t start, int64_t row, int64_t symmetry,
                                uint32_t side, uint32_t i, uint32_t j)
{
    const uint32_t first = symmetry & 1 ? side - 1 - i : i,
                   second = symmetry & 2 ? side - 1 - j : j;
    const uint32_t y = symmetry & 4 ? second : first, x = symmetry & 4 ? first : second;
    return from + (size_t)(start + y * row + x) * COLOURS;
}

static void fetch(struct workspace *w, const struct pixels *pixels)
{
    /* Whole numbers up to 255 are exact in bf16. */
    const uint32_t side = w->shape.side, scale = w->shape.scale, area = scale * scale;
    for (uint32_t i = 0; i < side; i++)
        for (uint32_t j = 0; j < side; j++) {
            const uint8_t *from = source_of(pixels->low, pixels->choice[0], pixels->choice[1],
                                            pixels->choice[4], side, i, j);
            uint16_t *to = w->input + ((size_t)(i + 1) * (side + 2) + j + 1) * HEAD_IN;
            for (int c = 0; c < COLOURS; c++)
                to[c] = number_narrow(from[c]);
        }
    for (uint32_t i = 0; i < side * scale; i++)
        for (uint32_t j = 0; j < side * scale; j++) {
            const uint8_t *from = source_of(pixels->high, pixels->choice[2], pixels->choice[3],
                                            pixels->choice[4], side * scale, i, j);
            uint8_t *to = w->wanted + ((size_t)(i / scale) * side + j / scale) * COLOURS * area +
                          i % scale * scale + j % scale;
            for (uint32_t c = 0; c < COLOURS; c++)
                to[c * area] = from[c];
        }
}

static void forward(struct workspace *w, const struct weights *weights, int precise)
{
    const struct shape *s = &w->shape;
    const uint32_t last = 2 * s->blocks;
    const struct layer_weights *layer = weights->layers;
    struct conv c = {
        .use = CONV_START,
        .side = s->side,
        .c_in = HEAD_IN,
        .c_out = s->channels,
        .n_terms = 2,
        .terms = {{w->input, layer->high}, {w->input, layer->low}},
        .bias = layer->bias,
        .out = w->in[0],
        .out_low = precise ? w->in_low[0] : NULL,
        .trunk = w->trunk,
        .skip = w->skip,
    };
    conv_run(&c);
    for (uint32_t i = 0; i < last; i++) {
        layer = weights->layers + 1 + i;
        c = (struct conv){
            .use = i % 2 ? CONV_TO_TRUNK : CONV_TO_SILU,
            .side = s->side,
            .c_in = s->channels,
            .c_out = s->channels,
            .n_terms = precise ? 3 : 1,
            .terms = {{w->in[i], layer->high},
                      {w->in[i], layer->low},
                      {w->in_low[i % 2], layer->high}},
            .bias = layer->bias,
            .before = w->before[i / 2],
            .out = w->in[i + 1],
            .out_low = precise || i + 1 == last ? w->in_low[(i + 1) % 2] : NULL,
            .trunk = w->trunk,
            .skip = i + 1 == last ? w->skip : NULL,
        };
        conv_run(&c);
    }
    layer = weights->layers + 1 + last;
    c = (struct conv){
        .use = CONV_PLAIN,
        .side = s->side,
        .c_in = s->channels,
        .c_out = shape_tail_sums(s),
        .n_terms = 3,
        .terms = {{w->in[last], layer->high},
                  {w->in[last], layer->low},
                  {w->in_low[last % 2], layer->high}},
        .bias = layer->bias,
        .trunk = w->made,
    };
    conv_run(&c);
}

/* Loss of the patch, and its gradient to out_gradient. */
static double compare(struct workspace *w, const struct loss *loss)
{
    const struct shape *s = &w->shape;
    const uint32_t area = s->scale * s->scale, n_sums = shape_tail_sums(s),
                   n_inputs = shape_tail_inputs(s);
    const double pixels = (double)loss->patches * s->side * s->side * area;
    const float rgb_l1 = (float)((1 - loss->y_share) * (1 - loss->mse) / (pixels * COLOURS));
    const float rgb_l2 = (float)((1 - loss->y_share) * loss->mse * MSE_FACTOR / (pixels * COLOURS));
    const float y_l1 = (float)(loss->y_share * (1 - loss->mse) / pixels);
    const float y_l2 = (float)(loss->y_share * loss->mse * MSE_FACTOR / pixels);
    double sum = 0;
    for (uint32_t i = 0; i < s->side; i++) {
        float row_sum = 0;
        for (uint32_t j = 0; j < s->side; j++) {
            const size_t place = (size_t)(i + 1) * (s->side + 2) + j + 1;
            const float *made = w->made + place * n_sums;
            const uint8_t *wanted = w->wanted + ((size_t)i * s->side + j) * COLOURS * area;
            float gradient[COLOURS * 16];
            for (uint32_t k = 0; k < area; k++) {
                float error[COLOURS], y = 0;
                for (uint32_t c = 0; c < COLOURS; c++) {
                    error[c] = made[c * area + k] - wanted[c * area + k] * (1.0f / 255);
                    y += Y_WEIGHTS[c] * error[c];
                }
                const float y_gradient = copysignf(y_l1, y) + 2 * y_l2 * y;
                row_sum += fabsf(y) * y_l1 + y * y * y_l2;
                for (uint32_t c = 0; c < COLOURS; c++) {
                    const float e = error[c];
                    row_sum += fabsf(e) * rgb_l1 + e * e * rgb_l2;
                    gradient[c * area + k] =
                        copysignf(rgb_l1, e) + 2 * rgb_l2 * e + Y_WEIGHTS[c] * y_gradient;
                }
            }
            uint16_t *to = w->out_gradient + place * n_inputs;
            for (uint32_t k = 0; k < COLOURS * area; k++)
                to[k] = number_narrow(gradient[k]);
        }
        sum += row_sum;
    }
    return sum;
}

static void add_gradient(struct workspace *w, const uint16_t *in, uint32_t c_in,
                         const uint16_t *out_gradient, uint32_t c_out,
                         struct layer_gradient *gradient)
{
    columns_of(out_gradient, w->shape.side, c_out, w->columns, gradient->bias);
    pairs_of(in, w->shape.side, c_in, w->even_pairs, w->odd_pairs);
    weight_gradient_run(&(struct weight_gradient){
        .side = w->shape.side,
        .c_in = c_in,
        .c_out = c_out,
        .columns = w->columns,
        .even_pairs = w->even_pairs,
        .odd_pairs = w->odd_pairs,
        .sums = gradient->sums,
    });
}

static void backward(struct workspace *w, const struct weights *weights, struct gradient *gradient)
{
    const struct shape *s = &w->shape;
    const uint32_t last = 2 * s->blocks, tail = shape_tail_inputs(s);
    add_gradient(w, w->in[last], s->channels, w->out_gradient, tail, &gradient->layers[last + 1]);
    struct conv c = {
        .use = CONV_START,
        .side = s->side,
        .c_in = tail,
        .c_out = s->channels,
        .n_terms = 1,
        .terms = {{w->out_gradient, weights->layers[last + 1].back}},
        .out = w->gradient[0],
        .trunk = w->trunk,
        .skip = w->skip,
    };
    conv_run(&c);
    for (uint32_t i = last; i-- > 0;) {
        const uint16_t *from = w->gradient[i % 2 ? 0 : 1];
        add_gradient(w, w->in[i], s->channels, from, s->channels, &gradient->layers[i + 1]);
        c = (struct conv){
            .use = i % 2 ? CONV_BACK_SILU : CONV_BACK_TRUNK,
            .side = s->side,
            .c_in = s->channels,
            .c_out = s->channels,
            .n_terms = 1,
            .terms = {{from, weights->layers[i + 1].back}},
            .before = w->before[i / 2],
            .out = w->gradient[i % 2 ? 1 : 0],
            .trunk = w->trunk,
            .skip = i == 0 ? w->skip : NULL,
        };
        conv_run(&c);
    }
    add_gradient(w, w->input, HEAD_IN, w->gradient[0], s->channels, &gradient->layers[0]);
}

void patch_run(struct workspace *w, const struct weights *weights, const struct loss *loss,
               const struct pixels *pixels, struct gradient *gradient)
{
    fetch(w, pixels);
    forward(w, weights, loss->precise);
    gradient->loss += compare(w, loss);
    backward(w, weights, gradient);
}
