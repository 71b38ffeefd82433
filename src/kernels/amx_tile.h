/* SPDX-License-Identifier: MIT
 *
 * What the AMX kernels share: how a row is cut into blocks, the tile multiplies of a block, and in
 * their shadow what follows the sums of the block before.
 *
 * A tile register holds up to 16 rows of 64 bytes. A block is up to 32 pixels by 32 output
 * channels: tiles 0..3 are its sums, [pixels][channels], tiles 4 and 5 its inputs, one row a pixel,
 * straight from the row in memory, and tiles 6 and 7 its weights. So four multiplies need four
 * loads, the least that eight registers allow. A group of 16 output channels is packed as the
 * entries of a single vector pack it, and a tile of weights is a part of that as it lies: row k
 * holds the four bytes that multiply bytes 4k..4k+3 of a pixel, for 16 channels.
 *
 * Channels go around pixels, so that the weights of 32 output channels stay in L1 while the row
 * passes by (int8, 64 to 64 channels: 18 KiB).
 */
#ifndef PSR_AMX_TILE_H
#define PSR_AMX_TILE_H

/* Until version 15, clang had its own names for these. */
#if !defined(__AMX_TILE__) && !defined(__AMXTILE__)
#error "build this file with -mamx-tile and the flags of avx512.c"
#endif

#include "src/kernels/avx512_finish.h"

enum { TILE_ROWS = 16, TILE_ROW_BYTES = 64, BLOCK_PX = 2 * TILE_ROWS, BLOCK_CHANNELS = 2 * LANES };
enum { QUAD = 4 }; /* pixels that are finished together */

/* Not the intrinsics: gcc 12's do not say that they read memory, so that what is stored there
 * before could be stored too late. */
#define PSR_AMX_LOAD(tile, from, stride_bytes)                                                     \
    __asm__ volatile("tileloadd (%0,%1), %%tmm" #tile                                              \
                     :                                                                             \
                     : "r"(from), "r"((ptrdiff_t)(stride_bytes))                                   \
                     : "memory")
#define PSR_AMX_STORE(tile, to, stride_bytes)                                                      \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1)"                                          \
                     :                                                                             \
                     : "r"(to), "r"((ptrdiff_t)(stride_bytes))                                     \
                     : "memory")
/* sums += inputs x weights. IS_INT8 is a constant: unsigned by signed bytes, or else bf16. */
#define PSR_AMX_MULTIPLY(is_int8, sums, inputs, weights)                                           \
    do {                                                                                           \
        if (is_int8)                                                                               \
            __asm__ volatile("tdpbusd %tmm" #weights ", %tmm" #inputs ", %tmm" #sums);             \
        else                                                                                       \
            __asm__ volatile("tdpbf16ps %tmm" #weights ", %tmm" #inputs ", %tmm" #sums);           \
    } while (0)

/* The operand of LDTILECFG. */
struct psr_amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static inline void psr_amx_configure(const struct psr_amx_config *config)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(*config));
}

/* Back to the state that a task switch need not save. */
static inline void psr_amx_release(void)
{
    __asm__ volatile("tilerelease");
}

/* How a row is cut. All tiles of a row have the same shape, as the configuration stays: pixels are
 * dealt out to tiles in even shares, and the last tiles begin earlier where the row would end, so
 * that some sums are computed twice; input channels are cut into equal parts of at most a tile's
 * row. */
struct psr_amx_plan {
    uint32_t tiles;      /* of pixels; an even number */
    uint32_t tile_px;    /* 1 .. TILE_ROWS */
    uint32_t parts;      /* of a pixel's input channels */
    uint32_t part_bytes; /* a multiple of 4, at most TILE_ROW_BYTES */
    size_t group_bytes;  /* of 16 packed output channels */
};

static inline struct psr_amx_plan psr_amx_make_plan(const struct psr_conv *c, const bool is_int8)
{
    const uint32_t pixel_bytes = c->c_in * (is_int8 ? 1 : 2);
    struct psr_amx_plan plan = {
        .tiles = (c->n_px + BLOCK_PX - 1) / BLOCK_PX * 2,
        .parts = (pixel_bytes + TILE_ROW_BYTES - 1) / TILE_ROW_BYTES,
        .group_bytes =
            is_int8 ? psr_packed_bytes_int8(c->c_in, LANES) : psr_packed_bytes_bf16(c->c_in, LANES),
    };
    while (pixel_bytes % (4 * plan.parts))
        plan.parts++;
    plan.part_bytes = pixel_bytes / plan.parts;
    plan.tile_px = (c->n_px + plan.tiles - 1) / plan.tiles;
    return plan;
}

static inline void psr_amx_configure_row(const struct psr_amx_plan *plan)
{
    struct psr_amx_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        const bool is_input = i == 4 || i == 5, is_weights = i > 5;
        config.rows[i] = (uint8_t)(is_weights ? plan->part_bytes / 4 : plan->tile_px);
        config.row_bytes[i] = (uint16_t)(is_input ? plan->part_bytes : TILE_ROW_BYTES);
    }
    psr_amx_configure(&config);
}

/* A block; after its multiplies, one whose sums wait to be finished. */
struct psr_amx_block {
    const unsigned char *group[2]; /* packed, of 16 output channels each; the second may not be */
    uint32_t first;                /* output channel */
    bool is_wide;                  /* 32 output channels, not 16 */
    uint32_t x[2];                 /* first pixels of the two tiles */
    uint32_t next, end;            /* pixels whose outputs are still to be written */
    enum psr_after after;
};

static inline struct psr_amx_block psr_amx_make_block(const struct psr_conv *c,
                                                      const struct psr_amx_plan *plan,
                                                      uint32_t first, uint32_t tile)
{
    const bool is_wide = c->c_out - first >= BLOCK_CHANNELS;
    const unsigned char *group =
        (const unsigned char *)c->packed + first / LANES * plan->group_bytes;
    struct psr_amx_block block = {
        .group = {group, is_wide ? group + plan->group_bytes : group},
        .first = first,
        .is_wide = is_wide,
        .next = tile * plan->tile_px,
        .end = (tile + 2) * plan->tile_px,
        .after = psr_avx512_after(c, 1),
    };
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t x = (tile + i) * plan->tile_px, last = c->n_px - plan->tile_px;
        block.x[i] = x < last ? x : last;
    }
    if (block.end > c->n_px)
        block.end = c->n_px;
    return block;
}

/* What follows the sums of up to QUAD of the waiting pixels; moves block->next on. `sums` begins
 * with those of pixel block->x[0]. Not inlined: the loop around the multiplies has to stay short.
 */
typedef void psr_amx_finish(const struct psr_conv *c, struct psr_amx_block *block,
                            const int32_t *sums);

/* What each precision does itself, called by constants and inlined. The n pixels that are next, of
 * 32 or 16 channels, as numbers: [half][pixel]. */
typedef void psr_amx_values(const struct psr_amx_block *block, const int32_t *sums, uint32_t n,
                            int halves, __m512 value[2 * QUAD]);
/* Four pixels' 16 channels from `channel` on, to element `at` of the row and in steps of px, the
 * first n of them: as the next layer reads them, if it reads this row. */
typedef void psr_amx_store_narrow(const struct psr_conv *c, const struct psr_conv_row *row,
                                  uint32_t channel, size_t at, size_t px, const __m512 value[QUAD],
                                  uint32_t n, bool narrow);

static inline __attribute__((always_inline)) void
psr_amx_finish_quad(const struct psr_conv *c, const struct psr_amx_block *block,
                    const int32_t *sums, uint32_t n, const bool wide, const enum psr_after after,
                    psr_amx_values *values, psr_amx_store_narrow *store_narrow)
{
    const int halves = wide ? 2 : 1;
    const bool narrow = after == PSR_ANYTHING ? c->narrow_out : after == PSR_MIDDLE;
    /* Not to be read again after every store. */
    const struct psr_conv_row row = c->row[0];
    const size_t px = c->out_px;
    __m512 value[2 * QUAD] = {_mm512_setzero_ps()};

    values(block, sums + (size_t)(block->next - block->x[0]) * BLOCK_CHANNELS, n, halves, value);
    if (after == PSR_MIDDLE || (after == PSR_ANYTHING && c->activation == PSR_SILU))
        psr_avx512_silu_of_all(value, halves * QUAD);
    PSR_UNROLL(2)
    for (int k = 0; k < halves; k++) {
        const uint32_t channel = block->first + (uint32_t)k * LANES;
        const size_t at = block->next * px + channel;
        if (after != PSR_MIDDLE)
            psr_avx512_add_quad(&row, value + k * QUAD, at, px, n, after);
        if (!narrow)
            psr_avx512_store_quad((float *)row.out + at, px, value + k * QUAD, n);
        store_narrow(c, &row, channel, at, px, value + k * QUAD, n, narrow);
    }
}

/* psr_amx_finish_quad() for the next n pixels, wide and after as constants, and n as well unless
 * that is PSR_ANYTHING. */
#define PSR_AMX_FINISH(c, block, sums, VALUES, STORE)                                              \
    do {                                                                                           \
        const uint32_t left = (block)->end - (block)->next, n = left < QUAD ? left : QUAD;         \
        const enum psr_after after = n < QUAD ? PSR_ANYTHING : (block)->after;                     \
        switch (after * 2 + (block)->is_wide) {                                                    \
            PSR_AMX_CASES(c, block, sums, VALUES, STORE, QUAD, PSR_MIDDLE)                         \
            PSR_AMX_CASES(c, block, sums, VALUES, STORE, QUAD, PSR_TRUNK)                          \
            PSR_AMX_CASES(c, block, sums, VALUES, STORE, n, PSR_ANYTHING)                          \
        }                                                                                          \
        (block)->next += n;                                                                        \
    } while (0)
#define PSR_AMX_CASES(c, block, sums, VALUES, STORE, N, AFTER)                                     \
    case AFTER * 2:                                                                                \
        psr_amx_finish_quad(c, block, sums, N, false, AFTER, VALUES, STORE);                       \
        break;                                                                                     \
    case AFTER * 2 + 1:                                                                            \
        psr_amx_finish_quad(c, block, sums, N, true, AFTER, VALUES, STORE);                        \
        break;

/* The parts that are not the same for each precision, all of them constants. */
struct psr_amx_precision {
    bool is_int8;
    uint32_t header_bytes; /* of a packed group; the sums' start values are the first of it */
    psr_amx_finish *finish;
};

/* A quad in every `between`th pause. */
static inline __attribute__((always_inline)) void
psr_amx_pause(const struct psr_conv *c, psr_amx_finish *finish, struct psr_amx_block *waiting,
              const int32_t *sums, uint32_t between, uint32_t *until)
{
    if (--*until == 0) {
        *until = between;
        if (waiting->next < waiting->end)
            finish(c, waiting, sums);
    }
}

/* The sums of a block into tiles 0..3, and between the multiplies all of the waiting pixels. */
static inline __attribute__((always_inline)) void
psr_amx_multiply_block(const struct psr_conv *c, const struct psr_amx_precision precision,
                       const struct psr_amx_plan *plan, const struct psr_amx_block *block,
                       const bool is_wide, struct psr_amx_block *waiting, const int32_t *sums)
{
    const size_t pixel_bytes = c->in_px * (precision.is_int8 ? 1 : 2);
    const size_t weight_bytes = (size_t)plan->part_bytes / 4 * TILE_ROW_BYTES;
    const unsigned char *weight[2] = {block->group[0], block->group[1]};
    const uint32_t pauses = 9 * plan->parts * 2;
    const uint32_t quads = (waiting->end - waiting->next + QUAD - 1) / QUAD;
    const uint32_t between = quads ? pauses / quads : pauses + 1;
    uint32_t until = between;

    /* Each row of sums starts with the same values. */
    PSR_AMX_LOAD(0, weight[0], 0);
    PSR_AMX_LOAD(2, weight[0], 0);
    if (is_wide) {
        PSR_AMX_LOAD(1, weight[1], 0);
        PSR_AMX_LOAD(3, weight[1], 0);
    }
    weight[0] += precision.header_bytes;
    weight[1] += precision.header_bytes;
    for (size_t tap = 0; tap < 9; tap++) {
        const unsigned char *in = (const unsigned char *)c->in[tap / 3] + tap % 3 * pixel_bytes;
        for (uint32_t part = 0; part < plan->parts; part++, in += plan->part_bytes) {
            PSR_AMX_LOAD(6, weight[0], TILE_ROW_BYTES);
            PSR_AMX_LOAD(4, in + block->x[0] * pixel_bytes, pixel_bytes);
            PSR_AMX_MULTIPLY(precision.is_int8, 0, 4, 6);
            if (is_wide) {
                PSR_AMX_LOAD(7, weight[1], TILE_ROW_BYTES);
                PSR_AMX_MULTIPLY(precision.is_int8, 1, 4, 7);
            }
            psr_amx_pause(c, precision.finish, waiting, sums, between, &until);
            PSR_AMX_LOAD(5, in + block->x[1] * pixel_bytes, pixel_bytes);
            PSR_AMX_MULTIPLY(precision.is_int8, 2, 5, 6);
            if (is_wide)
                PSR_AMX_MULTIPLY(precision.is_int8, 3, 5, 7);
            psr_amx_pause(c, precision.finish, waiting, sums, between, &until);
            weight[0] += weight_bytes;
            weight[1] += weight_bytes;
        }
    }
}

/* Tiles that overlap hold the same sums, so either may be stored over the other. */
static inline void psr_amx_store_sums(const struct psr_amx_block *block, int32_t *sums)
{
    const size_t row_bytes = BLOCK_CHANNELS * sizeof *sums;
    int32_t *second = sums + (size_t)(block->x[1] - block->x[0]) * BLOCK_CHANNELS;
    PSR_AMX_STORE(0, sums, row_bytes);
    PSR_AMX_STORE(2, second, row_bytes);
    if (block->is_wide) {
        PSR_AMX_STORE(1, sums + LANES, row_bytes);
        PSR_AMX_STORE(3, second + LANES, row_bytes);
    }
}

/* A whole row. Tiles are in use from its start to its end only: between rows a task switch costs
 * what it always does. */
static inline __attribute__((always_inline)) void
psr_amx_conv_row(const struct psr_conv *c, const struct psr_amx_precision precision)
{
    const struct psr_amx_plan plan = psr_amx_make_plan(c, precision.is_int8);
    _Alignas(64) int32_t sums[BLOCK_PX * BLOCK_CHANNELS];
    struct psr_amx_block waiting = {.group = {c->packed, c->packed}};

    psr_amx_configure_row(&plan);
    for (uint32_t first = 0; first < c->c_out; first += BLOCK_CHANNELS) {
        for (uint32_t tile = 0; tile < plan.tiles; tile += 2) {
            const struct psr_amx_block block = psr_amx_make_block(c, &plan, first, tile);
            if (block.is_wide)
                psr_amx_multiply_block(c, precision, &plan, &block, true, &waiting, sums);
            else
                psr_amx_multiply_block(c, precision, &plan, &block, false, &waiting, sums);
            psr_amx_store_sums(&block, sums);
            waiting = block;
        }
    }
    psr_amx_release();
    while (waiting.next < waiting.end)
        precision.finish(c, &waiting, sums);
}

/* The most multiplies a second: six independent ones at a time, of full tiles. Elements of `ones`
 * are 1 in the precision's own form. Returns the operations done. */
static inline __attribute__((always_inline)) uint64_t
psr_amx_probe(uint64_t rounds, const bool is_int8, const void *ones, int32_t sums[LANES])
{
    struct psr_amx_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.rows[i] = TILE_ROWS;
        config.row_bytes[i] = TILE_ROW_BYTES;
    }
    _Alignas(64) int32_t stored[TILE_ROWS * LANES];
    const int32_t zero[LANES] = {0};

    psr_amx_configure(&config);
    PSR_AMX_LOAD(0, zero, 0);
    PSR_AMX_LOAD(1, zero, 0);
    PSR_AMX_LOAD(2, zero, 0);
    PSR_AMX_LOAD(3, zero, 0);
    PSR_AMX_LOAD(4, zero, 0);
    PSR_AMX_LOAD(5, zero, 0);
    PSR_AMX_LOAD(6, ones, 0);
    PSR_AMX_LOAD(7, ones, 0);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_AMX_MULTIPLY(is_int8, 0, 6, 7);
        PSR_AMX_MULTIPLY(is_int8, 1, 6, 7);
        PSR_AMX_MULTIPLY(is_int8, 2, 6, 7);
        PSR_AMX_MULTIPLY(is_int8, 3, 6, 7);
        PSR_AMX_MULTIPLY(is_int8, 4, 6, 7);
        PSR_AMX_MULTIPLY(is_int8, 5, 6, 7);
    }
    PSR_AMX_STORE(5, stored, TILE_ROW_BYTES);
    psr_amx_release();
    memcpy(sums, stored, TILE_ROW_BYTES);
    return rounds * 6 * 2 * TILE_ROWS * LANES * (is_int8 ? 64 : 32);
}

#endif
