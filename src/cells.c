/* SPDX-License-Identifier: MIT */
#include "src/cells.h"

#include <string.h>

static int64_t at_most(int64_t value, int64_t most)
{
    return value > most ? most : value;
}

uint32_t psr_count_planes(const struct psr_picture *picture)
{
    return picture->planar && !picture->yuv.gray ? PSR_PLANES : 1;
}

struct psr_plane psr_plane_describe(const struct psr_picture *picture, uint32_t index,
                                    uint32_t scale)
{
    struct psr_plane plane = {.sample_bytes = picture->planar ? picture->yuv.sample_bytes
                                                              : picture->format.pixel_bytes};
    if (index > 0) {
        plane.x_shift = picture->yuv.x_shift;
        plane.y_shift = picture->yuv.y_shift;
    }
    const uint64_t width = (uint64_t)picture->width * scale;
    const uint64_t height = (uint64_t)picture->height * scale;
    plane.row_bytes = (size_t)((width + plane.x_shift) >> plane.x_shift) * plane.sample_bytes;
    plane.rows = (int64_t)((height + plane.y_shift) >> plane.y_shift);
    plane.cell_bytes = (size_t)(PSR_CELL_PX * scale >> plane.x_shift) * plane.sample_bytes;
    plane.cell_rows = PSR_CELL_PX * scale >> plane.y_shift;
    return plane;
}

static unsigned char *row_of(const struct psr_rows *rows, int64_t y)
{
    return rows->data + (y - rows->first_row) * rows->stride_bytes;
}

/* A row of a plane: marks cells that differ, and returns how many of them were not marked. */
static uint32_t mark_row(const struct psr_plane *plane, const unsigned char *now,
                         const unsigned char *before, uint32_t columns, uint8_t mark,
                         uint8_t *marks)
{
    uint32_t n_marked = 0;
    for (uint32_t x = 0; x < columns; x++) {
        const size_t from = x * plane->cell_bytes, left = plane->row_bytes - from;
        const size_t n = left < plane->cell_bytes ? left : plane->cell_bytes;
        if (!(marks[x] & mark) && memcmp(now + from, before + from, n) != 0) {
            marks[x] |= mark;
            n_marked++;
        }
    }
    return n_marked;
}

void psr_cells_mark(const struct psr_plane *plane, const struct psr_rows *now,
                    const struct psr_rows *before, uint32_t columns, uint8_t mark, uint8_t *cells)
{
    for (int64_t top = 0; top < plane->rows; top += plane->cell_rows, cells += columns) {
        const int64_t bottom = at_most(top + plane->cell_rows, plane->rows);
        /* Of a second plane of chroma, some are marked already; then all rows are looked at. */
        uint32_t n_left = columns;
        for (int64_t y = top; y < bottom && n_left > 0; y++) {
            const unsigned char *a = row_of(now, y), *b = row_of(before, y);
            if (memcmp(a, b, plane->row_bytes) != 0)
                n_left -= mark_row(plane, a, b, columns, mark, cells);
        }
    }
}

void psr_cells_copy(const struct psr_plane *plane, const uint8_t *ages, uint8_t age,
                    uint32_t columns, uint32_t cell_row, const struct psr_rows *from,
                    const struct psr_rows *to)
{
    const int64_t y0 = (int64_t)cell_row * plane->cell_rows;
    const int64_t y1 = at_most(y0 + plane->cell_rows, plane->rows);
    for (uint32_t x = 0; x < columns; x++) {
        if (ages[x] != age)
            continue;
        const size_t first = x * plane->cell_bytes;
        while (x + 1 < columns && ages[x + 1] == age)
            x++;
        const size_t end = (x + 1) * plane->cell_bytes;
        const size_t bytes = (end < plane->row_bytes ? end : plane->row_bytes) - first;
        for (int64_t y = y0; y < y1; y++)
            memcpy(row_of(to, y) + first, row_of(from, y) + first, bytes);
    }
}
