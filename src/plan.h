/* SPDX-License-Identifier: MIT
 *
 * Into how many strips (columns) and bands (rows) pictures are cut, so that the threads end
 * together and little is computed twice. The cut never changes a result.
 */
#ifndef PSR_PLAN_H
#define PSR_PLAN_H

#include <stdint.h>

/* Strips begin at multiples of this many columns, and bands of this many rows, so that tiles of a
 * kernel lie the same way in all of them (psr_kernels.tile_px, tile_rows). */
enum { PSR_STRIP_ALIGNMENT_PX = 4, PSR_BAND_ALIGNMENT_ROWS = 2 };

struct psr_plan_request {
    uint32_t width_px, height_px; /* of each picture */
    uint32_t n_pictures;
    uint32_t threads;
    uint32_t surround_px, surround_rows; /* that a strip reads beyond its own, on each side */
    uint64_t bytes_per_column;           /* of a strip's memory */
    uint64_t cache_bytes;                /* that a thread's strip should fit in */
    uint32_t strip_width_px;             /* asked for by the caller; 0: free */
    uint32_t band_height_px;             /* the same */
    uint32_t max_bands;                  /* 1: rows come one after the other */
};

struct psr_plan {
    uint32_t strips, bands; /* of each picture */
};

/* The cut with the least time until the last thread ends, by this model: jobs are dealt out in
 * rounds; a job's work is its area with half of the surround that it computes for itself (the first
 * layer needs all of it, the last none); strips that outgrow the cache cost 5 % for each doubling,
 * which is what was measured between 400 and 1600 columns. */
struct psr_plan psr_plan_cut(const struct psr_plan_request *request);

/* Most strips that a picture can be cut into. */
uint32_t psr_plan_most_strips(uint32_t width_px);

/* First column of strip i of `strips`, i <= strips; about equal parts. */
uint32_t psr_plan_strip_border(uint32_t width_px, uint32_t strips, uint32_t i);

/* Columns of the widest of them. */
uint32_t psr_plan_widest_strip(uint32_t width_px, uint32_t strips);

/* First row of band i of `bands`, i <= bands. */
uint32_t psr_plan_band_border(uint32_t height_px, uint32_t bands, uint32_t i);

/* How many pictures at once let `threads` threads work without bands, and end together: 1 for one
 * thread, else 2..threads: a thread that is held up then has the others wait half as often. The
 * request's n_pictures is not looked at. */
uint32_t psr_plan_pictures_at_once(const struct psr_plan_request *request);

#endif
