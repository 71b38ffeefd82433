/* SPDX-License-Identifier: MIT */
#include "src/strip.h"

#include <string.h>

/* ------------------------------------------------------------------------------- the network -- */

static const struct psr_kernels *layer_kernels(const struct psr_network *network, uint32_t layer)
{
    const struct psr_kernels *kernels = network->kernels;
    if (layer == 0 && kernels->head)
        return kernels->head;
    return layer == network->n_layers - 1 && kernels->tail ? kernels->tail : kernels;
}

/* Does this layer read codes, whose 0 is not a zero byte? */
static bool is_coded(const struct psr_network *network, uint32_t layer)
{
    return network->kernels->precision == PIPERSR_PRECISION_INT8 && layer > 0 &&
           layer < network->n_layers - 1;
}

pipersr_status psr_network_init(struct psr_network *network, const pipersr_model *model,
                                const struct psr_kernels *kernels, struct psr_mem *mem)
{
    memset(network, 0, sizeof *network);
    network->kernels = kernels;
    network->n_layers = model->n_layers;
    network->channels = model->info.channels;
    network->scale = model->info.scale;
    network->c_tail = psr_padded_channels(model->layers[model->n_layers - 1].c_out);

    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct psr_layer *layer = &model->layers[i];
        const struct psr_kernels *set = layer_kernels(network, i);
        const size_t scratch = set->scratch_bytes ? set->scratch_bytes(layer->c_in) : 0;
        if (scratch > network->scratch_bytes)
            network->scratch_bytes = scratch;
        network->packed[i] = psr_mem_alloc(mem, set->packed_bytes(layer->c_in, layer->c_out));
        if (!network->packed[i]) {
            psr_network_free(network, mem);
            return PIPERSR_ERROR_MEMORY;
        }
        const bool int8 = kernels->precision == PIPERSR_PRECISION_INT8;
        const struct psr_weights weights = {
            .weight = int8 ? layer->int8_weight : layer->weight,
            .bias = int8 ? layer->int8_bias : layer->bias,
            .c_in = layer->c_in,
            .c_out = layer->c_out,
            .coding = {layer->input_inverse_scale, layer->input_zero},
        };
        set->pack(&weights, network->packed[i]);
        if (is_coded(network, i))
            network->coding[i] = weights.coding;
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

/* Takes `bytes` off the block at *used; with memory NULL it only counts. */
static void *carve(void *memory, size_t *used, size_t bytes)
{
    void *block = memory ? (unsigned char *)memory + *used : NULL;
    *used += (bytes + PSR_MEM_ALIGNMENT - 1) / PSR_MEM_ALIGNMENT * PSR_MEM_ALIGNMENT;
    return block;
}

static void carve_ring(struct psr_ring *ring, void *memory, size_t *used, uint32_t depth,
                       size_t row_elements, size_t element_bytes)
{
    ring->depth = depth;
    ring->element_bytes = element_bytes;
    ring->row_bytes = row_elements * element_bytes;
    ring->rows = carve(memory, used, depth * ring->row_bytes);
}

static int64_t at_least(int64_t value, int64_t least)
{
    return value < least ? least : value;
}

static int64_t at_most(int64_t value, int64_t most)
{
    return value > most ? most : value;
}

/* Zero pixels beside the picture that a convolution may read: it begins a tile at the picture's
 * left edge, but may end one up to a tile beyond the right edge. */
enum { LEFT_ZEROS = 1, RIGHT_ZEROS = PSR_STRIP_ALIGNMENT_PX };

/* Input rows that are taken before the layers run. Each layer then makes as many rows, and finds
 * most of what it reads where the layer before has just left it, in a near cache; more rows would
 * not fit there. */
enum { PASS_ROWS = 4 };

static uint32_t round_up(uint32_t value, uint32_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* The rows that a kernel's tiles of rows begin at are multiples of this: where an output's bits
 * depend on nothing but what it is computed from, any row will do. */
static uint32_t row_unit(const struct psr_kernels *kernels)
{
    return kernels->tile_px == 1 ? 1 : kernels->tile_rows;
}

/* Backwards from the tail: to know a pixel, a layer must know all that this pixel's tile reads of
 * the layer before it. */
static void plan_reach(struct psr_strip *strip, const struct psr_network *network,
                       const struct psr_picture *picture)
{
    uint32_t px = picture->planar ? psr_yuv_surround_px(&picture->yuv) : 0;
    uint32_t rows = picture->planar ? psr_yuv_surround_rows(&picture->yuv) : 0;
    for (uint32_t layer = network->n_layers; layer-- > 0; px++, rows++) {
        const struct psr_kernels *kernels = layer_kernels(network, layer);
        strip->reach_px[layer] = px = round_up(px, kernels->tile_px);
        strip->reach_rows[layer] = rows = round_up(rows, row_unit(kernels));
    }
    strip->input_reach_px = px;
    strip->input_reach_rows = rows;
}

/* Rows of the picture that layer `layer` has made when `time` input rows were taken, counted on
 * beyond both ends of the picture: one row less than the layer before it, as it looks a row ahead,
 * and whole tiles. */
static int64_t rows_made(const struct psr_network *network, uint32_t layer, int64_t time)
{
    for (uint32_t i = 0; i <= layer; i++) {
        const int64_t unit = row_unit(layer_kernels(network, i));
        time--;
        time -= ((time % unit) + unit) % unit;
    }
    return time;
}

/* How far a layer is behind the input, at most. */
static uint32_t lag_of(const struct psr_network *network, uint32_t layer)
{
    uint32_t most = 0;
    for (int64_t time = 0; time < PSR_BAND_ALIGNMENT_ROWS; time++) {
        const uint32_t lag = (uint32_t)(time - rows_made(network, layer, time));
        most = lag > most ? lag : most;
    }
    return most;
}

/* How deep a ring must be whose rows appear with layer `writer` and are last read by layer
 * `reader`, which looks a row up, when up to PASS_ROWS input rows are taken before the layers run
 * one after the other. */
static uint32_t ring_depth(const struct psr_network *network, uint32_t writer, uint32_t reader)
{
    const uint32_t first_lag = writer ? lag_of(network, writer) - 1 : 0;
    return PASS_ROWS + lag_of(network, reader) - first_lag + 2;
}

static size_t lay_out(struct psr_strip *strip, const struct psr_network *network,
                      const struct psr_picture *picture, uint32_t width, void *memory)
{
    plan_reach(strip, network, picture);
    const bool alpha = !picture->planar && picture->format.alpha;
    const uint32_t n = network->n_layers;
    const uint32_t px = width + 2 * strip->input_reach_px + LEFT_ZEROS + RIGHT_ZEROS;
    const size_t row = (size_t)px * network->channels, narrow = network->kernels->narrow_bytes;
    size_t used = 0;

    strip->row_px = px;
    /* The head's rows are added once more by the last block's second convolution, layer n - 2. The
     * trunk is updated in place, block after block: its rows appear with layer 2 and are last read
     * by the tail. What lies between two layers is read by the second only. */
    carve_ring(&strip->input, memory, &used, ring_depth(network, 0, 0), (size_t)px * PSR_RGB_FLOATS,
               sizeof(float));
    const uint32_t head = ring_depth(network, 0, n - 2), trunk = ring_depth(network, 2, n - 1);
    carve_ring(&strip->head, memory, &used, head, row, sizeof(float));
    carve_ring(&strip->trunk, memory, &used, trunk, row, sizeof(float));
    if (network->kernels->narrow) {
        carve_ring(&strip->head_narrow, memory, &used, ring_depth(network, 0, 1), row, narrow);
        carve_ring(&strip->trunk_narrow, memory, &used, trunk, row, narrow);
    } else {
        strip->head_narrow = strip->head;
        strip->trunk_narrow = strip->trunk;
    }
    for (uint32_t block = 0; block < (n - 2) / 2; block++) {
        const uint32_t reader = 2 * block + 2, depth = ring_depth(network, reader - 1, reader);
        carve_ring(&strip->middle[block], memory, &used, depth, row, narrow);
    }
    /* An alpha row waits until the colours of its pixels come out, with two rows of surround. */
    carve_ring(&strip->alpha, memory, &used, alpha ? ring_depth(network, 0, n - 1) + 4 : 0, px,
               sizeof(float));
    strip->zero_row = carve(memory, &used, row * sizeof(float));
    for (uint32_t layer = 0; layer < n; layer++)
        strip->zero_rows[layer] = is_coded(network, layer) ? carve(memory, &used, row) : NULL;
    const size_t tail_px = (size_t)width + 2 * (size_t)strip->reach_px[n - 1];
    strip->tail_rows =
        carve(memory, &used, PSR_BAND_ALIGNMENT_ROWS * tail_px * network->c_tail * sizeof(float));
    strip->scratch = carve(memory, &used, network->scratch_bytes);
    if (picture->planar) {
        strip->yuv_out_px = tail_px * network->scale;
        strip->yuv_in = carve(memory, &used, psr_yuv_read_floats(px) * sizeof(float));
        strip->yuv_out =
            carve(memory, &used, psr_yuv_write_floats(strip->yuv_out_px) * sizeof(float));
        return used;
    }
    strip->rgb_row =
        carve(memory, &used, (size_t)width * network->scale * PSR_RGB_FLOATS * sizeof(float));
    strip->alpha_row =
        carve(memory, &used, alpha ? ((size_t)width * network->scale + px) * sizeof(float) : 0);
    return used;
}

int psr_strip_bytes(const struct psr_network *network, const struct psr_picture *picture,
                    uint32_t width, size_t *bytes)
{
    /* At most 65 layers' rings of 2^20 + some pixels of 128 channels: below 2^48. */
    if (width > PSR_MAX_WIDTH)
        return -1;
    struct psr_strip probe;
    *bytes = lay_out(&probe, network, picture, width, NULL);
    return 0;
}

void psr_strip_surround(const struct psr_network *network, const struct psr_picture *picture,
                        uint32_t *px, uint32_t *rows)
{
    struct psr_strip probe;
    plan_reach(&probe, network, picture);
    *px = probe.input_reach_px;
    *rows = probe.input_reach_rows;
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

/* Index of column x in a ring's row. */
static size_t column(const struct psr_strip *strip, int64_t x)
{
    return (size_t)(x - strip->x0 + strip->input_reach_px + LEFT_ZEROS);
}

/* The strip's columns and `reach` more on each side, as far as the picture has them. */
struct columns {
    int64_t from, to;
};

static struct columns columns_within(const struct psr_strip *strip, uint32_t reach)
{
    return (struct columns){at_least(strip->x0 - reach, 0),
                            at_most(strip->x1 + reach, strip->picture->width)};
}

/* Element 0 of the pixel in column index `i` of row y. */
static void *ring_pixel(const struct psr_ring *ring, int64_t y, size_t i, size_t px_elements)
{
    return ring->rows + (size_t)(y % ring->depth) * ring->row_bytes +
           i * px_elements * ring->element_bytes;
}

/* The codes of 0 in a pixel that layer `reader` reads; NULL where it reads numbers. */
static const uint8_t *zero_of(const struct psr_network *network, uint32_t reader)
{
    return is_coded(network, reader) ? network->coding[reader].zero : NULL;
}

/* One pixel of zeros. */
static void write_zero(const uint8_t *zero, void *pixel, size_t bytes)
{
    if (zero)
        memcpy(pixel, zero, bytes);
    else
        memset(pixel, 0, bytes);
}

/* The columns left and right of the picture are zero in every row that is read by a convolution;
 * the ring may hold another strip's numbers there. */
static void zero_outside(const struct psr_strip *strip, const uint8_t *zero,
                         const struct psr_ring *ring, int64_t y, size_t px_elements)
{
    const size_t bytes = px_elements * ring->element_bytes;
    const struct columns all = columns_within(strip, strip->input_reach_px);
    for (size_t i = 1; i <= LEFT_ZEROS; i++)
        write_zero(zero, ring_pixel(ring, y, column(strip, all.from) - i, px_elements), bytes);
    for (size_t i = 0; i < RIGHT_ZEROS; i++)
        write_zero(zero, ring_pixel(ring, y, column(strip, all.to) + i, px_elements), bytes);
}

void psr_strip_begin(struct psr_strip *strip, const struct psr_network *network,
                     const struct psr_picture *picture, uint32_t x0, uint32_t x1, uint32_t y0,
                     uint32_t y1)
{
    lay_out(strip, network, picture, x1 - x0, strip->memory);
    strip->picture = picture;
    strip->x0 = x0;
    strip->x1 = x1;
    strip->y0 = y0;
    strip->y1 = y1;
    const int64_t first_row = at_least((int64_t)y0 - strip->input_reach_rows, 0);
    strip->time = strip->done = first_row;
    memset(strip->zero_row, 0, (size_t)strip->row_px * network->channels * sizeof(float));
    for (uint32_t layer = 0; layer < network->n_layers; layer++) {
        for (size_t x = 0; strip->zero_rows[layer] && x < strip->row_px; x++)
            write_zero(zero_of(network, layer), strip->zero_rows[layer] + x * network->channels,
                       network->channels);
    }
}

int64_t psr_strip_end(const struct psr_strip *strip, const struct psr_network *network)
{
    return strip->y1 + (int64_t)lag_of(network, network->n_layers - 1) +
           strip->reach_rows[network->n_layers - 1];
}

static void take_input_row(struct psr_strip *strip, const struct psr_network *network, int64_t y,
                           const struct psr_rows *in)
{
    const struct columns all = columns_within(strip, strip->input_reach_px);
    const size_t first = column(strip, all.from);
    float *rgb = ring_pixel(&strip->input, y, first, PSR_RGB_FLOATS);
    float *alpha = strip->alpha.depth ? ring_pixel(&strip->alpha, y, first, 1) : NULL;

    if (strip->picture->planar)
        psr_yuv_read_row(&strip->picture->yuv, in, strip->picture->width, strip->picture->height, y,
                         all.from, all.to, strip->yuv_in, rgb);
    else
        psr_row_read(in->data + (y - in->first_row) * in->stride_bytes, &strip->picture->format,
                     (size_t)all.from, (size_t)(all.to - all.from), rgb, alpha);
    zero_outside(strip, zero_of(network, 0), &strip->input, y, PSR_RGB_FLOATS);
}

/* What a layer reads and writes. */
struct layer_plan {
    const struct psr_ring *source;
    size_t source_px;                   /* elements of a pixel there */
    const struct psr_ring *target;      /* NULL: the tail's own row */
    const struct psr_ring *narrow_copy; /* where the next convolution reads it, or NULL */
    const struct psr_ring *residual, *residual2;
    enum psr_activation activation;
};

static struct layer_plan plan_layer(const struct psr_strip *strip,
                                    const struct psr_network *network, uint32_t index)
{
    const uint32_t n = network->n_layers;
    const bool narrow = network->kernels->narrow != NULL;
    struct layer_plan plan = {.source_px = network->channels, .activation = PSR_LINEAR};

    if (index == 0) {
        plan.source = &strip->input;
        plan.source_px = PSR_RGB_FLOATS;
        plan.target = &strip->head;
        plan.narrow_copy = narrow ? &strip->head_narrow : NULL;
        return plan;
    }
    if (index == n - 1) {
        plan.source = network->kernels->tail ? &strip->trunk : &strip->trunk_narrow;
        return plan;
    }
    /* The first block reads the head's rows, the later ones the trunk that it starts. */
    const uint32_t block = (index - 1) / 2;
    if (index % 2) {
        plan.source = block == 0 ? &strip->head_narrow : &strip->trunk_narrow;
        plan.target = &strip->middle[block];
        plan.activation = PSR_SILU;
        return plan;
    }
    plan.source = &strip->middle[block];
    plan.target = &strip->trunk;
    /* The last block is read by the tail. */
    const bool float_tail = index == n - 2 && network->kernels->tail;
    plan.narrow_copy = narrow && !float_tail ? &strip->trunk_narrow : NULL;
    plan.residual = block == 0 ? &strip->head : &strip->trunk;
    plan.residual2 = index == n - 2 ? &strip->head : NULL; /* the long skip */
    return plan;
}

/* Shows the strip's own part of a row, without the surround that neighbours make too. */
static void show_row(const struct psr_strip *strip, const struct psr_network *network,
                     uint32_t reader, const struct psr_ring *ring, int64_t y)
{
    const bool body = reader < network->n_layers - 1;
    if (body && y >= strip->y0 && y < strip->y1)
        network->observer->row(network->observer->opaque, reader,
                               ring_pixel(ring, y, column(strip, strip->x0), network->channels),
                               (uint32_t)(strip->x1 - strip->x0));
}

/* The rows of a layer that a strip needs. */
struct rows {
    int64_t from, to;
};

static struct rows rows_within(const struct psr_strip *strip, uint32_t reach)
{
    return (struct rows){at_least(strip->y0 - reach, 0),
                         at_most(strip->y1 + reach, strip->picture->height)};
}

/* What follows when row y of a layer is made: the next layer's form of it, and its padding. */
static void pass_row_on(const struct psr_strip *strip, const struct psr_network *network,
                        const struct layer_plan *plan, uint32_t index, struct columns made,
                        int64_t y)
{
    const uint32_t channels = network->channels;
    const size_t first = column(strip, made.from);
    const struct psr_ring *read_next = plan->narrow_copy ? plan->narrow_copy : plan->target;

    if (plan->narrow_copy && !layer_kernels(network, index)->codes_rows)
        network->kernels->narrow(
            ring_pixel(plan->target, y, first, channels), (size_t)(made.to - made.from), channels,
            &network->coding[index + 1], ring_pixel(plan->narrow_copy, y, first, channels));
    zero_outside(strip, zero_of(network, index + 1), read_next, y, channels);
    if (network->observer)
        show_row(strip, network, index + 1, plan->target, y);
}

/* The tail's rows go out as soon as they are made: there is room for one tile's. */
static size_t tail_row_at(int64_t y)
{
    return (size_t)(y % PSR_BAND_ALIGNMENT_ROWS);
}

/* The rows of `source` that a call reads to make its rows from y on. */
static void set_inputs(const struct psr_strip *strip, const struct psr_kernels *kernels,
                       const struct psr_ring *source, size_t source_px, const void *zero, int64_t y,
                       size_t first, struct psr_conv *conv)
{
    for (uint32_t dy = 0; dy < kernels->tile_rows + 2; dy++) {
        const int64_t row = y - 1 + dy;
        /* A tile that is not made to its end may look at rows that are not there yet. */
        const bool unseen = row_unit(kernels) == 1 && dy >= conv->n_rows + 2;
        const bool outside = unseen || row < 0 || row >= strip->picture->height;
        conv->in[dy] = outside ? zero : ring_pixel(source, row, first - 1, source_px);
    }
}

/* n_rows rows from y on of layer `index`, as many as one call of its kernel makes. */
static void make_layer_rows(struct psr_strip *strip, const struct psr_network *network,
                            uint32_t index, int64_t y, uint32_t n_rows)
{
    const uint32_t channels = network->channels;
    const struct psr_kernels *kernels = layer_kernels(network, index);
    const struct columns made = columns_within(strip, strip->reach_px[index]);
    const size_t first = column(strip, made.from);
    const struct layer_plan plan = plan_layer(strip, network, index);
    struct psr_conv conv = {
        .in_px = plan.source_px,
        .packed = network->packed[index],
        .c_in = index == 0 ? 3 : channels,
        .c_out = plan.target ? channels : network->c_tail,
        .n_px = (uint32_t)(made.to - made.from),
        .n_rows = n_rows,
        .scratch = strip->scratch,
        .activation = plan.activation,
    };
    const size_t row_floats = (size_t)conv.n_px * conv.c_out;
    set_inputs(strip, kernels, plan.source, plan.source_px,
               strip->zero_rows[index] ? strip->zero_rows[index] : strip->zero_row, y, first,
               &conv);
    if (plan.target) {
        conv.narrow_out = plan.target->element_bytes != sizeof(float);
        conv.out_coding = network->coding[index + 1];
    }
    conv.out_px = conv.c_out;
    for (uint32_t i = 0; i < n_rows; i++) {
        struct psr_conv_row *const row = &conv.row[i];
        if (plan.target)
            row->out = ring_pixel(plan.target, y + i, first, channels);
        else
            row->out = strip->tail_rows + tail_row_at(y + i) * row_floats;
        if (plan.residual)
            row->residual = ring_pixel(plan.residual, y + i, first, channels);
        if (plan.residual2)
            row->residual2 = ring_pixel(plan.residual2, y + i, first, channels);
        if (plan.narrow_copy && kernels->codes_rows)
            row->codes = ring_pixel(plan.narrow_copy, y + i, first, channels);
    }
    kernels->conv(&conv);
    for (uint32_t i = 0; plan.target && i < n_rows; i++)
        pass_row_on(strip, network, &plan, index, made, y + i);
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
        rows[tap] = ring_pixel(&strip->alpha, row, 0, 1);
    }
    for (int64_t x = strip->x0 - 2; x < strip->x1 + 2; x++) {
        const int64_t inside = at_most(at_least(x, 0), strip->picture->width - 1);
        const size_t i = column(strip, inside);
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

/* Pixel shuffle into one row of each colour. `scale` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void shuffle_colours(const float *tail, size_t n_px,
                                                                  size_t tail_px, uint32_t scale,
                                                                  uint32_t i,
                                                                  const struct psr_yuv_colours *to)
{
    for (size_t x = 0; x < n_px; x++) {
        const float *from = tail + x * tail_px + i * scale;
        for (uint32_t j = 0; j < scale; j++) {
            to->red[x * scale + j] = from[j];
            to->green[x * scale + j] = from[scale * scale + j];
            to->blue[x * scale + j] = from[2 * scale * scale + j];
        }
    }
}

static void emit_yuv_rows(struct psr_strip *strip, const struct psr_network *network, int64_t y,
                          const struct psr_rows *out)
{
    const uint32_t scale = network->scale, tail_px = network->c_tail;
    const struct columns known = columns_within(strip, strip->reach_px[network->n_layers - 1]);
    const size_t n_px = (size_t)(known.to - known.from);
    const float *tail_row = strip->tail_rows + tail_row_at(y) * n_px * tail_px;
    const struct psr_yuv_part part = {
        .x0 = strip->x0 * scale,
        .x1 = strip->x1 * scale,
        .y0 = strip->y0 * scale,
        .y1 = strip->y1 * scale,
        .known_from = known.from * scale,
        .known_to = known.to * scale,
        .height = (int64_t)strip->picture->height * scale,
    };
    const struct psr_yuv_colours colours = psr_yuv_colours(strip->yuv_out, strip->yuv_out_px);
    for (uint32_t i = 0; i < scale; i++) {
        if (scale == 2)
            shuffle_colours(tail_row, n_px, tail_px, 2, i, &colours);
        else
            shuffle_colours(tail_row, n_px, tail_px, scale, i, &colours);
        psr_yuv_write_row(&strip->picture->yuv, out, &part, y * scale + i, strip->yuv_out,
                          strip->yuv_out_px);
    }
}

/* Pixel shuffle: the tail's row y is `scale` rows of the output. */
static void emit_rows(struct psr_strip *strip, const struct psr_network *network, int64_t y,
                      const struct psr_rows *out)
{
    const uint32_t scale = network->scale;
    const size_t width = (size_t)(strip->x1 - strip->x0);
    const float *tail_row = strip->tail_rows + tail_row_at(y) * width * network->c_tail;

    for (uint32_t i = 0; i < scale; i++) {
        float *to = strip->rgb_row;
        for (size_t x = 0; x < width; x++) {
            const float *from = tail_row + x * network->c_tail + i * scale;
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

static void emit(struct psr_strip *strip, const struct psr_network *network, int64_t y,
                 const struct psr_rows *out)
{
    if (strip->picture->planar)
        emit_yuv_rows(strip, network, y, out);
    else
        emit_rows(strip, network, y, out);
}

/* Every row of every layer that the input rows taken since the last pass make possible. */
static void run_pass(struct psr_strip *strip, const struct psr_network *network,
                     const struct psr_rows *out)
{
    for (uint32_t layer = 0; layer < network->n_layers; layer++) {
        const struct rows needed = rows_within(strip, strip->reach_rows[layer]);
        const uint32_t tile_rows = layer_kernels(network, layer)->tile_rows;
        const int64_t from = at_least(rows_made(network, layer, strip->done), needed.from);
        /* Where the place of a tile counts, bands begin with one, and only the last tile may end
         * beyond what is needed. */
        const int64_t to = at_most(rows_made(network, layer, strip->time), needed.to);
        for (int64_t y = from; y < to; y += tile_rows) {
            const uint32_t n_rows = (uint32_t)(at_most(y + tile_rows, to) - y);
            make_layer_rows(strip, network, layer, y, n_rows);
            for (uint32_t i = 0; layer == network->n_layers - 1 && i < n_rows; i++)
                emit(strip, network, y + i, out);
        }
    }
    strip->done = strip->time;
}

void psr_strip_advance(struct psr_strip *strip, const struct psr_network *network, int64_t time,
                       const struct psr_rows *in, const struct psr_rows *out,
                       const atomic_bool *cancel)
{
    while (strip->time < time) {
        if (atomic_load_explicit(cancel, memory_order_relaxed))
            return;
        const int64_t pass_end = at_most(strip->done + PASS_ROWS, time);
        for (; strip->time < pass_end; strip->time++) {
            if (strip->time < strip->picture->height)
                take_input_row(strip, network, strip->time, in);
        }
        run_pass(strip, network, out);
    }
}

uint32_t psr_strip_rows_ready(const struct psr_network *network, uint32_t height, uint32_t rows_in)
{
    if (rows_in >= height)
        return height;
    return (uint32_t)at_least(rows_made(network, network->n_layers - 1, rows_in), 0);
}
