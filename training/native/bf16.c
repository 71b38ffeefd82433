/* SPDX-License-Identifier: MIT
 *
 * A step in bf16, for CPUs that multiply pairs of such numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "conv.h"
#include "method.h"
#include "tile.h"

enum { HEAD_IN = 32 /* the head's 3 inputs, filled up */ };

/* Whole numbers up to 255 are exact in bf16; the weights that meet them are scaled. */
static const float HEAD_FACTOR = 1.0f / 255;

struct workspace {
    struct shape shape;
    uint16_t *input;                                         /* [places][HEAD_IN], of 0 ... 255 */
    uint16_t *in[2 * MOST_BLOCKS + 1], *before[MOST_BLOCKS]; /* inputs of body and tail; of SiLU */
    uint16_t *in_low[2]; /* what rounding lost of the last two inputs */
    uint16_t *out_gradient, *gradient[2], *columns, *even_pairs, *odd_pairs;
    float *trunk, *skip, *made;
    float *row;      /* [side][shape_made()] */
    uint8_t *wanted; /* [side * side][shape_made()] */
    struct memory memory;
};

/* Channels of the tail's output, filled up to whole tiles. */
static uint32_t tail_sums(const struct shape *shape)
{
    return (shape_made(shape) + 15) / 16 * 16;
}

static uint32_t tail_inputs(const struct shape *shape)
{
    return (shape_made(shape) + 31) / 32 * 32;
}

/* A layer's numbers of channels, filled up. */
struct filled {
    uint32_t c_in, c_out;       /* forward */
    uint32_t back_in, back_out; /* of the convolution that takes gradients back; 0: none */
    uint32_t sums_in, sums_out; /* of struct weight_gradient */
};

static struct filled filled_of(const struct shape *s, uint32_t layer)
{
    struct filled f = {s->channels, s->channels, s->channels,
                       s->channels, s->channels, s->channels};
    if (layer == 0) {
        f.c_in = f.sums_in = HEAD_IN;
        f.back_in = f.back_out = 0;
    } else if (layer == 2 * s->blocks + 1) {
        f.c_out = tail_sums(s);
        f.back_in = f.sums_out = tail_inputs(s);
    }
    return f;
}

/* A layer's packed weights: conv_pack()'s; low for precise sums, back for gradients. */
struct packed {
    uint16_t *high, *low, *back;
    float *bias;
};

static struct packed packed_of(const struct shape *shape, uint32_t layer, void *memory)
{
    const struct filled f = filled_of(shape, layer);
    const size_t forward = (size_t)TAPS * f.c_in * f.c_out,
                 back = (size_t)TAPS * f.back_in * f.back_out;
    uint16_t *high = memory;
    return (struct packed){high, high + forward, high + 2 * forward,
                           (float *)(void *)(high + 2 * forward + back)};
}

static size_t packed_bytes(const struct layer *layer)
{
    const struct filled f = filled_of(layer->shape, layer->index);
    const size_t kernel = (size_t)TAPS * (2 * f.c_in * f.c_out + f.back_in * f.back_out);
    return kernel * sizeof(uint16_t) + (f.c_out * sizeof(float) + 63) / 64 * 64;
}

static void pack_layer(const struct layer *layer, const float *weights, void *memory, int precise)
{
    const struct filled f = filled_of(layer->shape, layer->index);
    const struct packed packed = packed_of(layer->shape, layer->index, memory);
    const float *kernel = weights + layer->kernel;
    const int is_body =
        layer->c_in == layer->shape->channels && layer->c_out == layer->shape->channels;
    conv_pack(kernel, layer->c_out, layer->c_in, f.c_out, f.c_in, 0, layer->index ? 1 : HEAD_FACTOR,
              packed.high, precise || !is_body ? packed.low : NULL);
    if (f.back_in)
        conv_pack(kernel, layer->c_in, layer->c_out, f.back_out, f.back_in, 1, 1, packed.back,
                  NULL);
    memcpy(packed.bias, weights + layer->bias, layer->c_out * sizeof(float));
}

static void pack(const struct layer *layer, const float *weights, void *packed)
{
    pack_layer(layer, weights, packed, 0);
}

static void pack_precise(const struct layer *layer, const float *weights, void *packed)
{
    pack_layer(layer, weights, packed, 1);
}

/* A layer's sums: struct weight_gradient's, then those of the bias. */
static size_t kernel_sums(const struct layer *layer)
{
    const struct filled f = filled_of(layer->shape, layer->index);
    return (size_t)TAPS * f.sums_in * f.sums_out;
}

static size_t sums_of(const struct layer *layer)
{
    return kernel_sums(layer) + filled_of(layer->shape, layer->index).sums_out;
}

static void unpack(const struct layer *layer, const float *sums, float *gradient)
{
    const struct filled f = filled_of(layer->shape, layer->index);
    const float factor = layer->index ? 1 : HEAD_FACTOR, *bias = sums + kernel_sums(layer);
    const size_t tap_step = (size_t)f.sums_in * f.sums_out;
    float *kernel = gradient + layer->kernel;
    for (uint32_t o = 0; o < layer->c_out; o++)
        for (uint32_t c = 0; c < layer->c_in; c++) {
            const float *from =
                sums + (size_t)(o / LANES * f.sums_in + c / LANES * LANES + o % LANES) * LANES +
                c % LANES;
            for (uint32_t tap = 0; tap < TAPS; tap++)
                *kernel++ += factor * from[tap * tap_step];
        }
    for (uint32_t o = 0; o < layer->c_out; o++)
        gradient[layer->bias + o] += bias[o];
}

static void workspace_free(struct workspace *w)
{
    if (!w)
        return;
    memory_free(&w->memory);
    free(w);
}

static struct workspace *workspace_new(const struct shape *shape)
{
    struct workspace *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->shape = *shape;
    struct memory *memory = &w->memory;
    const uint32_t tail = tail_inputs(shape);
    const uint32_t widest = tail > shape->channels ? tail : shape->channels;
    const size_t places = (size_t)(shape->side + 2) * (shape->side + 2),
                 plane = places * shape->channels;
    w->input = memory_take(memory, places * HEAD_IN * 2);
    for (uint32_t i = 0; i < 2 * shape->blocks + 1; i++)
        w->in[i] = memory_take(memory, plane * 2);
    for (uint32_t i = 0; i < shape->blocks; i++)
        w->before[i] = memory_take(memory, plane * 2);
    for (int i = 0; i < 2; i++) {
        w->in_low[i] = memory_take(memory, plane * 2);
        w->gradient[i] = memory_take(memory, plane * 2);
    }
    w->out_gradient = memory_take(memory, places * tail * 2);
    w->columns = memory_take(memory, places * widest * 2);
    w->even_pairs = memory_take(memory, pairs_size(shape->side, widest) * 2);
    w->odd_pairs = memory_take(memory, pairs_size(shape->side, widest) * 2);
    w->trunk = memory_take(memory, plane * 4);
    w->skip = memory_take(memory, plane * 4);
    w->made = memory_take(memory, places * tail_sums(shape) * 4);
    w->row = memory_take(memory, (size_t)shape->side * shape_made(shape) * 4);
    w->wanted = memory_take(memory, (size_t)shape->side * shape->side * shape_made(shape));
    if (memory->failed) {
        workspace_free(w);
        return NULL;
    }
    return w;
}

static void fetch(struct workspace *w, const struct pixels *pixels)
{
    const uint32_t side = w->shape.side;
    for (uint32_t i = 0; i < side; i++)
        for (uint32_t j = 0; j < side; j++) {
            const uint8_t *from = pixels_low(pixels, &w->shape, i, j);
            uint16_t *to = w->input + ((size_t)(i + 1) * (side + 2) + j + 1) * HEAD_IN;
            for (int c = 0; c < COLOURS; c++)
                to[c] = number_narrow(from[c]);
        }
    pixels_wanted(pixels, &w->shape, w->wanted);
}

static void forward(struct workspace *w, void *const *layers, int precise)
{
    const struct shape *s = &w->shape;
    const uint32_t last = 2 * s->blocks;
    struct packed layer = packed_of(s, 0, layers[0]);
    struct conv c = {
        .use = CONV_START,
        .side = s->side,
        .c_in = HEAD_IN,
        .c_out = s->channels,
        .n_terms = 2,
        .terms = {{w->input, layer.high}, {w->input, layer.low}},
        .bias = layer.bias,
        .out = w->in[0],
        .out_low = precise ? w->in_low[0] : NULL,
        .trunk = w->trunk,
        .skip = w->skip,
    };
    conv_run(&c);
    for (uint32_t i = 0; i < last; i++) {
        layer = packed_of(s, i + 1, layers[i + 1]);
        c = (struct conv){
            .use = i % 2 ? CONV_TO_TRUNK : CONV_TO_SILU,
            .side = s->side,
            .c_in = s->channels,
            .c_out = s->channels,
            .n_terms = precise ? 3 : 1,
            .terms = {{w->in[i], layer.high},
                      {w->in[i], layer.low},
                      {w->in_low[i % 2], layer.high}},
            .bias = layer.bias,
            .before = w->before[i / 2],
            .out = w->in[i + 1],
            .out_low = precise || i + 1 == last ? w->in_low[(i + 1) % 2] : NULL,
            .trunk = w->trunk,
            .skip = i + 1 == last ? w->skip : NULL,
        };
        conv_run(&c);
    }
    layer = packed_of(s, last + 1, layers[last + 1]);
    c = (struct conv){
        .use = CONV_PLAIN,
        .side = s->side,
        .c_in = s->channels,
        .c_out = tail_sums(s),
        .n_terms = 3,
        .terms = {{w->in[last], layer.high},
                  {w->in[last], layer.low},
                  {w->in_low[last % 2], layer.high}},
        .bias = layer.bias,
        .trunk = w->made,
    };
    conv_run(&c);
}

/* Loss of the patch, and its gradient to out_gradient. */
static double compare(struct workspace *w, const struct loss *loss)
{
    const struct shape *s = &w->shape;
    const uint32_t made = shape_made(s), n_sums = tail_sums(s), n_inputs = tail_inputs(s);
    double sum = 0;
    for (uint32_t i = 0; i < s->side; i++) {
        const size_t place = (size_t)(i + 1) * (s->side + 2) + 1;
        sum += pixels_loss(loss, s, w->made + place * n_sums, n_sums,
                           w->wanted + (size_t)i * s->side * made, w->row);
        for (uint32_t j = 0; j < s->side; j++)
            for (uint32_t k = 0; k < made; k++)
                w->out_gradient[(place + j) * n_inputs + k] = number_narrow(w->row[j * made + k]);
    }
    return sum;
}

static void add_gradient(struct workspace *w, const uint16_t *in, uint32_t c_in,
                         const uint16_t *out_gradient, uint32_t c_out, float *sums)
{
    columns_of(out_gradient, w->shape.side, c_out, w->columns, sums + (size_t)TAPS * c_in * c_out);
    pairs_of(in, w->shape.side, c_in, w->even_pairs, w->odd_pairs);
    weight_gradient_run(&(struct weight_gradient){
        .side = w->shape.side,
        .c_in = c_in,
        .c_out = c_out,
        .columns = w->columns,
        .even_pairs = w->even_pairs,
        .odd_pairs = w->odd_pairs,
        .sums = sums,
    });
}

static void backward(struct workspace *w, void *const *layers, float *const *sums)
{
    const struct shape *s = &w->shape;
    const uint32_t last = 2 * s->blocks, tail = tail_inputs(s);
    add_gradient(w, w->in[last], s->channels, w->out_gradient, tail, sums[last + 1]);
    struct conv c = {
        .use = CONV_START,
        .side = s->side,
        .c_in = tail,
        .c_out = s->channels,
        .n_terms = 1,
        .terms = {{w->out_gradient, packed_of(s, last + 1, layers[last + 1]).back}},
        .out = w->gradient[0],
        .trunk = w->trunk,
        .skip = w->skip,
    };
    conv_run(&c);
    for (uint32_t i = last; i-- > 0;) {
        const uint16_t *from = w->gradient[i % 2 ? 0 : 1];
        add_gradient(w, w->in[i], s->channels, from, s->channels, sums[i + 1]);
        c = (struct conv){
            .use = i % 2 ? CONV_BACK_SILU : CONV_BACK_TRUNK,
            .side = s->side,
            .c_in = s->channels,
            .c_out = s->channels,
            .n_terms = 1,
            .terms = {{from, packed_of(s, i + 1, layers[i + 1]).back}},
            .before = w->before[i / 2],
            .out = w->gradient[i % 2 ? 1 : 0],
            .trunk = w->trunk,
            .skip = i == 0 ? w->skip : NULL,
        };
        conv_run(&c);
    }
    add_gradient(w, w->input, HEAD_IN, w->gradient[0], s->channels, sums[0]);
}

static double run_patch(struct workspace *w, void *const *layers, const struct loss *loss,
                        const struct pixels *pixels, float *const *sums, int precise)
{
    fetch(w, pixels);
    forward(w, layers, precise);
    const double sum = compare(w, loss);
    backward(w, layers, sums);
    return sum;
}

static double run(struct workspace *w, void *const *layers, const struct loss *loss,
                  const struct pixels *pixels, float *const *sums)
{
    return run_patch(w, layers, loss, pixels, sums, 0);
}

static double run_precise(struct workspace *w, void *const *layers, const struct loss *loss,
                          const struct pixels *pixels, float *const *sums)
{
    return run_patch(w, layers, loss, pixels, sums, 1);
}

const struct method method_bf16 = {
    packed_bytes, pack, sums_of, unpack, workspace_new, workspace_free, run,
};

const struct method method_bf16x3 = {
    packed_bytes, pack_precise, sums_of, unpack, workspace_new, workspace_free, run_precise,
};
