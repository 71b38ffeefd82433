/* SPDX-License-Identifier: MIT
 *
 * Plans how a picture is cut into strips and bands, and runs them on the worker threads.
 *
 * Whole frames, one or several at once, are cut into strips and, where that keeps more threads
 * busy, bands (src/plan.h); each part is a job of its own with the scratch memory of the worker
 * that takes it. Rows-in, rows-out keeps one state for every strip and advances all of them by the
 * rows that were pushed.
 */
#ifndef PSR_ENGINE_H
#define PSR_ENGINE_H

#include <stdatomic.h>

#include "pipersr.h"
#include "src/mem.h"
#include "src/pool.h"
#include "src/reuse.h"
#include "src/strip.h"

struct psr_engine {
    struct psr_network network;
    struct psr_pool *pool; /* the owner's */
    struct psr_mem *mem;   /* the owner's */
    atomic_bool cancelled;
    uint32_t strip_width, band_height; /* asked for; 0: automatic */
    uint64_t cache_bytes;              /* that one thread may count on */

    struct psr_strip *strips; /* per worker (frames) or per strip of the picture (rows) */
    uint32_t n_strips;
    struct psr_reuse reuse;

    /* Rows-in, rows-out in progress. */
    struct psr_picture picture;
    uint32_t columns; /* strips that the picture is cut into; 0: none in progress */
    uint32_t rows_in; /* taken so far */
};

pipersr_status psr_engine_init(struct psr_engine *engine, const pipersr_model *model,
                               const struct psr_kernels *kernels, const pipersr_options *options,
                               struct psr_pool *pool, struct psr_mem *mem, pipersr_error *error);
void psr_engine_free(struct psr_engine *engine);

/* n_frames >= 1 pictures of one size and format: in[i] becomes out[i]; of a planar picture the
 * PSR_PLANES planes from i * PSR_PLANES on. Their data, sizes and formats have been checked. */
pipersr_status psr_engine_run_frames(struct psr_engine *engine, const struct psr_picture *picture,
                                     uint32_t n_frames, const struct psr_rows *in,
                                     const struct psr_rows *out, pipersr_error *error);

/* The same for frames that follow each other and `before`, of which only what has changed is
 * computed. *reused_px: input pixels whose output was copied. */
pipersr_status psr_engine_run_next_frames(struct psr_engine *engine,
                                          const struct psr_picture *picture, uint32_t n_frames,
                                          const struct psr_rows *in, const struct psr_rows *out,
                                          const struct psr_frames_before *before,
                                          uint64_t *reused_px, pipersr_error *error);

/* How many such frames at once keep all threads busy without cutting any into bands. */
uint32_t psr_engine_frames_at_once(const struct psr_engine *engine,
                                   const struct psr_picture *picture);

/* Ends whatever was in progress. */
pipersr_status psr_engine_rows_begin(struct psr_engine *engine, const struct psr_picture *picture,
                                     pipersr_error *error);
/* Output rows that `n_rows` more input rows make ready. */
uint32_t psr_engine_rows_output(const struct psr_engine *engine, uint32_t n_rows);
/* data at in->data is the next input row, out->data the next output row. */
pipersr_status psr_engine_rows_push(struct psr_engine *engine, const void *in,
                                    ptrdiff_t in_stride_bytes, uint32_t n_rows, void *out,
                                    ptrdiff_t out_stride_bytes, pipersr_error *error);

#endif
