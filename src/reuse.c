/* SPDX-License-Identifier: MIT */
#include "src/reuse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t parts_of(uint32_t size, uint32_t part)
{
    return (size + part - 1) / part;
}

static int64_t at_least(int64_t value, int64_t least)
{
    return value < least ? least : value;
}

static int64_t at_most(int64_t value, int64_t most)
{
    return value > most ? most : value;
}

/* ---------------------------------------------------------------------------- planes and cells --
 */

/* Index of a frame's first plane. */
static size_t first_plane(const struct psr_sequence *sequence, uint32_t frame)
{
    return (size_t)frame * (sequence->picture->planar ? PSR_PLANES : 1);
}

/* A frame's planes, of `frames` or, behind the first of them, of `before`. */
static const struct psr_rows *planes_before(const struct psr_sequence *sequence,
                                            const struct psr_rows *frames,
                                            const struct psr_rows *before, uint32_t frame,
                                            uint32_t age)
{
    return age <= frame ? &frames[first_plane(sequence, frame - age)]
                        : &before[first_plane(sequence, age - frame - 1)];
}

static uint8_t *cells_of(const struct psr_reuse *reuse, uint8_t *cells, uint32_t frame)
{
    return cells + (size_t)frame * reuse->columns * reuse->rows;
}

/* ------------------------------------------------------------------------------ the comparison --
 */

/* What has changed in a cell. Chroma reaches further, as it is interpolated. */
enum { OWN = 1, CHROMA = 2 };

/* Cells before and after one along a line. */
struct spread {
    uint32_t before, after;
};

/* Sets `mark` in every cell for which a cell within its spread has it, along a line of n cells that
 * lie `step` apart. */
static void spread_line(const uint8_t *from, uint8_t *to, uint32_t n, size_t step, uint8_t mark,
                        struct spread spread)
{
    int64_t known = 0; /* cells up to this one are settled */
    for (int64_t i = 0; i < n; i++) {
        if (!(from[(size_t)i * step] & mark))
            continue;
        const int64_t end = at_most(i + spread.after + 1, n);
        for (int64_t x = at_least(i - spread.before, known); x < end; x++)
            to[(size_t)x * step] |= mark;
        known = end;
    }
}

struct comparison {
    const struct psr_reuse *reuse;
    const struct psr_sequence *sequence;
    struct spread x[CHROMA + 1], y[CHROMA + 1]; /* by mark */
};

/* How far a change reaches: to the right as far as outputs look to the left. */
static void plan_spread(struct comparison *comparison)
{
    const struct psr_sequence *sequence = comparison->sequence;
    const struct psr_reach *reach = &sequence->reach;
    for (uint8_t mark = OWN; mark <= CHROMA; mark++) {
        uint32_t px = 0, rows = 0;
        if (mark == CHROMA)
            psr_yuv_read_surround(&sequence->picture->yuv, &px, &rows);
        comparison->x[mark] = (struct spread){parts_of(reach->right + px, PSR_CELL_PX),
                                              parts_of(reach->left + px, PSR_CELL_PX)};
        comparison->y[mark] = (struct spread){parts_of(reach->down + rows, PSR_CELL_PX),
                                              parts_of(reach->up + rows, PSR_CELL_PX)};
    }
}

/* The cells of a frame whose output depends on something that is not what it was `age` frames
 * before. `wide` is scratch. */
static void find_changed(const struct comparison *comparison, uint32_t frame, uint32_t age,
                         uint8_t *cells, uint8_t *wide)
{
    const struct psr_sequence *sequence = comparison->sequence;
    const uint32_t columns = comparison->reuse->columns, rows = comparison->reuse->rows;
    const struct psr_rows *now = &sequence->in[first_plane(sequence, frame)];
    const struct psr_rows *before =
        planes_before(sequence, sequence->in, sequence->before.in, frame, age);
    const uint32_t n_planes = psr_count_planes(sequence->picture);
    const uint8_t last_mark = n_planes > 1 ? CHROMA : OWN;

    memset(cells, 0, (size_t)columns * rows);
    for (uint32_t i = 0; i < n_planes; i++) {
        const struct psr_plane plane = psr_plane_describe(sequence->picture, i, 1);
        psr_cells_mark(&plane, &now[i], &before[i], columns, i > 0 ? CHROMA : OWN, cells);
    }
    memset(wide, 0, (size_t)columns * rows);
    for (uint8_t mark = OWN; mark <= last_mark; mark++)
        for (uint32_t y = 0; y < rows; y++)
            spread_line(cells + (size_t)y * columns, wide + (size_t)y * columns, columns, 1, mark,
                        comparison->x[mark]);
    memset(cells, 0, (size_t)columns * rows);
    for (uint8_t mark = OWN; mark <= last_mark; mark++)
        for (uint32_t x = 0; x < columns; x++)
            spread_line(wide + x, cells + x, rows, columns, mark, comparison->y[mark]);
}

/* Of one frame: the cells that have to be computed, and from where the others are copied. */
static void compare_frame(void *argument, size_t job, unsigned worker)
{
    const struct comparison *comparison = argument;
    const struct psr_reuse *reuse = comparison->reuse;
    const uint32_t frame = (uint32_t)job;
    const size_t n_cells = (size_t)reuse->columns * reuse->rows;
    uint8_t *ages = cells_of(reuse, reuse->ages, frame);
    uint8_t *changed = cells_of(reuse, reuse->scratch, 2 * frame);
    uint8_t *wide = cells_of(reuse, reuse->scratch, 2 * frame + 1);
    const uint32_t n_earlier = frame + comparison->sequence->before.n;
    size_t n_left = n_cells;
    (void)worker;

    memset(ages, 0, n_cells);
    for (uint8_t age = 1; age <= PIPERSR_MAX_BEFORE && age <= n_earlier && n_left > 0; age++) {
        find_changed(comparison, frame, age, changed, wide);
        for (size_t i = 0; i < n_cells; i++) {
            if (ages[i] || changed[i])
                continue;
            ages[i] = age;
            n_left--;
        }
        /* In film nothing stays; looking further back would only cost. */
        if (n_left > n_cells / 8 * 7)
            return;
    }
}

/* ----------------------------------------------------------------------------------- the parts --
 */

static int grow(void **block, size_t size_bytes, size_t used_bytes, struct psr_mem *mem)
{
    void *grown = psr_mem_alloc(mem, size_bytes);
    if (!grown)
        return -1;
    if (used_bytes)
        memcpy(grown, *block, used_bytes);
    psr_mem_free(mem, *block);
    *block = grown;
    return 0;
}

static int reserve_cells(struct psr_reuse *reuse, uint32_t n_frames, struct psr_mem *mem)
{
    size_t cells, scratch_bytes, counts_bytes;
    if (psr_size_multiply((size_t)reuse->columns * reuse->rows, n_frames, &cells) ||
        psr_size_multiply(cells, 2, &scratch_bytes) ||
        psr_size_multiply(cells + 1, sizeof *reuse->counts, &counts_bytes))
        return -1;
    if (cells <= reuse->cells_room)
        return 0;
    reuse->cells_room = 0;
    /* A later picture may be longer with as many cells: its sides' sum is at most this. */
    if (grow((void **)&reuse->ages, cells, 0, mem) ||
        grow((void **)&reuse->scratch, scratch_bytes, 0, mem) ||
        grow((void **)&reuse->counts, counts_bytes, 0, mem))
        return -1;
    reuse->cells_room = cells;
    return 0;
}

static int reserve_parts(struct psr_reuse *reuse, size_t n, struct psr_mem *mem)
{
    if (n <= reuse->parts_room)
        return 0;
    if (grow((void **)&reuse->parts, n * sizeof *reuse->parts,
             reuse->n_parts * sizeof *reuse->parts, mem))
        return -1;
    reuse->parts_room = n;
    return 0;
}

/* Parts are computed whole, cells that did not ask for it too: these are not copied. */
static void take_cells(const struct psr_reuse *reuse, uint32_t frame, const struct psr_rect *rect)
{
    uint8_t *ages = cells_of(reuse, reuse->ages, frame);
    for (uint32_t y = rect->y0; y < rect->y1; y++)
        memset(ages + (size_t)y * reuse->columns + rect->x0, 0, rect->x1 - rect->x0);
}

static struct psr_rect in_pixels(const struct psr_rect *cells, const struct psr_picture *picture)
{
    return (struct psr_rect){
        cells->x0 * PSR_CELL_PX,
        cells->y0 * PSR_CELL_PX,
        (uint32_t)at_most((int64_t)cells->x1 * PSR_CELL_PX, picture->width),
        (uint32_t)at_most((int64_t)cells->y1 * PSR_CELL_PX, picture->height),
    };
}

static void add_frame(struct psr_reuse *reuse, const struct psr_sequence *sequence, uint32_t frame,
                      const struct psr_cover_request *surround)
{
    struct psr_cover_request request = *surround;
    struct psr_rect rects[PSR_MOST_RECTS];
    double cost;
    request.spared = cells_of(reuse, reuse->ages, frame);
    uint32_t n = psr_cover(&request, reuse->counts, rects, &cost);
    const struct psr_rect all = {0, 0, reuse->columns, reuse->rows};
    if (cost >= psr_cover_cost(&request, &all)) {
        n = 1;
        rects[0] = all;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct psr_part *part = &reuse->parts[reuse->n_parts++];
        part->frame = frame;
        part->rect = in_pixels(&rects[i], sequence->picture);
        part->cost = psr_cover_cost(&request, &rects[i]) * PSR_CELL_PX * PSR_CELL_PX;
        take_cells(reuse, frame, &rects[i]);
        reuse->cost += part->cost;
        reuse->reused_px -=
            (uint64_t)(part->rect.x1 - part->rect.x0) * (part->rect.y1 - part->rect.y0);
    }
}

int psr_reuse_plan(struct psr_reuse *reuse, const struct psr_sequence *sequence,
                   struct psr_pool *pool, struct psr_mem *mem)
{
    /* What a part costs before its first pixel, in pixels: the zeros of its borders are laid out,
     * and its narrow rows fill a kernel's tiles badly. */
    const double fixed_px = 512;
    const struct psr_picture *picture = sequence->picture;
    const struct psr_reach *reach = &sequence->reach;
    reuse->columns = parts_of(picture->width, PSR_CELL_PX);
    reuse->rows = parts_of(picture->height, PSR_CELL_PX);
    reuse->n_parts = 0;
    reuse->cost = 0;
    reuse->reused_px = (uint64_t)picture->width * picture->height * sequence->n_frames;
    if (reserve_cells(reuse, sequence->n_frames, mem) ||
        reserve_parts(reuse, (size_t)sequence->n_frames * PSR_MOST_RECTS, mem))
        return -1;

    struct comparison comparison = {.reuse = reuse, .sequence = sequence};
    plan_spread(&comparison);
    psr_pool_run(pool, sequence->n_frames, compare_frame, &comparison);

    const struct psr_cover_request request = {
        .columns = reuse->columns,
        .rows = reuse->rows,
        /* Of the surround the first layer computes all, the last none. */
        .extra_columns = (double)reach->left / PSR_CELL_PX,
        .extra_rows = (double)reach->up / PSR_CELL_PX,
        .fixed = fixed_px / (PSR_CELL_PX * PSR_CELL_PX),
    };
    for (uint32_t frame = 0; frame < sequence->n_frames; frame++)
        add_frame(reuse, sequence, frame, &request);

    /* Whole frames end together, parts less so: they have to be worth it. */
    const double worth = 0.95;
    const struct psr_rect all = {0, 0, reuse->columns, reuse->rows};
    const double whole = psr_cover_cost(&request, &all) * PSR_CELL_PX * PSR_CELL_PX;
    if (reuse->cost > worth * whole * sequence->n_frames)
        reuse->reused_px = 0;
    return 0;
}

static int compare_costs(const void *a, const void *b)
{
    const double difference =
        ((const struct psr_part *)b)->cost - ((const struct psr_part *)a)->cost;
    return (difference > 0) - (difference < 0);
}

/* Into how many strips and bands: the planner's answer for a picture of the part's size and its
 * share of the threads. */
static struct psr_plan cut_part(const struct psr_plan_request *whole, const struct psr_part *part,
                                double share, uint32_t strip_px)
{
    struct psr_plan_request request = *whole;
    request.width_px = part->rect.x1 - part->rect.x0;
    request.height_px = part->rect.y1 - part->rect.y0;
    request.n_pictures = 1;
    /* A little more than a thread's work is not worth a cut, which costs surround. */
    const double threads = whole->threads * share;
    request.threads = threads > 1.25 ? (uint32_t)ceil(threads - 0.25) : 1;
    struct psr_plan plan = psr_plan_cut(&request);
    while (psr_plan_widest_strip(request.width_px, plan.strips) > strip_px)
        plan.strips++;
    return plan;
}

int psr_reuse_share_out(struct psr_reuse *reuse, const struct psr_plan_request *request,
                        uint32_t strip_px, struct psr_mem *mem)
{
    const size_t n_whole = reuse->n_parts;
    for (size_t i = 0; i < n_whole; i++) {
        const struct psr_part whole = reuse->parts[i];
        const struct psr_plan plan = cut_part(request, &whole, whole.cost / reuse->cost, strip_px);
        const size_t n = (size_t)plan.strips * plan.bands;
        if (n == 1)
            continue;
        /* Twice as many: so it seldom happens. */
        if (reuse->n_parts + n > reuse->parts_room &&
            reserve_parts(reuse, 2 * (reuse->n_parts + n), mem))
            return -1;
        const struct psr_rect *rect = &whole.rect;
        for (size_t job = 0; job < n; job++) {
            const uint32_t strip = (uint32_t)(job % plan.strips);
            const uint32_t band = (uint32_t)(job / plan.strips);
            const uint32_t width = rect->x1 - rect->x0, height = rect->y1 - rect->y0;
            struct psr_part *part = &reuse->parts[job ? reuse->n_parts++ : i];
            *part = (struct psr_part){
                .frame = whole.frame,
                .rect = {rect->x0 + psr_plan_strip_border(width, plan.strips, strip),
                         rect->y0 + psr_plan_band_border(height, plan.bands, band),
                         rect->x0 + psr_plan_strip_border(width, plan.strips, strip + 1),
                         rect->y0 + psr_plan_band_border(height, plan.bands, band + 1)},
                .cost = whole.cost / (double)n,
            };
        }
    }
    qsort(reuse->parts, reuse->n_parts, sizeof *reuse->parts, compare_costs);
    return 0;
}

/* ------------------------------------------------------------------------------------ the rest --
 */

struct copying {
    const struct psr_reuse *reuse;
    const struct psr_sequence *sequence;
};

/* A row of cells in all frames, one after the other: each may need what those before have got. */
static void copy_row(void *argument, size_t job, unsigned worker)
{
    const struct copying *copying = argument;
    const struct psr_sequence *sequence = copying->sequence;
    const struct psr_reuse *reuse = copying->reuse;
    const uint32_t row = (uint32_t)job;
    (void)worker;
    for (uint32_t frame = 0; frame < sequence->n_frames; frame++) {
        const struct psr_rows *to = &sequence->out[first_plane(sequence, frame)];
        const uint8_t *ages = cells_of(reuse, reuse->ages, frame) + (size_t)row * reuse->columns;
        const uint32_t n_earlier = frame + sequence->before.n;
        for (uint8_t age = 1; age <= PIPERSR_MAX_BEFORE && age <= n_earlier; age++) {
            const struct psr_rows *from =
                planes_before(sequence, sequence->out, sequence->before.out, frame, age);
            for (uint32_t i = 0; i < psr_count_planes(sequence->picture); i++) {
                const struct psr_plane plane =
                    psr_plane_describe(sequence->picture, i, sequence->scale);
                psr_cells_copy(&plane, ages, age, reuse->columns, row, &from[i], &to[i]);
            }
        }
    }
}

void psr_reuse_copy(const struct psr_reuse *reuse, const struct psr_sequence *sequence,
                    struct psr_pool *pool)
{
    struct copying copying = {reuse, sequence};
    psr_pool_run(pool, reuse->rows, copy_row, &copying);
}

void psr_reuse_free(struct psr_reuse *reuse, struct psr_mem *mem)
{
    psr_mem_free(mem, reuse->ages);
    psr_mem_free(mem, reuse->scratch);
    psr_mem_free(mem, reuse->counts);
    psr_mem_free(mem, reuse->parts);
    *reuse = (struct psr_reuse){0};
}
