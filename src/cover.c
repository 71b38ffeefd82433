/* SPDX-License-Identifier: MIT */
#include "src/cover.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* 2 to this power are PSR_MOST_RECTS. */
enum { MOST_CUTS_DEEP = 5 };

struct cover {
    const struct psr_cover_request *request;
    uint32_t *counts; /* marks in each column, then in each row, of the rectangle at hand */
    struct psr_rect *rects;
    uint32_t n_rects;
};

double psr_cover_cost(const struct psr_cover_request *request, const struct psr_rect *rect)
{
    const int x_sides = (rect->x0 > 0) + (rect->x1 < request->columns);
    const int y_sides = (rect->y0 > 0) + (rect->y1 < request->rows);
    const double columns = rect->x1 - rect->x0 + x_sides * request->extra_columns / 2;
    const double rows = rect->y1 - rect->y0 + y_sides * request->extra_rows / 2;
    return columns * rows + request->fixed;
}

/* Returns how many marks there are. */
static uint64_t count_marks(const struct cover *cover, const struct psr_rect *rect)
{
    uint32_t *of_column = cover->counts, *of_row = cover->counts + cover->request->columns;
    uint64_t all = 0;
    memset(of_column + rect->x0, 0, (rect->x1 - rect->x0) * sizeof *of_column);
    for (uint32_t y = rect->y0; y < rect->y1; y++) {
        const uint8_t *spared = cover->request->spared + (size_t)y * cover->request->columns;
        uint32_t n = 0;
        for (uint32_t x = rect->x0; x < rect->x1; x++) {
            const uint32_t marked = spared[x] == 0;
            of_column[x] += marked;
            n += marked;
        }
        of_row[y] = n;
        all += n;
    }
    return all;
}

static void shrink(const uint32_t *counts, uint32_t *from, uint32_t *to)
{
    while (counts[*from] == 0)
        ++*from;
    while (counts[*to - 1] == 0)
        --*to;
}

/* Where along one axis to cut, and how much that promises: a gap more than any jump. */
struct cut {
    uint32_t at;
    double promise;
};

static struct cut find_cut(const uint32_t *counts, uint32_t from, uint32_t to, uint32_t across)
{
    struct cut best = {0, 0};
    uint32_t gap = 0;
    for (uint32_t i = from + 1; i < to; i++) {
        const double change = fabs((double)counts[i] - counts[i - 1]) / across;
        gap = counts[i] == 0 ? gap + 1 : 0;
        if (gap > 0 && 1.0 + gap > best.promise)
            best = (struct cut){i, 1.0 + gap};
        else if (change > best.promise)
            best = (struct cut){i, change};
    }
    return best;
}

/* Appends the cover of a rectangle's marks and returns its cost. */
static double cover_part(struct cover *cover, struct psr_rect rect, unsigned cuts_deep)
{
    const uint32_t *of_column = cover->counts, *of_row = of_column + cover->request->columns;
    const uint64_t marks = count_marks(cover, &rect);
    if (marks == 0)
        return 0;
    shrink(of_column, &rect.x0, &rect.x1);
    shrink(of_row, &rect.y0, &rect.y1);
    const uint32_t width = rect.x1 - rect.x0, height = rect.y1 - rect.y0;
    const double alone = psr_cover_cost(cover->request, &rect);
    const uint32_t first = cover->n_rects;

    if (marks < (uint64_t)width * height && cuts_deep > 0) {
        const struct cut x_cut = find_cut(of_column, rect.x0, rect.x1, height);
        const struct cut y_cut = find_cut(of_row, rect.y0, rect.y1, width);
        struct psr_rect before = rect, after = rect;
        if (x_cut.promise >= y_cut.promise)
            before.x1 = after.x0 = x_cut.at;
        else
            before.y1 = after.y0 = y_cut.at;
        if (x_cut.promise > 0 || y_cut.promise > 0) {
            double both = cover_part(cover, before, cuts_deep - 1);
            both += cover_part(cover, after, cuts_deep - 1);
            if (both < alone)
                return both;
        }
    }
    cover->n_rects = first;
    cover->rects[cover->n_rects++] = rect;
    return alone;
}

uint32_t psr_cover(const struct psr_cover_request *request, uint32_t *counts,
                   struct psr_rect rects[PSR_MOST_RECTS], double *cost)
{
    struct cover cover = {.request = request, .counts = counts, .rects = rects};
    const struct psr_rect all = {0, 0, request->columns, request->rows};
    *cost = cover_part(&cover, all, MOST_CUTS_DEEP);
    return cover.n_rects;
}
