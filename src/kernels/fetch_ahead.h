/* SPDX-License-Identifier: MIT
 *
 * Rows come from a cache that is far. While a block's products are computed, what is needed next
 * can come near.
 */
#ifndef PSR_FETCH_AHEAD_H
#define PSR_FETCH_AHEAD_H

#include "src/kernels/kernels.h"

/* Asks for `bytes` from p on, to be in L2 some thousand cycles later. */
static inline void psr_fetch(const void *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)p + i, 0, 2);
}

/* For the tile of four pixels at x: its residuals, the lines that its outputs go to, and the inputs
 * of the tile that lies block_px further, in its place of the next block. `narrow_bytes` is the
 * size of an element of the rows that are read, `tile_rows` how many are made. */
static inline void psr_fetch_ahead(const struct psr_conv *c, uint32_t x, size_t block_px,
                                   size_t narrow_bytes, uint32_t tile_rows)
{
    const size_t at = (size_t)x * c->out_px, next = (x + block_px) * c->in_px;
    const size_t out_bytes = c->narrow_out ? narrow_bytes : sizeof(float);

    for (uint32_t r = 0; r < tile_rows + 2; r++)
        psr_fetch((const char *)c->in[r] + next * narrow_bytes, 4 * c->in_px * narrow_bytes);
    for (uint32_t r = 0; r < c->n_rows; r++) {
        const struct psr_conv_row *row = &c->row[r];
        psr_fetch((const char *)row->out + at * out_bytes, 4 * c->out_px * out_bytes);
        if (row->codes)
            psr_fetch(row->codes + at, 4 * c->out_px);
        if (row->residual && row->residual != row->out)
            psr_fetch(row->residual + at, 4 * c->out_px * sizeof(float));
        if (row->residual2)
            psr_fetch(row->residual2 + at, 4 * c->out_px * sizeof(float));
    }
}

#endif
