/* SPDX-License-Identifier: MIT */
#include "src/strip.h"

#include <string.h>

/* ------------------------------------------------------------------------------- the network -- */

pipersr_status psr_network_init(struct psr_network *network, const pipersr_model *model,
                                const struct psr_kernels *kernels, struct psr_mem *mem)
{
    memset(network, 0, sizeof *network);
    network->kernels = kernels;
    network->n_layers = model->n_layers;
    network->channels = model->info.channels;
    network->scale = model->info.scale;
    network->radius = model->info.radius_px;
    network->c_tail = psr_padded_channels(model->layers[model->n_layers - 1].c_out);

    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct psr_layer *layer = &model->layers[i];
        network->packed[i] = psr_mem_alloc(mem, kernels->packed_bytes(layer->c_in, layer->c_out));
        if (!network->packed[i]) {
            psr_network_free(network, mem);
            return PIPERSR_ERROR_MEMORY;
        }
        kernels->pack(layer->weight, layer->bias, layer->c_in, layer->c_out, network->packed[i]);
    }
    return PIPERSR_OK;
}

void psr_network_free(struct psr_network *network, struct psr_mem *mem)
{
    for (uint32_t i = 0; i < network->n_layers; i++) {
        psr_mem_free(mem, network->packed[i]);
        network->packed[i] = NULL;
    }
}

/* ---------------------------------------------------------------------------- the memory map -- */

/* Takes `floats` off the block at *used; with memory NULL it only counts. */
static float *carve(void *memory, size_t *used, size_t floats)
{
    const size_t unit = PSR_MEM_ALIGNMENT / sizeof(float);
    float *block = memory ? (float *)memory + *used : NULL;
    *used += (floats + unit - 1) / unit * unit;
    return block;
}

static void carve_ring(struct psr_ring *ring, void *memory, size_t *used, uint32_t depth,
                       size_t row_floats)
{
    ring->depth = depth;
    ring->row_floats = row_floats;
    ring->rows = carve(memory, used, depth * row_floats);
}

/* How deep each ring must be. When the newest input row is t, layer l makes row t - 1 - l and reads
 * the rows around it. So
 *   - the head's rows (layer 0) are needed until the last block's second convolution, layer n - 2,
 *     adds them as the long skip: n - 1 rows;
 *   - the trunk is updated in place, block after block. Its rows appear with layer 2 and are last
 *     read by the tail, layer n - 1, one row above its own: again n - 1 rows;
 *   - the row between a block's convolutions is read by the next layer only: 3 rows. */
static size_t lay_out(struct psr_strip *strip, const struct psr_network *network, uint32_t width,
                      bool alpha, void *memory)
{
    const uint32_t n = network->n_layers, px = width + 2 * network->radius + 2;
    const size_t row = (size_t)px * network->channels;
    size_t used = 0;

    strip->row_px = px;
    carve_ring(&strip->input, memory, &used, 3, (size_t)px * PSR_RGB_FLOATS);
    carve_ring(&strip->head, memory, &used, n - 1, row);
    carve_ring(&strip->trunk, memory, &used, n - 1, row);
    for (uint32_t block = 0; block < (n - 2) / 2; block++)
        carve_ring(&strip->middle[block], memory, &used, 3, row);
    /* An alpha row waits until the colours of its pixels come out, with two rows of surround. */
    carve_ring(&strip->alpha, memory, &used, alpha ? network->radius + 4 : 0, px);
    strip->zero_row = carve(memory, &used, row);
    strip->tail_row = carve(memory, &used, (size_t)width * network->c_tail);
    strip->rgb_row = carve(memory, &used, (size_t)width * network->scale * PSR_RGB_FLOATS);
    strip->alpha_row = carve(memory, &used, alpha ? (size_t)width * network->scale + px : 0);
    return used * sizeof(float);
}

int psr_strip_bytes(const struct psr_network *network, uint32_t width, bool alpha, size_t *bytes)
{
    /* At most 65 layers' rings of 2^20 + some pixels of 128 channels: below 2^48. */
    if (width > PSR_MAX_WIDTH)
        return -1;
    struct psr_strip probe;
    *bytes = lay_out(&probe, network, width, alpha, NULL);
    return 0;
}

int psr_strip_reserve(struct psr_strip *strip, struct psr_mem *mem, size_t bytes)
{
    if (bytes <= strip->memory_bytes)
        return 0;
    psr_mem_free(mem, strip->memory);
    strip->memory_bytes = 0;
    strip->memory = psr_mem_alloc(mem, bytes);
    if (!strip->memory)
        return -1;
    strip->memory_bytes = bytes;
    return 0;
}

/* ------------------------------------------------------------------------------ the schedule -- */

static int64_t at_least(int64_t value, int64_t least)
{
    return value < least ? least : value;
}

static int64_t at_most(int64_t value, int64_t most)
{
    return value > most ? most : value;
}

/* Index of column x in a ring's row. */
static size_t column(const struct psr_strip *strip, const struct psr_network *network, int64_t x)
{
    return (size_t)(x - strip->x0 + network->radius + 1);
}

static float *ring_row(const struct psr_ring *ring, int64_t y)
{
    return ring->rows + (size_t)(y % ring->depth) * ring->row_floats;
}

/* The columns left and right of the picture are zero in every row that is read by a convolution;
 * the ring may hold another strip's numbers there. */
static void zero_outside(const struct psr_strip *strip, const struct psr_network *network,
                         float *row, uint32_t px_floats)
{
    const size_t left = column(strip, network, at_least(strip->x0 - network->radius, 0)) - 1;
    const size_t right =
        column(strip, network, at_most(strip->x1 + network->radius, strip->picture->width));
    memset(row + left * px_floats, 0, px_floats * sizeof *row);
    memset(row + right * px_floats, 0, px_floats * sizeof *row);
}

void psr_strip_begin(struct psr_strip *strip, const struct psr_network *network,
                     const struct psr_picture *picture, uint32_t x0, uint32_t x1, uint32_t y0,
                     uint32_t y1)
{
    lay_out(strip, network, x1 - x0, picture->format.alpha, strip->memory);
    strip->picture = picture;
    strip->x0 = x0;
    strip->x1 = x1;
    strip->y0 = y0;
    strip->y1 = y1;
    strip->time = at_least((int64_t)y0 - network->radius, 0);
    memset(strip->zero_row, 0, (size_t)strip->row_px * network->channels * sizeof(float));
}

int64_t psr_strip_end(const struct psr_strip *strip, const struct psr_network *network)
{
    return strip->y1 + network->radius;
}

static void take_input_row(struct psr_strip *strip, const struct psr_network *network, int64_t y,
                           const struct psr_rows *in)
{
    const int64_t from = at_least(strip->x0 - network->radius, 0);
    const int64_t to = at_most(strip->x1 + network->radius, strip->picture->width);
    const size_t first = column(strip, network, from);
    float *row = ring_row(&strip->input, y);
    float *alpha = strip->alpha.depth ? ring_row(&strip->alpha, y) + first : NULL;

    psr_row_read(in->data + (y - in->first_row) * in->stride_bytes, &strip->picture->format,
                 (size_t)from, (size_t)(to - from), row + first * PSR_RGB_FLOATS, alpha);
    zero_outside(strip, network, row, PSR_RGB_FLOATS);
}

/* Row y of layer `index`. Returns false where the strip does not need it. */
static bool make_layer_row(struct psr_strip *strip, const struct psr_network *network,
                           uint32_t index, int64_t y)
{
    const struct psr_picture *picture = strip->picture;
    const uint32_t n = network->n_layers, channels = network->channels;
    /* How far beyond the strip the layers after this one still look. */
    const int64_t margin = n - 1 - index;
    if (y < at_least(strip->y0 - margin, 0) || y >= at_most(strip->y1 + margin, picture->height))
        return false;
    const int64_t from = at_least(strip->x0 - margin, 0);
    const int64_t to = at_most(strip->x1 + margin, picture->width);

    const bool head = index == 0, tail = index == n - 1;
    const uint32_t block = head || tail ? 0 : (index - 1) / 2;
    const bool second = !head && !tail && index % 2 == 0;

    /* The first block reads the head's rows, the later ones the trunk that it starts. */
    const struct psr_ring *trunk_in = block == 0 && !tail ? &strip->head : &strip->trunk;
    const struct psr_ring *source = head     ? &strip->input
                                    : second ? &strip->middle[block]
                                             : trunk_in;
    const size_t in_px = head ? PSR_RGB_FLOATS : channels;
    const size_t first = column(strip, network, from);

    struct psr_conv conv = {
        .in_px = in_px,
        .packed = network->packed[index],
        .c_in = head ? 3 : channels,
        .c_out = tail ? network->c_tail : psr_padded_channels(channels),
        .n_px = (uint32_t)(to - from),
        .activation = !head && !tail && !second ? PSR_SILU : PSR_LINEAR,
    };
    for (int dy = 0; dy < 3; dy++) {
        const int64_t row = y - 1 + dy;
        const bool outside = row < 0 || row >= picture->height;
        conv.in[dy] = (outside ? strip->zero_row : ring_row(source, row)) + (first - 1) * in_px;
    }

    if (tail) {
        conv.out = strip->tail_row;
        conv.out_px = network->c_tail;
        network->kernels->conv(&conv);
        return true;
    }
    const struct psr_ring *target = head     ? &strip->head
                                    : second ? &strip->trunk
                                             : &strip->middle[block];
    float *row = ring_row(target, y);
    conv.out = row + first * channels;
    conv.out_px = channels;
    if (second)
        conv.residual = ring_row(trunk_in, y) + first * channels;
    if (index == n - 2)
        conv.residual2 = ring_row(&strip->head, y) + first * channels;
    network->kernels->conv(&conv);
    zero_outside(strip, network, row, channels);
    return true;
}

/* -------------------------------------------------------------------------------- the output -- */

/* Four rows of alpha around y weighed into one; columns x0 - 2 .. x1 + 1, those beyond the picture
 * repeat its edge. */
static void mix_alpha_rows(struct psr_strip *strip, const struct psr_network *network, int64_t y,
                           uint32_t phase, float *mixed)
{
    float weights[4];
    const int64_t base = y + psr_bicubic_taps(network->scale, phase, weights);
    const float *rows[4];
    for (int tap = 0; tap < 4; tap++) {
        const int64_t row = at_most(at_least(base - 1 + tap, 0), strip->picture->height - 1);
        rows[tap] = ring_row(&strip->alpha, row);
    }
    for (int64_t x = strip->x0 - 2; x < strip->x1 + 2; x++) {
        const int64_t inside = at_most(at_least(x, 0), strip->picture->width - 1);
        const size_t i = column(strip, network, inside);
        *mixed++ = weights[0] * rows[0][i] + weights[1] * rows[1][i] + weights[2] * rows[2][i] +
                   weights[3] * rows[3][i];
    }
}

static void make_alpha_row(struct psr_strip *strip, const struct psr_network *network, int64_t y,
                           uint32_t phase, float *alpha)
{
    float *mixed = alpha + (size_t)(strip->x1 - strip->x0) * network->scale;
    mix_alpha_rows(strip, network, y, phase, mixed);

    for (uint32_t j = 0; j < network->scale; j++) {
        float weights[4];
        /* mixed[x + 2] is column x0 + x: tap -1 of base b is mixed[x + 2 + b - 1]. */
        const float *from = mixed + 1 + psr_bicubic_taps(network->scale, j, weights);
        for (int64_t x = 0; x < strip->x1 - strip->x0; x++, from++)
            alpha[x * network->scale + j] = weights[0] * from[0] + weights[1] * from[1] +
                                            weights[2] * from[2] + weights[3] * from[3];
    }
}

/* Pixel shuffle: the tail's row y is `scale` rows of the output. */
static void emit_rows(struct psr_strip *strip, const struct psr_network *network, int64_t y,
                      const struct psr_rows *out)
{
    const uint32_t scale = network->scale;
    const size_t width = (size_t)(strip->x1 - strip->x0);

    for (uint32_t i = 0; i < scale; i++) {
        float *to = strip->rgb_row;
        for (size_t x = 0; x < width; x++) {
            const float *from = strip->tail_row + x * network->c_tail + i * scale;
            for (uint32_t j = 0; j < scale; j++, to += PSR_RGB_FLOATS) {
                to[0] = from[j];
                to[1] = from[scale * scale + j];
                to[2] = from[2 * scale * scale + j];
            }
        }
        if (strip->picture->format.alpha)
            make_alpha_row(strip, network, y, i, strip->alpha_row);
        const int64_t row = y * scale + i - out->first_row;
        psr_row_write(out->data + row * out->stride_bytes, &strip->picture->format,
                      (size_t)strip->x0 * scale, width * scale, strip->rgb_row, strip->alpha_row);
    }
}

void psr_strip_advance(struct psr_strip *strip, const struct psr_network *network, int64_t time,
                       const struct psr_rows *in, const struct psr_rows *out,
                       const atomic_bool *cancel)
{
    while (strip->time < time) {
        if (atomic_load_explicit(cancel, memory_order_relaxed))
            return;
        const int64_t newest = strip->time++;
        if (newest < strip->picture->height)
            take_input_row(strip, network, newest, in);
        for (uint32_t layer = 0; layer < network->n_layers; layer++) {
            const int64_t y = newest - 1 - layer;
            if (make_layer_row(strip, network, layer, y) && layer == network->n_layers - 1)
                emit_rows(strip, network, y, out);
        }
    }
}
