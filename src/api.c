/* SPDX-License-Identifier: MIT
 *
 * The public functions of an upscaler: checks what the caller gives and hands it to the engine.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pipersr.h"
#include "src/choice.h"
#include "src/cpu.h"
#include "src/error.h"
#include "src/kernels/kernels.h"
#include "src/mem.h"
#include "src/model.h"
#include "src/pool.h"
#include "src/upscaler.h"

enum { MAX_THREADS = 1024, MIN_PART_PX = 8 };

const char *pipersr_version(void)
{
    return PIPERSR_VERSION;
}

/* ----------------------------------------------------------------------------------- options -- */

static const char *const precision_names[] = {"auto", "fp32", "fp16", "bf16", "int8"};
static const char *const isa_names[] = {"auto", "c", "avx2", "avx512", "neon", "amx"};

enum {
    N_PRECISIONS = sizeof precision_names / sizeof *precision_names,
    N_ISAS = sizeof isa_names / sizeof *isa_names
};

const char *pipersr_precision_name(pipersr_precision precision)
{
    return (unsigned)precision < N_PRECISIONS ? precision_names[precision] : NULL;
}

const char *pipersr_isa_name(pipersr_isa isa)
{
    return (unsigned)isa < N_ISAS ? isa_names[isa] : NULL;
}

static int find_name(const char *name, const char *const *names, int n)
{
    for (int i = 0; name && i < n; i++) {
        if (strcmp(name, names[i]) == 0)
            return i;
    }
    return -1;
}

pipersr_status pipersr_precision_parse(const char *name, pipersr_precision *precision)
{
    const int i = find_name(name, precision_names, N_PRECISIONS);
    if (i < 0)
        return PIPERSR_ERROR_ARGUMENT;
    *precision = (pipersr_precision)i;
    return PIPERSR_OK;
}

pipersr_status pipersr_isa_parse(const char *name, pipersr_isa *isa)
{
    const int i = find_name(name, isa_names, N_ISAS);
    if (i < 0)
        return PIPERSR_ERROR_ARGUMENT;
    *isa = (pipersr_isa)i;
    return PIPERSR_OK;
}

pipersr_options pipersr_options_default(void)
{
    return (pipersr_options){0};
}

static pipersr_status check_options(const pipersr_options *options, pipersr_error *error)
{
    if (options->threads > MAX_THREADS)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "threads must be 0 to %d", MAX_THREADS);
    if (!pipersr_precision_name(options->precision) || !pipersr_isa_name(options->isa))
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "unknown precision or instruction set");
    if ((unsigned)options->use > PIPERSR_USE_VIDEO)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "unknown use of an upscaler");
    if ((options->strip_width_px && options->strip_width_px < MIN_PART_PX) ||
        (options->band_height_px && options->band_height_px < MIN_PART_PX))
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "strips and bands must be at least %d pixels", MIN_PART_PX);
    return PIPERSR_OK;
}

/* Says clearly what is missing. `precision` is not AUTO. */
static pipersr_status select_kernels(pipersr_precision precision, pipersr_isa isa,
                                     const struct psr_kernels **kernels, pipersr_error *error)
{
    const uint32_t features = psr_cpu_features();
    if (!psr_kernels_select(precision, PIPERSR_ISA_AUTO, UINT32_MAX))
        return psr_fail(error, PIPERSR_ERROR_UNSUPPORTED,
                        "precision %s is not in this version; fp32, bf16 and int8 are",
                        pipersr_precision_name(precision));

    *kernels = psr_kernels_select(precision, isa, features);
    /* Narrow numbers are asked for to be faster. Falling back to plain C where fp32 has vector
     * kernels would be ten times slower instead: C has to be asked for. */
    if (*kernels && isa == PIPERSR_ISA_AUTO && (*kernels)->isa == PIPERSR_ISA_C &&
        psr_kernels_select(PIPERSR_PRECISION_FP32, isa, features)->isa != PIPERSR_ISA_C)
        return psr_fail(error, PIPERSR_ERROR_UNSUPPORTED,
                        "this machine has no instructions for precision %s; use fp32",
                        pipersr_precision_name(precision));
    if (!*kernels)
        return psr_fail(error, PIPERSR_ERROR_UNSUPPORTED,
                        "this machine cannot run instruction set %s with precision %s",
                        pipersr_isa_name(isa), pipersr_precision_name(precision));
    return PIPERSR_OK;
}

/* ------------------------------------------------------------------------------ the upscaler -- */

pipersr_status pipersr_upscaler_create(const pipersr_model *model, const pipersr_options *options,
                                       pipersr_upscaler **upscaler, pipersr_error *error)
{
    const pipersr_options defaults = pipersr_options_default();
    if (!upscaler)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no place for the upscaler was given");
    *upscaler = NULL;
    if (!model)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no model was given");
    if (!options)
        options = &defaults;

    const struct psr_kernels *kernels;
    pipersr_isa isa = options->isa;
    pipersr_precision precision = options->precision;
    pipersr_status status = check_options(options, error);
    if (!status)
        status = psr_auto_isa(&isa, error);
    if (!status && precision == PIPERSR_PRECISION_AUTO)
        status = psr_auto_precision(model, options->use, isa, &precision, NULL, 0, error);
    if (!status)
        status = select_kernels(precision, isa, &kernels, error);
    if (!status && kernels->precision == PIPERSR_PRECISION_INT8 && !model->has_int8)
        status = psr_fail(error, PIPERSR_ERROR_UNSUPPORTED,
                          "this model file lacks the numbers that int8 needs: calibrate it first");
    if (status)
        return status;

    pipersr_upscaler *made = calloc(1, sizeof *made);
    if (!made)
        return psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory for an upscaler");
    made->kernels = kernels;
    made->model = psr_model_reference(model);
    made->mem.limit_bytes = options->memory_limit_bytes;
    made->pool = psr_pool_create(options->threads ? options->threads : pipersr_cpu_count());
    if (!made->pool)
        status = psr_fail(error, PIPERSR_ERROR_MEMORY, "the worker threads could not be started");
    else
        status =
            psr_engine_init(&made->engine, model, kernels, options, made->pool, &made->mem, error);
    if (status) {
        pipersr_upscaler_free(made);
        return status;
    }
    *upscaler = made;
    return PIPERSR_OK;
}

void pipersr_upscaler_free(pipersr_upscaler *upscaler)
{
    if (!upscaler)
        return;
    if (upscaler->engine.mem)
        psr_engine_free(&upscaler->engine);
    psr_pool_free(upscaler->pool);
    pipersr_model_free((pipersr_model *)upscaler->model);
    free(upscaler);
}

const char *pipersr_upscaler_message(const pipersr_upscaler *upscaler)
{
    return upscaler->error.message;
}

void pipersr_upscaler_get_info(const pipersr_upscaler *upscaler, pipersr_upscaler_info *info)
{
    *info = (pipersr_upscaler_info){
        .precision = upscaler->kernels->precision,
        .isa = upscaler->kernels->isa,
        .threads = psr_pool_threads(upscaler->pool),
        .scale = upscaler->engine.network.scale,
        .memory_bytes = atomic_load(&((pipersr_upscaler *)upscaler)->mem.held_bytes),
        .allocations = atomic_load(&((pipersr_upscaler *)upscaler)->mem.allocations),
    };
}

void pipersr_cancel(pipersr_upscaler *upscaler)
{
    atomic_store(&upscaler->engine.cancelled, true);
}

/* ----------------------------------------------------------------------------------- pictures --
 */

/* Fills the picture in where it is one that the engine takes. */
static pipersr_status check_picture(uint32_t width, uint32_t height, pipersr_format format,
                                    struct psr_picture *picture, pipersr_error *error)
{
    *picture = (struct psr_picture){.width = width, .height = height};
    return psr_check_size_and_format(width, height, format, &picture->format, error);
}

uint32_t pipersr_frames_at_once(const pipersr_upscaler *upscaler, uint32_t width_px,
                                uint32_t height_px)
{
    struct psr_picture picture;
    if (!upscaler || check_picture(width_px, height_px, PIPERSR_RGB8, &picture, NULL))
        return 1;
    const uint32_t frames = psr_engine_frames_at_once(&upscaler->engine, &picture);
    return frames < PIPERSR_MAX_FRAMES ? frames : PIPERSR_MAX_FRAMES;
}

pipersr_status pipersr_rows_begin(pipersr_upscaler *upscaler, uint32_t width_px, uint32_t height_px,
                                  pipersr_format format)
{
    if (!upscaler)
        return PIPERSR_ERROR_ARGUMENT;
    struct psr_picture picture;
    pipersr_status status = check_picture(width_px, height_px, format, &picture, &upscaler->error);
    if (status)
        return status;
    return psr_engine_rows_begin(&upscaler->engine, &picture, &upscaler->error);
}

uint32_t pipersr_rows_output(const pipersr_upscaler *upscaler, uint32_t n_rows)
{
    return upscaler && upscaler->engine.columns ? psr_engine_rows_output(&upscaler->engine, n_rows)
                                                : 0;
}

pipersr_status pipersr_rows_push(pipersr_upscaler *upscaler, const void *in,
                                 ptrdiff_t in_stride_bytes, uint32_t n_rows, void *out,
                                 ptrdiff_t out_stride_bytes, uint32_t *n_out)
{
    if (!upscaler)
        return PIPERSR_ERROR_ARGUMENT;
    struct psr_engine *engine = &upscaler->engine;
    pipersr_error *error = &upscaler->error;

    if (n_out)
        *n_out = 0;
    if (!engine->columns)
        return psr_fail(error, PIPERSR_ERROR_STATE,
                        "no picture is in progress: call pipersr_rows_begin() first");
    if (n_rows < 1 || n_rows > engine->picture.height - engine->rows_in)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "%" PRIu32 " rows were pushed where %" PRIu32 " are left", n_rows,
                        engine->picture.height - engine->rows_in);
    const uint32_t ready = psr_engine_rows_output(engine, n_rows);
    const struct psr_format *format = &engine->picture.format;
    pipersr_status status =
        psr_check_rows(in, in_stride_bytes, engine->picture.width, n_rows, format, "input", error);
    if (!status && ready)
        status =
            psr_check_rows(out, out_stride_bytes, engine->picture.width * engine->network.scale,
                           ready, format, "output", error);
    if (!status)
        status =
            psr_engine_rows_push(engine, in, in_stride_bytes, n_rows, out, out_stride_bytes, error);
    if (!status && n_out)
        *n_out = ready;
    return status;
}

/* --------------------------------------------------------------------------------------- peak --
 */

struct probe_run {
    const struct psr_kernels *kernels;
    uint64_t rounds;
    struct {
        uint64_t operations;
        float value; /* keeps the loop from being optimised away */
        char own_cache_line[64];
    } result[MAX_THREADS];
};

static void probe(void *argument, size_t job, unsigned worker)
{
    struct probe_run *run = argument;
    (void)worker;
    const struct psr_kernels *kernels = run->kernels->probe ? run->kernels : run->kernels->head;
    run->result[job].value = kernels->probe(run->rounds, &run->result[job].operations);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

pipersr_status pipersr_measure_peak(pipersr_precision precision, pipersr_isa isa, uint32_t threads,
                                    double *gflops)
{
    /* Slices short enough that some of them run undisturbed on a shared machine. */
    const double slice_seconds = 0.01, total_seconds = 0.2;
    const struct psr_kernels *kernels;
    if (!gflops || threads > MAX_THREADS)
        return PIPERSR_ERROR_ARGUMENT;
    *gflops = 0;
    if (!threads)
        threads = pipersr_cpu_count();
    pipersr_status status = psr_auto_isa(&isa, NULL);
    if (!status)
        status =
            select_kernels(precision ? precision : PIPERSR_PRECISION_FP32, isa, &kernels, NULL);
    if (status)
        return status;
    struct psr_pool *pool = psr_pool_create(threads);
    struct probe_run *run = calloc(1, sizeof *run);
    if (!pool || !run) {
        psr_pool_free(pool);
        free(run);
        return PIPERSR_ERROR_MEMORY;
    }

    run->kernels = kernels;
    run->rounds = 1000;
    const double start = seconds_now();
    double begin = start, now = start;
    while (now - start < total_seconds) {
        begin = now;
        psr_pool_run(pool, threads, probe, run);
        now = seconds_now();
        uint64_t operations = 0;
        for (uint32_t i = 0; i < threads; i++)
            operations += run->result[i].operations;
        const double rate = (double)operations / (now - begin) * 1e-9;
        if (now - begin < slice_seconds)
            run->rounds *= 2;
        else if (rate > *gflops)
            *gflops = rate;
    }
    psr_pool_free(pool);
    free(run);
    return PIPERSR_OK;
}
