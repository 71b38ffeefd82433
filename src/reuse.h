/* SPDX-License-Identifier: MIT
 *
 * Consecutive frames of a video: which parts of each have to be computed, because something that
 * they depend on is not byte for byte what it was in any of the few frames before, and the copying
 * of the rest.
 *
 * Frames are looked at in cells of PSR_CELL_PX x PSR_CELL_PX input pixels.
 */
#ifndef PSR_REUSE_H
#define PSR_REUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/cells.h"
#include "src/cover.h"
#include "src/mem.h"
#include "src/pool.h"
#include "src/strip.h"

/* A rectangle of a frame's input to be computed, in pixels. */
struct psr_part {
    uint32_t frame;
    struct psr_rect rect;
    double cost; /* in pixels, surround counted */
};

/* A zeroed one is empty. Memory is kept between calls. */
struct psr_reuse {
    uint8_t *ages;    /* of each frame's cells: how many frames before lies what is copied, or 0:
                         computed */
    uint8_t *scratch; /* twice as many */
    uint32_t *counts; /* for psr_cover() */
    struct psr_part *parts;
    size_t cells_room, parts_room;

    /* Of the last plan. */
    uint32_t columns, rows; /* in cells */
    size_t n_parts;
    uint64_t reused_px; /* input pixels of all frames that are in no part; 0: all are computed, as
                           whole frames, the parts are not looked at */
    double cost;        /* of all parts */
};

/* How far from an output pixel the input lies that it depends on. */
struct psr_reach {
    uint32_t left, right, up, down; /* pixels */
};

/* The frames before some others and their outputs, the latest first. Of planar pictures each is
 * PSR_PLANES rows. */
struct psr_frames_before {
    uint32_t n; /* 0..PIPERSR_MAX_BEFORE */
    const struct psr_rows *in, *out;
};

/* Pictures that follow each other and `before`. Of planar pictures each is PSR_PLANES rows. */
struct psr_sequence {
    const struct psr_picture *picture;
    uint32_t n_frames;
    uint32_t scale;
    struct psr_reach reach; /* of the network alone; how chroma is read is not counted */
    const struct psr_rows *in, *out;
    struct psr_frames_before before;
};

/* Compares the frames, on the pool, and plans the parts, if they save enough. Returns -1 when there
 * is no memory. */
int psr_reuse_plan(struct psr_reuse *reuse, const struct psr_sequence *sequence,
                   struct psr_pool *pool, struct psr_mem *mem);

/* Cuts the parts further, so that all threads have work till the end, into strips of at most
 * `strip_px` columns, and puts the long ones first. `request` is of the whole picture. Returns -1
 * when there is no memory. */
int psr_reuse_share_out(struct psr_reuse *reuse, const struct psr_plan_request *request,
                        uint32_t strip_px, struct psr_mem *mem);

/* When all parts are computed: fills in the rest of each output from the one before. */
void psr_reuse_copy(const struct psr_reuse *reuse, const struct psr_sequence *sequence,
                    struct psr_pool *pool);

void psr_reuse_free(struct psr_reuse *reuse, struct psr_mem *mem);

#endif
