/* SPDX-License-Identifier: MIT */
#include "src/engine.h"

#include <inttypes.h>
#include <string.h>

#include "src/error.h"

enum {
    /* Where a strip's width is free. Wider strips waste less on their surround (about 15 columns of
     * work each) and spread each layer's weights over more pixels; the rows of one layer should
     * still fit in a core's L2 cache: 4 rows of 384 pixels of 64 floats are 400 KB. */
    STRIP_WIDTH_PX = 384,
    /* Below this a strip is mostly surround. */
    MIN_STRIP_PX = 32,
    MIN_BAND_PX = 64
};

pipersr_status psr_engine_init(struct psr_engine *engine, const pipersr_model *model,
                               const struct psr_kernels *kernels, const pipersr_options *options,
                               struct psr_pool *pool, struct psr_mem *mem, pipersr_error *error)
{
    memset(engine, 0, sizeof *engine);
    engine->pool = pool;
    engine->mem = mem;
    engine->strip_width = options->strip_width_px;
    engine->band_height = options->band_height_px;
    atomic_init(&engine->cancelled, false);
    if (psr_network_init(&engine->network, model, kernels, mem))
        return psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory for the packed weights%s",
                        mem->limit_bytes ? " within the memory limit" : "");
    return PIPERSR_OK;
}

static void free_strips(struct psr_engine *engine)
{
    for (uint32_t i = 0; i < engine->n_strips; i++)
        psr_mem_free(engine->mem, engine->strips[i].memory);
    psr_mem_free(engine->mem, engine->strips);
    engine->strips = NULL;
    engine->n_strips = 0;
}

void psr_engine_free(struct psr_engine *engine)
{
    free_strips(engine);
    psr_network_free(&engine->network, engine->mem);
}

/* ------------------------------------------------------------------------------ the planning -- */

static uint32_t parts_of(uint32_t size, uint32_t part)
{
    return (size + part - 1) / part;
}

/* Border i of n equal bands of `height`. */
static uint32_t band_border(uint32_t height, uint32_t bands, uint32_t i)
{
    return (uint32_t)((uint64_t)height * i / bands);
}

/* A picture cannot be cut into more strips than this. */
static uint32_t most_strips(uint32_t width)
{
    return parts_of(width, PSR_STRIP_ALIGNMENT_PX);
}

/* Border i of n strips of `width`, about equal. */
static uint32_t strip_border(uint32_t width, uint32_t strips, uint32_t i)
{
    const uint64_t px = (uint64_t)most_strips(width) * i / strips * PSR_STRIP_ALIGNMENT_PX;
    return px < width ? (uint32_t)px : width;
}

/* Of n strips of `width`. */
static uint32_t widest_strip(uint32_t width, uint32_t strips)
{
    const uint32_t px = parts_of(most_strips(width), strips) * PSR_STRIP_ALIGNMENT_PX;
    return px < width ? px : width;
}

/* Strips for a width: as wide as allowed, and a multiple of the threads where that leaves them
 * reasonably wide, so that all threads end together. */
static uint32_t count_strips(const struct psr_engine *engine, uint32_t width)
{
    if (engine->strip_width) {
        const uint32_t strips = parts_of(width, engine->strip_width);
        return strips < most_strips(width) ? strips : most_strips(width);
    }
    const uint32_t threads = psr_pool_threads(engine->pool);
    uint32_t strips = parts_of(width, STRIP_WIDTH_PX);
    const uint32_t even = parts_of(strips, threads) * threads;
    if (width / even >= MIN_STRIP_PX)
        return even;
    const uint32_t most = width / MIN_STRIP_PX;
    return most > strips ? most : strips;
}

/* Bands for a picture with too few strips to go round. */
static uint32_t count_bands(const struct psr_engine *engine, uint32_t strips, uint32_t height)
{
    if (engine->band_height)
        return parts_of(height, engine->band_height);
    const uint32_t threads = psr_pool_threads(engine->pool);
    const uint32_t wanted = strips >= threads ? 1 : parts_of(threads, strips);
    const uint32_t most = height / MIN_BAND_PX;
    return wanted <= most ? wanted : most > 1 ? most : 1;
}

static pipersr_status fail_memory(const struct psr_engine *engine,
                                  const struct psr_picture *picture, uint64_t bytes,
                                  pipersr_error *error)
{
    const uint64_t limit = engine->mem->limit_bytes;
    if (limit)
        return psr_fail(error, PIPERSR_ERROR_MEMORY,
                        "a picture %" PRIu32 " pixels wide needs %" PRIu64
                        " MiB, more than the memory limit of %" PRIu64 " MiB leaves",
                        picture->width, (bytes >> 20) + 1, limit >> 20);
    return psr_fail(error, PIPERSR_ERROR_MEMORY,
                    "no memory: a picture %" PRIu32 " pixels wide needs %" PRIu64 " MiB",
                    picture->width, (bytes >> 20) + 1);
}

/* `count` strips with memory for `width` columns each; keeps what is there and large enough. */
static int reserve_strips(struct psr_engine *engine, uint32_t count, size_t bytes)
{
    if (count > engine->n_strips) {
        free_strips(engine);
        engine->strips = psr_mem_alloc(engine->mem, count * sizeof *engine->strips);
        if (!engine->strips)
            return -1;
        engine->n_strips = count;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (psr_strip_reserve(&engine->strips[i], engine->mem, bytes))
            return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------ whole frames -- */

struct frame_run {
    struct psr_engine *engine;
    const struct psr_picture *picture;
    const struct psr_rows *in, *out;
    uint32_t columns, bands;
    bool strip_per_job; /* else one per worker */
};

static void run_part(void *argument, size_t job, unsigned worker)
{
    const struct frame_run *run = argument;
    const struct psr_network *network = &run->engine->network;
    const uint32_t column = (uint32_t)(job % run->columns), band = (uint32_t)(job / run->columns);
    /* Fewer jobs than workers: one scratch each, as any worker may take any job. */
    struct psr_strip *strip = &run->engine->strips[run->strip_per_job ? job : worker];

    psr_strip_begin(strip, network, run->picture,
                    strip_border(run->picture->width, run->columns, column),
                    strip_border(run->picture->width, run->columns, column + 1),
                    band_border(run->picture->height, run->bands, band),
                    band_border(run->picture->height, run->bands, band + 1));
    psr_strip_advance(strip, network, psr_strip_end(strip, network), run->in, run->out,
                      &run->engine->cancelled);
}

static pipersr_status check_cancelled(struct psr_engine *engine, pipersr_error *error)
{
    if (!atomic_load(&engine->cancelled))
        return PIPERSR_OK;
    engine->columns = 0;
    return psr_fail(error, PIPERSR_ERROR_CANCELLED, "cancelled");
}

pipersr_status psr_engine_run_frame(struct psr_engine *engine, const struct psr_picture *picture,
                                    const struct psr_rows *in, const struct psr_rows *out,
                                    pipersr_error *error)
{
    const uint32_t threads = psr_pool_threads(engine->pool);
    struct frame_run run = {.engine = engine, .picture = picture, .in = in, .out = out};
    size_t bytes = 0;

    engine->columns = 0; /* the strips' state is lost */
    run.columns = count_strips(engine, picture->width);
    for (;;) {
        const uint32_t width = widest_strip(picture->width, run.columns);
        if (psr_strip_bytes(&engine->network, picture, width, &bytes))
            return fail_memory(engine, picture, UINT64_MAX, error);
        run.bands = count_bands(engine, run.columns, picture->height);
        const uint64_t jobs = (uint64_t)run.columns * run.bands;
        run.strip_per_job = jobs < threads;
        if (reserve_strips(engine, run.strip_per_job ? (uint32_t)jobs : threads, bytes) == 0)
            break;
        /* A memory limit is met with narrower strips: slower, the same result. */
        free_strips(engine);
        const uint32_t most = most_strips(picture->width);
        if (!engine->mem->limit_bytes || run.columns >= most)
            return fail_memory(engine, picture, (uint64_t)bytes * threads, error);
        run.columns = 2 * run.columns < most ? 2 * run.columns : most;
    }
    psr_pool_run(engine->pool, (size_t)run.columns * run.bands, run_part, &run);
    return check_cancelled(engine, error);
}

/* --------------------------------------------------------------------------- rows in, rows out --
 */

pipersr_status psr_engine_rows_begin(struct psr_engine *engine, const struct psr_picture *picture,
                                     pipersr_error *error)
{
    const uint32_t columns = count_strips(engine, picture->width);
    size_t bytes = 0;

    engine->columns = 0;
    engine->picture = *picture;
    if (psr_strip_bytes(&engine->network, picture, widest_strip(picture->width, columns), &bytes))
        return fail_memory(engine, picture, UINT64_MAX, error);
    if (reserve_strips(engine, columns, bytes)) {
        free_strips(engine);
        return fail_memory(engine, picture, (uint64_t)bytes * columns, error);
    }
    for (uint32_t i = 0; i < columns; i++)
        psr_strip_begin(&engine->strips[i], &engine->network, &engine->picture,
                        strip_border(picture->width, columns, i),
                        strip_border(picture->width, columns, i + 1), 0, picture->height);
    engine->columns = columns;
    engine->rows_in = 0;
    return PIPERSR_OK;
}

/* Output rows that are ready after `rows_in` input rows. */
static int64_t rows_ready(const struct psr_engine *engine, uint32_t rows_in)
{
    const uint32_t height = engine->picture.height, radius = engine->network.radius;
    const uint32_t ready = rows_in >= height ? height : rows_in > radius ? rows_in - radius : 0;
    return (int64_t)ready * engine->network.scale;
}

uint32_t psr_engine_rows_output(const struct psr_engine *engine, uint32_t n_rows)
{
    const uint32_t left = engine->picture.height - engine->rows_in;
    const uint32_t after = engine->rows_in + (n_rows < left ? n_rows : left);
    return (uint32_t)(rows_ready(engine, after) - rows_ready(engine, engine->rows_in));
}

struct rows_run {
    struct psr_engine *engine;
    struct psr_rows in, out;
    int64_t time;
};

static void run_strip(void *argument, size_t job, unsigned worker)
{
    const struct rows_run *run = argument;
    (void)worker;
    psr_strip_advance(&run->engine->strips[job], &run->engine->network, run->time, &run->in,
                      &run->out, &run->engine->cancelled);
}

pipersr_status psr_engine_rows_push(struct psr_engine *engine, const void *in,
                                    ptrdiff_t in_stride_bytes, uint32_t n_rows, void *out,
                                    ptrdiff_t out_stride_bytes, pipersr_error *error)
{
    struct rows_run run = {
        .engine = engine,
        .in = {(unsigned char *)in, in_stride_bytes, engine->rows_in},
        .out = {out, out_stride_bytes, rows_ready(engine, engine->rows_in)},
    };
    engine->rows_in += n_rows;
    run.time = engine->rows_in;
    if (engine->rows_in == engine->picture.height)
        run.time += engine->network.radius; /* nothing more will come: run the last rows out */
    psr_pool_run(engine->pool, engine->columns, run_strip, &run);
    pipersr_status status = check_cancelled(engine, error);
    if (engine->rows_in == engine->picture.height)
        engine->columns = 0;
    return status;
}
