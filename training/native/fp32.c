/* SPDX-License-Identifier: MIT
 *
 * A step in fp32, for CPUs that multiply nothing else faster. The trunk is not kept apart: where
 * numbers are not rounded it is what the blocks read.
 */
#include <stdlib.h>
#include <string.h>

#include "method.h"
#include "winograd.h"

struct workspace {
    struct shape shape;
    float *input;                                        /* [places][WINOGRAD_CHANNELS] */
    float *in[2 * MOST_BLOCKS + 1], *slope[MOST_BLOCKS]; /* inputs of body and tail; of SiLU */
    float *made, *made_gradient;                         /* [places][padded(shape_made())] */
    float *tail_gradient, *trunk_gradient, *gradient;    /* of inputs */
    float *row;                                          /* [side][shape_made()] */
    float *room;                                         /* winograd's */
    uint8_t *wanted;
    struct memory memory;
};

static uint32_t padded(uint32_t channels)
{
    return (channels + WINOGRAD_CHANNELS - 1) / WINOGRAD_CHANNELS * WINOGRAD_CHANNELS;
}

static size_t spectrum_size(const struct layer *layer)
{
    return (size_t)WINOGRAD_POINTS * padded(layer->c_in) * padded(layer->c_out);
}

/* A layer's packed weights: kernel, turned kernel, bias. */
static size_t packed_bytes(const struct layer *layer)
{
    return (2 * spectrum_size(layer) + padded(layer->c_out)) * sizeof(float);
}

static void pack(const struct layer *layer, const float *weights, void *packed)
{
    float *kernel = packed, *turned = kernel + spectrum_size(layer);
    const uint32_t c_in = padded(layer->c_in), c_out = padded(layer->c_out);
    weights += layer->kernel;
    winograd_pack(weights, layer->c_out, layer->c_in, c_out, c_in, 0, kernel);
    if (layer->index)
        winograd_pack(weights, layer->c_in, layer->c_out, c_in, c_out, 1, turned);
    memcpy(turned + spectrum_size(layer), weights + layer->bias - layer->kernel,
           layer->c_out * sizeof(float));
}

static size_t sums_of(const struct layer *layer)
{
    return spectrum_size(layer) + padded(layer->c_out);
}

static void unpack(const struct layer *layer, const float *sums, float *gradient)
{
    winograd_unpack(sums, layer->c_out, layer->c_in, padded(layer->c_out), padded(layer->c_in),
                    gradient + layer->kernel);
    for (uint32_t o = 0; o < layer->c_out; o++)
        gradient[layer->bias + o] += sums[spectrum_size(layer) + o];
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
    const uint32_t made = padded(shape_made(shape));
    const size_t places = (size_t)(shape->side + 2) * (shape->side + 2),
                 plane = places * shape->channels * sizeof(float);
    struct memory *memory = &w->memory;
    w->input = memory_take(memory, places * WINOGRAD_CHANNELS * sizeof(float));
    for (uint32_t i = 0; i < 2 * shape->blocks + 1; i++)
        w->in[i] = memory_take(memory, plane);
    for (uint32_t i = 0; i < shape->blocks; i++)
        w->slope[i] = memory_take(memory, plane);
    w->made = memory_take(memory, places * made * sizeof(float));
    w->made_gradient = memory_take(memory, places * made * sizeof(float));
    w->tail_gradient = memory_take(memory, plane);
    w->trunk_gradient = memory_take(memory, plane);
    w->gradient = memory_take(memory, plane);
    w->row = memory_take(memory, (size_t)shape->side * MOST_MADE * sizeof(float));
    w->room = memory_take(memory, winograd_room(made > shape->channels ? made : shape->channels) *
                                      sizeof(float));
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
            float *to = w->input + ((size_t)(i + 1) * (side + 2) + j + 1) * WINOGRAD_CHANNELS;
            for (int c = 0; c < COLOURS; c++)
                to[c] = from[c] * (1.0f / 255);
        }
    pixels_wanted(pixels, &w->shape, w->wanted);
}

static const float *turned_of(const void *packed, uint32_t c_in, uint32_t c_out)
{
    return (const float *)packed + (size_t)WINOGRAD_POINTS * c_in * c_out;
}

static const float *bias_of(const void *packed, uint32_t c_in, uint32_t c_out)
{
    return (const float *)packed + 2 * (size_t)WINOGRAD_POINTS * c_in * c_out;
}

static void forward(struct workspace *w, void *const *packed)
{
    const struct shape *s = &w->shape;
    const uint32_t last = 2 * s->blocks, made = padded(shape_made(s));
    struct winograd c = {
        .use = WINOGRAD_ADD,
        .side = s->side,
        .c_in = WINOGRAD_CHANNELS,
        .c_out = s->channels,
        .in = w->input,
        .kernel = packed[0],
        .bias = bias_of(packed[0], WINOGRAD_CHANNELS, s->channels),
        .out = w->in[0],
    };
    winograd_run(&c, w->room);
    for (uint32_t i = 0; i < last; i++) {
        c = (struct winograd){
            .use = i % 2 ? WINOGRAD_ADD : WINOGRAD_SILU,
            .side = s->side,
            .c_in = s->channels,
            .c_out = s->channels,
            .in = w->in[i],
            .kernel = packed[i + 1],
            .bias = bias_of(packed[i + 1], s->channels, s->channels),
            .out = w->in[i + 1],
            .slope = w->slope[i / 2],
            .add = i % 2 ? w->in[i - 1] : NULL,
            .skip = i + 1 == last ? w->in[0] : NULL,
        };
        winograd_run(&c, w->room);
    }
    c = (struct winograd){
        .use = WINOGRAD_ADD,
        .side = s->side,
        .c_in = s->channels,
        .c_out = made,
        .in = w->in[last],
        .kernel = packed[last + 1],
        .bias = bias_of(packed[last + 1], s->channels, made),
        .out = w->made,
    };
    winograd_run(&c, w->room);
}

/* Loss of the patch, and its gradient to made_gradient. */
static double compare(struct workspace *w, const struct loss *loss)
{
    const struct shape *s = &w->shape;
    const uint32_t made = shape_made(s), stride = padded(made);
    double sum = 0;
    for (uint32_t i = 0; i < s->side; i++) {
        const size_t place = (size_t)(i + 1) * (s->side + 2) + 1;
        sum += pixels_loss(loss, s, w->made + place * stride, stride,
                           w->wanted + (size_t)i * s->side * made, w->row);
        for (uint32_t j = 0; j < s->side; j++)
            memcpy(w->made_gradient + (place + j) * stride, w->row + (size_t)j * made,
                   made * sizeof(float));
    }
    return sum;
}

static void add_gradient(struct workspace *w, const float *in, uint32_t c_in,
                         const float *out_gradient, uint32_t c_out, float *sums)
{
    winograd_gradient(in, c_in, out_gradient, c_out, w->shape.side, sums,
                      sums + (size_t)WINOGRAD_POINTS * c_in * c_out, w->room);
}

static void backward(struct workspace *w, void *const *packed, float *const *sums)
{
    const struct shape *s = &w->shape;
    const uint32_t last = 2 * s->blocks, made = padded(shape_made(s));
    add_gradient(w, w->in[last], s->channels, w->made_gradient, made, sums[last + 1]);
    struct winograd c = {
        .use = WINOGRAD_ADD,
        .side = s->side,
        .c_in = made,
        .c_out = s->channels,
        .in = w->made_gradient,
        .kernel = turned_of(packed[last + 1], s->channels, made),
        .out = w->tail_gradient,
    };
    winograd_run(&c, w->room);
    const float *trunk = w->tail_gradient;
    for (uint32_t i = last; i-- > 0;) {
        const float *from = i % 2 ? trunk : w->gradient;
        add_gradient(w, w->in[i], s->channels, from, s->channels, sums[i + 1]);
        c = (struct winograd){
            .use = i % 2 ? WINOGRAD_BACK_SILU : WINOGRAD_ADD,
            .side = s->side,
            .c_in = s->channels,
            .c_out = s->channels,
            .in = from,
            .kernel = turned_of(packed[i + 1], s->channels, s->channels),
            .out = i % 2 ? w->gradient : w->trunk_gradient,
            .slope = w->slope[i / 2],
            .add = i % 2 ? NULL : trunk,
            .skip = i == 0 ? w->tail_gradient : NULL,
        };
        winograd_run(&c, w->room);
        if (i % 2 == 0)
            trunk = w->trunk_gradient;
    }
    add_gradient(w, w->input, WINOGRAD_CHANNELS, trunk, s->channels, sums[0]);
}

static double run(struct workspace *w, void *const *packed, const struct loss *loss,
                  const struct pixels *pixels, float *const *sums)
{
    fetch(w, pixels);
    forward(w, packed);
    const double sum = compare(w, loss);
    backward(w, packed, sums);
    return sum;
}

const struct method method_fp32 = {
    packed_bytes, pack, sums_of, unpack, workspace_new, workspace_free, run,
};
