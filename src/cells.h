/* SPDX-License-Identifier: MIT
 *
 * Pictures in cells of PSR_CELL_PX x PSR_CELL_PX input pixels: comparing and copying them, plane by
 * plane.
 */
#ifndef PSR_CELLS_H
#define PSR_CELLS_H

#include <stdint.h>

#include "src/strip.h"

/* As small as can be, so that little is computed around a small change: strips begin at multiples
 * of it, bands too, and so do chroma samples. */
enum { PSR_CELL_PX = PSR_STRIP_ALIGNMENT_PX };

/* One plane of a picture that is `scale` times as large as the input. */
struct psr_plane {
    uint32_t x_shift, y_shift;
    size_t sample_bytes; /* of a pixel where channels are interleaved */
    size_t row_bytes;
    int64_t rows;
    size_t cell_bytes; /* of a row of a cell */
    uint32_t cell_rows;
};

uint32_t psr_count_planes(const struct psr_picture *picture);

struct psr_plane psr_plane_describe(const struct psr_picture *picture, uint32_t index,
                                    uint32_t scale);

/* Sets `mark` in the cells, `columns` in a row, in which two planes differ. */
void psr_cells_mark(const struct psr_plane *plane, const struct psr_rows *now,
                    const struct psr_rows *before, uint32_t columns, uint8_t mark, uint8_t *cells);

/* Copies of row `cell_row` of the cells those whose number in `ages` is `age`. */
void psr_cells_copy(const struct psr_plane *plane, const uint8_t *ages, uint8_t age,
                    uint32_t columns, uint32_t cell_row, const struct psr_rows *from,
                    const struct psr_rows *to);

#endif
