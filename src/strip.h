/* SPDX-License-Identifier: MIT
 *
 * The network run depth-first over a strip of columns: each new input row pushes one row through
 * every layer, and only the few rows that later layers still need are kept, in rings.
 *
 * A strip produces the output of columns x0..x1 and rows y0..y1 of the picture. It reads as many
 * pixels more on each side as these depend on, where the picture has them; beyond the picture lies
 * zero, at every layer. What it computes does not depend on where its borders are.
 */
#ifndef PSR_STRIP_H
#define PSR_STRIP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/frame.h"
#include "src/kernels/kernels.h"
#include "src/mem.h"
#include "src/model.h"
#include "src/plan.h"
#include "src/yuv.h"

/* Looks at the rows that body convolutions read, as calibration does. fp32 only: `row` holds the
 * input of layer `reader`, n_px pixels of all channels; of a picture every pixel comes once. */
struct psr_observer {
    void (*row)(void *opaque, uint32_t reader, const float *row, uint32_t n_px);
    void *opaque;
};

/* A model packed for one kernel set. Constant once made; shared by all strips. */
struct psr_network {
    const struct psr_kernels *kernels; /* the head has kernels->head, where there is one */
    void *packed[PSR_MAX_LAYERS];
    struct psr_coding coding[PSR_MAX_LAYERS]; /* int8: of each body layer's input; the model's */
    uint32_t n_layers;
    uint32_t channels;
    uint32_t c_tail; /* output channels of the tail, padded */
    uint32_t scale;
    size_t scratch_bytes;                /* of the kernel that needs most */
    const struct psr_observer *observer; /* NULL: none */
};

/* ERROR_MEMORY leaves nothing allocated. */
pipersr_status psr_network_init(struct psr_network *network, const pipersr_model *model,
                                const struct psr_kernels *kernels, struct psr_mem *mem);
void psr_network_free(struct psr_network *network, struct psr_mem *mem);

struct psr_picture {
    uint32_t width, height; /* of the input */
    struct psr_format format;
    bool planar; /* YUV in planes: `format` is not looked at, it has no alpha */
    struct psr_yuv yuv;
};

struct psr_ring {
    unsigned char *rows;
    size_t row_bytes, element_bytes;
    uint32_t depth;
};

struct psr_strip {
    void *memory;
    size_t memory_bytes;

    /* Columns beyond the strip on each side that a layer makes, as later layers depend on them; and
     * that are read of the input. */
    uint32_t reach_px[PSR_MAX_LAYERS], input_reach_px;
    uint32_t reach_rows[PSR_MAX_LAYERS], input_reach_rows; /* the same above and below */
    uint32_t row_px; /* pixels of a ring's row: strip, input_reach_px on each side, and zeros */
    struct psr_ring input, alpha, middle[PSR_MAX_BLOCKS];
    /* Head and trunk in float, to be added to; and as the next convolution reads them, which in
     * fp32 is the same ring. */
    struct psr_ring head, trunk, head_narrow, trunk_narrow;
    void *zero_row;                     /* of floats, or of bf16 */
    uint8_t *zero_rows[PSR_MAX_LAYERS]; /* int8: of the codes of 0, for each body layer */
    float *tail_rows, *rgb_row, *alpha_row;
    float *yuv_in, *yuv_out; /* scratch of the conversions */
    size_t yuv_out_px;
    void *scratch; /* the kernels' */

    const struct psr_picture *picture;
    int64_t x0, x1, y0, y1;
    int64_t time; /* input rows taken, counted from the picture's top; goes on past its end */
    int64_t done; /* of these, how many the layers have worked on */
};

/* Bytes that a strip of `width` columns of such a picture needs. Returns -1 on overflow. */
int psr_strip_bytes(const struct psr_network *network, const struct psr_picture *picture,
                    uint32_t width, size_t *bytes);

/* Columns and rows that a strip reads beyond its own, on each side. */
void psr_strip_surround(const struct psr_network *network, const struct psr_picture *picture,
                        uint32_t *px, uint32_t *rows);

/* Makes sure that the strip has that much memory. Returns -1 when there is none. */
int psr_strip_reserve(struct psr_strip *strip, struct psr_mem *mem, size_t bytes);

/* Starts on a part of a picture; `picture` must live until the strip is done. The strip must have
 * the memory for x1 - x0 columns; x0 is a multiple of PSR_STRIP_ALIGNMENT_PX, and so is x1 unless
 * it is the picture's width; likewise y0 and y1 of PSR_BAND_ALIGNMENT_ROWS. */
void psr_strip_begin(struct psr_strip *strip, const struct psr_network *network,
                     const struct psr_picture *picture, uint32_t x0, uint32_t x1, uint32_t y0,
                     uint32_t y1);

/* Time at which everything is out: psr_strip_advance() to it ends the strip. */
int64_t psr_strip_end(const struct psr_strip *strip, const struct psr_network *network);

/* Output rows of the tail, before pixel shuffle, that are out when rows_in of a picture's rows are
 * in and all strips were advanced that far. */
uint32_t psr_strip_rows_ready(const struct psr_network *network, uint32_t height, uint32_t rows_in);

/* Takes input rows up to `time` (those that the picture has) and writes every output row that
 * becomes ready. `in` must hold the input rows from the strip's time on, `out` the output rows that
 * come out; of a planar picture both are three, its whole planes. Stops early when *cancel becomes
 * true. */
void psr_strip_advance(struct psr_strip *strip, const struct psr_network *network, int64_t time,
                       const struct psr_rows *in, const struct psr_rows *out,
                       const atomic_bool *cancel);

#endif
