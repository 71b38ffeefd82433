/* SPDX-License-Identifier: MIT
 *
 * Rectangles around the marked cells of a grid: few and tight where the marks lie together, one
 * where they lie everywhere.
 */
#ifndef PSR_COVER_H
#define PSR_COVER_H

#include <stdint.h>

/* Most rectangles of a cover. */
enum { PSR_MOST_RECTS = 32 };

struct psr_rect {
    uint32_t x0, y0, x1, y1; /* x1 and y1 are the first that are not in it */
};

struct psr_cover_request {
    const uint8_t *spared;  /* columns * rows of them, 0: marked */
    uint32_t columns, rows; /* at least 1 each */
    /* What a rectangle costs: its area with so many cells more, in all, along either axis where it
     * does not reach both edges of the grid (half where it reaches one), and `fixed`. */
    double extra_columns, extra_rows, fixed;
};

/* Of one rectangle. */
double psr_cover_cost(const struct psr_cover_request *request, const struct psr_rect *rect);

/* Rectangles without common cells that hold all marked cells; returns how many, and their cost in
 * cells. `counts` is scratch for columns + rows numbers. The cuts are those of M. Berger and I.
 * Rigoutsos, "An algorithm for point clustering and grid generation", 1991: at the widest gap, else
 * where the number of marks jumps most. A cut is taken back where one rectangle costs less. */
uint32_t psr_cover(const struct psr_cover_request *request, uint32_t *counts,
                   struct psr_rect rects[PSR_MOST_RECTS], double *cost);

#endif
