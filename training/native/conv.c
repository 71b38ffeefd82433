/* SPDX-License-Identifier: MIT
 *
 * The sums of 4 rows x 16 pixels x 16 channels are made in four tiles. An input row's tile meets up
 * to three of them, one for each row of the kernel, so that twelve multiplications need nine loads.
 * What follows the sums (SiLU, trunk) is done for the block before, in slices between the
 * multiplications, which hide it. CPUs without tiles make the sums in vector registers, row by row.
 */
#include "conv.h"
#include "dots.h"
#include "tile.h"

enum { BLOCK_ROWS = 4, BLOCK_VECTORS = BLOCK_ROWS * TILE_PX, GROUP_ROWS = 8 };

struct block {
    float sums[BLOCK_VECTORS][LANES] __attribute__((aligned(64)));
    size_t place; /* of its first pixel */
    uint32_t channel, next;
};

INLINE void use_vector(const struct conv *c, enum conv_use use, const struct block *block,
                       uint32_t i)
{
    const size_t place = block->place + (size_t)(i / TILE_PX) * (c->side + 2) + i % TILE_PX;
    const size_t at = place * c->c_out + block->channel;
    vec value = vec_load(block->sums[i]);
    if (use == CONV_TO_SILU) {
        value += vec_load(c->bias + block->channel);
        vec_store_narrow(c->before + at, value);
        value *= vec_sigmoid(value);
    } else if (use == CONV_TO_TRUNK) {
        value += vec_load(c->bias + block->channel) + vec_load(c->trunk + at);
        vec_store(c->trunk + at, value);
        if (c->skip)
            value += vec_load(c->skip + at);
    } else if (use == CONV_BACK_SILU) {
        const vec z = vec_widen(c->before + at), s = vec_sigmoid(z);
        value *= s * (1.0f + z * (1.0f - s));
    } else if (use == CONV_BACK_TRUNK) {
        value += vec_load(c->trunk + at);
        vec_store(c->trunk + at, value);
        if (c->skip)
            value += vec_load(c->skip + at);
    } else if (use == CONV_START) {
        if (c->bias)
            value += vec_load(c->bias + block->channel);
        vec_store(c->trunk + at, value);
        vec_store(c->skip + at, value);
    } else {
        if (c->bias)
            value += vec_load(c->bias + block->channel);
        vec_store(c->trunk + at, value);
        return;
    }
    if (c->out_low)
        vec_store_split(c->out + at, c->out_low + at, value);
    else
        vec_store_narrow(c->out + at, value);
}

INLINE void use_some(const struct conv *c, enum conv_use use, struct block *block, uint32_t count)
{
    const uint32_t end = block->next + count < BLOCK_VECTORS ? block->next + count : BLOCK_VECTORS;
    for (uint32_t i = block->next; i < end; i++)
        use_vector(c, use, block, i);
    block->next = end;
}

#if HAS_DOTS
/* A row of the block after the other: its sums meet all weights without leaving the registers. */
INLINE void multiply_block(const struct conv *c, enum conv_use use, struct block *block,
                           struct block *last)
{
    const uint32_t k_tiles = c->c_in / TILE_K, n_tiles = c->c_out / LANES;
    const size_t pitch = (size_t)(c->side + 2) * c->c_in;
    const size_t tap = (size_t)k_tiles * n_tiles * (TILE_BYTES / 2);
    use_some(c, use, last, BLOCK_VECTORS);
    for (uint32_t row = 0; row < BLOCK_ROWS; row++) {
        vec sums[TILE_PX] = {0};
        for (uint32_t t = 0; t < c->n_terms; t++)
            for (uint32_t k = 0; k < k_tiles; k++) {
                const uint16_t *w =
                    c->terms[t].weights +
                    ((size_t)k * n_tiles + block->channel / LANES) * (TILE_BYTES / 2);
                /* From a row and a pixel before the first of the sums' pixels. */
                const uint16_t *in = c->terms[t].in + (block->place - 1) * c->c_in + row * pitch -
                                     pitch + k * TILE_K;
                for (uint32_t dy = 0; dy < 3; dy++, in += pitch)
                    for (uint32_t dx = 0; dx < 3; dx++, w += tap)
                        dots_multiply(sums, in + dx * c->c_in, c->c_in, w);
            }
        dots_store(block->sums[row * TILE_PX], sums);
    }
    block->next = 0;
}
#else
INLINE void multiply_block(const struct conv *c, enum conv_use use, struct block *block,
                           struct block *last)
{
    const uint32_t k_tiles = c->c_in / TILE_K, n_tiles = c->c_out / LANES;
    const uint32_t slice =
        (BLOCK_VECTORS + c->n_terms * k_tiles * 18 - 1) / (c->n_terms * k_tiles * 18);
    const size_t pitch = (size_t)(c->side + 2) * c->c_in, stride = c->c_in * sizeof(uint16_t);
    const size_t tap_row = (size_t)3 * k_tiles * n_tiles * (TILE_BYTES / 2);
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
    for (uint32_t t = 0; t < c->n_terms; t++)
        for (uint32_t k = 0; k < k_tiles; k++)
            for (uint32_t dx = 0; dx < 3; dx++) {
                const uint16_t *w = c->terms[t].weights + (((size_t)dx * k_tiles + k) * n_tiles +
                                                           block->channel / LANES) *
                                                              (TILE_BYTES / 2);
                /* The block's place is that of a pixel; its kernel begins a row and a pixel before.
                 */
                const uint16_t *in =
                    c->terms[t].in + (block->place + dx - 1) * c->c_in - pitch + k * TILE_K;
                tile_load(4, w, 64);
                tile_load(7, in, stride);
                tile_multiply(0, 7, 4);
                use_some(c, use, last, slice);
                tile_load(5, w + tap_row, 64);
                tile_load(7, in + pitch, stride);
                tile_multiply(1, 7, 4);
                tile_multiply(0, 7, 5);
                use_some(c, use, last, slice);
                tile_load(6, w + 2 * tap_row, 64);
                tile_load(7, in + 2 * pitch, stride);
                tile_multiply(2, 7, 4);
                tile_multiply(1, 7, 5);
                tile_multiply(0, 7, 6);
                use_some(c, use, last, slice);
                tile_load(7, in + 3 * pitch, stride);
                tile_multiply(3, 7, 4);
                tile_multiply(2, 7, 5);
                tile_multiply(1, 7, 6);
                use_some(c, use, last, slice);
                tile_load(7, in + 4 * pitch, stride);
                tile_multiply(3, 7, 5);
                tile_multiply(2, 7, 6);
                use_some(c, use, last, slice);
                tile_load(7, in + 5 * pitch, stride);
                tile_multiply(3, 7, 6);
                use_some(c, use, last, slice);
            }
    tile_store(0, block->sums[0], 64);
    tile_store(1, block->sums[TILE_PX], 64);
    tile_store(2, block->sums[2 * TILE_PX], 64);
    tile_store(3, block->sums[3 * TILE_PX], 64);
    block->next = 0;
}
#endif

INLINE void run(const struct conv *c, enum conv_use use)
{
    struct block blocks[2];
    int turn = 0;
    blocks[0].next = blocks[1].next = BLOCK_VECTORS;
    for (uint32_t group = 0; group < c->side; group += GROUP_ROWS)
        for (uint32_t channel = 0; channel < c->c_out; channel += LANES)
            for (uint32_t y = group; y < group + GROUP_ROWS && y < c->side; y += BLOCK_ROWS)
                for (uint32_t x = 0; x < c->side; x += TILE_PX) {
                    blocks[turn].place = (size_t)(y + 1) * (c->side + 2) + x + 1;
                    blocks[turn].channel = channel;
                    multiply_block(c, use, &blocks[turn], &blocks[!turn]);
                    turn = !turn;
                }
    use_some(c, use, &blocks[!turn], BLOCK_VECTORS);
}

void conv_run(const struct conv *c)
{
    switch (c->use) {
    case CONV_TO_SILU:
        run(c, CONV_TO_SILU);
        break;
    case CONV_TO_TRUNK:
        run(c, CONV_TO_TRUNK);
        break;
    case CONV_BACK_SILU:
        run(c, CONV_BACK_SILU);
        break;
    case CONV_BACK_TRUNK:
        run(c, CONV_BACK_TRUNK);
        break;
    case CONV_START:
        run(c, CONV_START);
        break;
    case CONV_PLAIN:
        run(c, CONV_PLAIN);
        break;
    }
}

void conv_pack(const float *weights, uint32_t c_out, uint32_t c_in, uint32_t c_out_padded,
               uint32_t c_in_padded, int turned, float factor, uint16_t *high, uint16_t *low)
{
    const uint32_t k_tiles = c_in_padded / TILE_K, n_tiles = c_out_padded / LANES;
    const size_t o_step = turned ? TAPS : (size_t)c_in * TAPS,
                 i_step = turned ? (size_t)c_out * TAPS : TAPS;
    for (uint32_t tap = 0; tap < TAPS; tap++) {
        const float *from = weights + (turned ? TAPS - 1 - tap : tap);
        for (uint32_t i = 0; i < c_in_padded; i++)
            for (uint32_t o = 0; o < c_out_padded; o++) {
                const float value =
                    o < c_out && i < c_in ? from[o * o_step + i * i_step] * factor : 0;
                const size_t tile = ((size_t)tap * k_tiles + i / TILE_K) * n_tiles + o / LANES;
                const size_t at =
                    tile * (TILE_BYTES / 2) + i % TILE_K / 2 * TILE_K + o % LANES * 2 + i % 2;
                high[at] = number_narrow(value);
                if (low)
                    low[at] = number_narrow(value - number_widen(high[at]));
            }
    }
}
