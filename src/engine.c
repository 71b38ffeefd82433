/* SPDX-License-Identifier: MIT */
#include "src/engine.h"

#include <inttypes.h>
#include <string.h>

#include "src/cache.h"
#include "src/error.h"
#include "src/plan.h"

pipersr_status psr_engine_init(struct psr_engine *engine, const pipersr_model *model,
                               const struct psr_kernels *kernels, const pipersr_options *options,
                               struct psr_pool *pool, struct psr_mem *mem, pipersr_error *error)
{
    memset(engine, 0, sizeof *engine);
    engine->pool = pool;
    engine->mem = mem;
    engine->strip_width = options->strip_width_px;
    engine->band_height = options->band_height_px;
    const struct psr_cache cache = psr_cache_describe();
    engine->cache_bytes = psr_cache_per_thread(&cache);
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
    psr_reuse_free(&engine->reuse, engine->mem);
    psr_network_free(&engine->network, engine->mem);
}

/* ------------------------------------------------------------------------------ the planning -- */

/* What the planner has to know of n pictures like this one. Returns -1 where a strip's size cannot
 * be counted. */
static int describe_plan(const struct psr_engine *engine, const struct psr_picture *picture,
                         uint32_t n_pictures, uint32_t max_bands, struct psr_plan_request *request)
{
    const struct psr_network *network = &engine->network;
    size_t narrow, wide;
    if (psr_strip_bytes(network, picture, 0, &narrow) ||
        psr_strip_bytes(network, picture, PSR_STRIP_ALIGNMENT_PX, &wide))
        return -1;
    *request = (struct psr_plan_request){
        .width_px = picture->width,
        .height_px = picture->height,
        .n_pictures = n_pictures,
        .threads = psr_pool_threads(engine->pool),
        .bytes_per_column = (wide - narrow) / PSR_STRIP_ALIGNMENT_PX,
        .cache_bytes = engine->cache_bytes,
        .strip_width_px = engine->strip_width,
        .band_height_px = engine->band_height,
        .max_bands = max_bands,
    };
    psr_strip_surround(network, picture, &request->surround_px, &request->surround_rows);
    return 0;
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

struct frames_run {
    struct psr_engine *engine;
    const struct psr_picture *picture;
    const struct psr_rows *in, *out; /* of each frame; each plane of it */
    struct psr_plan plan;
    bool strip_per_job; /* else one per worker */
};

/* Input columns and rows of a frame, with the scratch of one strip. */
static void compute(const struct frames_run *run, struct psr_strip *strip, size_t frame,
                    const struct psr_rect *rect)
{
    const struct psr_network *network = &run->engine->network;
    const size_t first = frame * (run->picture->planar ? PSR_PLANES : 1);
    psr_strip_begin(strip, network, run->picture, rect->x0, rect->x1, rect->y0, rect->y1);
    psr_strip_advance(strip, network, psr_strip_end(strip, network), &run->in[first],
                      &run->out[first], &run->engine->cancelled);
}

/* Jobs go through a frame before they start on the next, so that early frames are done early. */
static void run_part(void *argument, size_t job, unsigned worker)
{
    const struct frames_run *run = argument;
    const struct psr_picture *picture = run->picture;
    const uint32_t strips = run->plan.strips, bands = run->plan.bands;
    const size_t frame = job / ((size_t)strips * bands);
    const uint32_t part = (uint32_t)(job % ((size_t)strips * bands));
    const uint32_t i = part % strips, band = part / strips;
    const struct psr_rect rect = {psr_plan_strip_border(picture->width, strips, i),
                                  psr_plan_band_border(picture->height, bands, band),
                                  psr_plan_strip_border(picture->width, strips, i + 1),
                                  psr_plan_band_border(picture->height, bands, band + 1)};
    /* Fewer jobs than workers: one scratch each, as any worker may take any job. */
    compute(run, &run->engine->strips[run->strip_per_job ? job : worker], frame, &rect);
}

static pipersr_status check_cancelled(struct psr_engine *engine, pipersr_error *error)
{
    if (!atomic_load(&engine->cancelled))
        return PIPERSR_OK;
    engine->columns = 0;
    return psr_fail(error, PIPERSR_ERROR_CANCELLED, "cancelled");
}

/* Plans n pictures and has scratch ready for each job, or for each thread. */
static pipersr_status prepare_run(struct frames_run *run, uint32_t n_frames,
                                  const struct psr_plan_request *request, bool for_all_threads,
                                  pipersr_error *error)
{
    struct psr_engine *engine = run->engine;
    const struct psr_picture *picture = run->picture;
    const uint32_t threads = request->threads;
    size_t bytes = 0;

    engine->columns = 0; /* the strips' state is lost */
    run->plan = psr_plan_cut(request);
    for (;;) {
        const uint32_t width = psr_plan_widest_strip(picture->width, run->plan.strips);
        if (psr_strip_bytes(&engine->network, picture, width, &bytes))
            return fail_memory(engine, picture, UINT64_MAX, error);
        const uint64_t jobs = (uint64_t)run->plan.strips * run->plan.bands * n_frames;
        run->strip_per_job = jobs < threads && !for_all_threads;
        if (reserve_strips(engine, run->strip_per_job ? (uint32_t)jobs : threads, bytes) == 0)
            return PIPERSR_OK;
        /* A memory limit is met with narrower strips: slower, the same result. */
        free_strips(engine);
        const uint32_t most = psr_plan_most_strips(picture->width);
        if (!engine->mem->limit_bytes || run->plan.strips >= most)
            return fail_memory(engine, picture, (uint64_t)bytes * threads, error);
        run->plan.strips = 2 * run->plan.strips < most ? 2 * run->plan.strips : most;
    }
}

pipersr_status psr_engine_run_frames(struct psr_engine *engine, const struct psr_picture *picture,
                                     uint32_t n_frames, const struct psr_rows *in,
                                     const struct psr_rows *out, pipersr_error *error)
{
    struct frames_run run = {.engine = engine, .picture = picture, .in = in, .out = out};
    struct psr_plan_request request;
    if (describe_plan(engine, picture, n_frames, UINT32_MAX, &request))
        return fail_memory(engine, picture, UINT64_MAX, error);
    const pipersr_status status = prepare_run(&run, n_frames, &request, false, error);
    if (status)
        return status;
    psr_pool_run(engine->pool, (size_t)run.plan.strips * run.plan.bands * n_frames, run_part, &run);
    return check_cancelled(engine, error);
}

static void run_changed_part(void *argument, size_t job, unsigned worker)
{
    const struct frames_run *run = argument;
    const struct psr_part *part = &run->engine->reuse.parts[job];
    compute(run, &run->engine->strips[worker], part->frame, &part->rect);
}

/* A strip's surround is what it reads on either side. The filter of the output's chroma looks to
 * the left and up only: to the right and down, outputs depend on what those of a picture without
 * chroma do. */
static struct psr_reach describe_reach(const struct psr_engine *engine,
                                       const struct psr_picture *picture)
{
    struct psr_picture plain = *picture;
    struct psr_reach reach;
    psr_strip_surround(&engine->network, picture, &reach.left, &reach.up);
    plain.planar = false;
    psr_strip_surround(&engine->network, &plain, &reach.right, &reach.down);
    return reach;
}

pipersr_status psr_engine_run_next_frames(struct psr_engine *engine,
                                          const struct psr_picture *picture, uint32_t n_frames,
                                          const struct psr_rows *in, const struct psr_rows *out,
                                          const struct psr_frames_before *before,
                                          uint64_t *reused_px, pipersr_error *error)
{
    struct frames_run run = {.engine = engine, .picture = picture, .in = in, .out = out};
    struct psr_reuse *reuse = &engine->reuse;
    struct psr_sequence sequence = {.picture = picture,
                                    .n_frames = n_frames,
                                    .scale = engine->network.scale,
                                    .in = in,
                                    .out = out,
                                    .before = *before};
    struct psr_plan_request request;
    *reused_px = 0;
    if (describe_plan(engine, picture, n_frames, UINT32_MAX, &request))
        return fail_memory(engine, picture, UINT64_MAX, error);
    /* Without the memory for it, or without anything to reuse, the frames are like any others. */
    sequence.reach = describe_reach(engine, picture);
    if (psr_reuse_plan(reuse, &sequence, engine->pool, engine->mem) || reuse->reused_px == 0)
        return psr_engine_run_frames(engine, picture, n_frames, in, out, error);

    const pipersr_status status = prepare_run(&run, n_frames, &request, true, error);
    if (status)
        return status;
    const uint32_t strip_px = psr_plan_widest_strip(picture->width, run.plan.strips);
    if (psr_reuse_share_out(reuse, &request, strip_px, engine->mem))
        return fail_memory(engine, picture, reuse->parts_room * sizeof *reuse->parts, error);
    psr_pool_run(engine->pool, reuse->n_parts, run_changed_part, &run);
    psr_reuse_copy(reuse, &sequence, engine->pool);
    *reused_px = reuse->reused_px;
    return check_cancelled(engine, error);
}

uint32_t psr_engine_frames_at_once(const struct psr_engine *engine,
                                   const struct psr_picture *picture)
{
    struct psr_plan_request request;
    if (describe_plan(engine, picture, 1, 1, &request))
        return 1;
    return psr_plan_pictures_at_once(&request);
}

/* --------------------------------------------------------------------------- rows in, rows out --
 */

pipersr_status psr_engine_rows_begin(struct psr_engine *engine, const struct psr_picture *picture,
                                     pipersr_error *error)
{
    struct psr_plan_request request;
    size_t bytes = 0;

    engine->columns = 0;
    engine->picture = *picture;
    if (describe_plan(engine, picture, 1, 1, &request))
        return fail_memory(engine, picture, UINT64_MAX, error);
    const uint32_t columns = psr_plan_cut(&request).strips;
    if (psr_strip_bytes(&engine->network, picture, psr_plan_widest_strip(picture->width, columns),
                        &bytes))
        return fail_memory(engine, picture, UINT64_MAX, error);
    if (reserve_strips(engine, columns, bytes)) {
        free_strips(engine);
        return fail_memory(engine, picture, (uint64_t)bytes * columns, error);
    }
    for (uint32_t i = 0; i < columns; i++)
        psr_strip_begin(&engine->strips[i], &engine->network, &engine->picture,
                        psr_plan_strip_border(picture->width, columns, i),
                        psr_plan_strip_border(picture->width, columns, i + 1), 0, picture->height);
    engine->columns = columns;
    engine->rows_in = 0;
    return PIPERSR_OK;
}

/* Output rows that are ready after `rows_in` input rows. */
static int64_t rows_ready(const struct psr_engine *engine, uint32_t rows_in)
{
    const struct psr_network *network = &engine->network;
    const uint32_t ready = psr_strip_rows_ready(network, engine->picture.height, rows_in);
    return (int64_t)ready * network->scale;
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
        run.time = psr_strip_end(&engine->strips[0], &engine->network); /* run the last rows out */
    psr_pool_run(engine->pool, engine->columns, run_strip, &run);
    pipersr_status status = check_cancelled(engine, error);
    if (engine->rows_in == engine->picture.height)
        engine->columns = 0;
    return status;
}
