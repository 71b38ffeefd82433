/* SPDX-License-Identifier: MIT
 *
 * `pipersr bench speed`: the network alone on frames in memory, beside the peak of these cores.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clock.h"
#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/message.h"
#include "cli/option_values.h"

static const char help[] =
    "Usage: pipersr bench speed [options]\n"
    "\n"
    "Runs the network on frames in memory: the median of N frames after one to warm up. The peak "
    "is\n"
    "that of a loop of multiply-adds of the same precision and instruction set on as many "
    "threads,\n"
    "measured in the same run; Winograd's filtering saves multiplications that still count here, "
    "so\n"
    "the share of the peak can pass 100 %.\n"
    "\n"
    "      --size WxH           input size (default 640x360)\n"
    "      --frames N           frames to time, 1 to 100000 (default 5)\n"
    "      --at-once N          frames in flight, 1 to 256, or auto: as many as the library "
    "advises\n"
    "                           for videos; the time is then a batch's, divided by N (default "
    "1)\n" CLI_ENGINE_OPTIONS_HELP
    "      --json               one JSON object: width, height, precision, isa, threads, frames,\n"
    "                           at_once, ms_per_frame, fps, gflops, peak_gflops, peak_share\n"
    "  -h, --help               this text\n"
    "\n" CLI_EXIT_STATUS_HELP;

enum { OPTION_SIZE = CLI_OPTION_OF_COMMAND, OPTION_FRAMES, OPTION_AT_ONCE, OPTION_JSON };

static const struct option long_options[] = {
    {"size", required_argument, NULL, OPTION_SIZE},
    {"frames", required_argument, NULL, OPTION_FRAMES},
    {"at-once", required_argument, NULL, OPTION_AT_ONCE},
    CLI_ENGINE_OPTIONS,
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct speed_options {
    uint32_t width_px, height_px;
    size_t frames;
    uint32_t at_once; /* 0: as many as the library advises */
    bool json;
    struct cli_engine_options engine;
};

struct speed_result {
    uint32_t at_once;
    double seconds; /* of the median frame */
    double gflops, peak_gflops;
    pipersr_upscaler_info used;
};

/* Smooth waves and a little noise: neither zeros, on which a CPU is faster, nor noise alone. */
static void fill_frame(const pipersr_frame *frame)
{
    uint32_t random = 1;
    uint8_t *sample = frame->data;
    for (uint32_t y = 0; y < frame->height_px; y++)
        for (uint32_t x = 0; x < frame->width_px; x++)
            for (uint32_t c = 0; c < 3; c++) {
                random = random * 1664525u + 1013904223u;
                uint32_t wave = (x * (c + 1) + y * 2) % 256;
                uint32_t value = (wave < 128 ? wave : 255 - wave) + (random >> 28) + 56;
                *sample++ = (uint8_t)value;
            }
}

static bool create_frame(pipersr_frame *frame, uint32_t width_px, uint32_t height_px)
{
    *frame = (pipersr_frame){.stride_bytes = (ptrdiff_t)width_px * 3,
                             .width_px = width_px,
                             .height_px = height_px,
                             .format = PIPERSR_RGB8};
    /* Sides are at most 65536 * 16, so this cannot overflow. */
    frame->data = malloc((size_t)width_px * height_px * 3);
    return frame->data != NULL;
}

static int compare_seconds(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double median(double *seconds, size_t count)
{
    qsort(seconds, count, sizeof *seconds, compare_seconds);
    return (seconds[(count - 1) / 2] + seconds[count / 2]) / 2;
}

static int fail_engine(pipersr_status status, const char *reason)
{
    if (cli_interrupt_exit_status()) {
        cli_error("interrupted");
        return cli_interrupt_exit_status();
    }
    cli_error("%s", *reason ? reason : pipersr_status_name(status));
    return cli_exit_of_engine(status);
}

/* The first batch warms caches and scratch memory up and does not count. */
static int time_batches(pipersr_upscaler *upscaler, const pipersr_frame *in,
                        const pipersr_frame *out, uint32_t at_once, double *seconds, size_t batches)
{
    for (size_t i = 0; i <= batches; i++) {
        double start_s = cli_now_s();
        pipersr_status status = pipersr_upscale_frames(upscaler, in, out, at_once);
        if (status != PIPERSR_OK)
            return fail_engine(status, pipersr_upscaler_message(upscaler));
        if (i > 0)
            seconds[i - 1] = (cli_now_s() - start_s) / at_once;
    }
    return CLI_EXIT_OK;
}

/* Frames in flight, each with pixels of its own. */
struct batch {
    pipersr_frame in[PIPERSR_MAX_FRAMES], out[PIPERSR_MAX_FRAMES];
    uint32_t count;
};

static void free_batch(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        free(batch->in[i].data);
        free(batch->out[i].data);
    }
    free(batch);
}

/* NULL when out of memory. */
static struct batch *create_batch(const struct speed_options *options, unsigned scale,
                                  uint32_t count)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (!create_frame(&batch->in[i], options->width_px, options->height_px) ||
            !create_frame(&batch->out[i], options->width_px * scale, options->height_px * scale)) {
            free_batch(batch);
            return NULL;
        }
        fill_frame(&batch->in[i]);
    }
    return batch;
}

static int measure_frames(const struct speed_options *options, const struct cli_engine *engine,
                          struct speed_result *result)
{
    result->at_once = options->at_once ? options->at_once
                                       : pipersr_frames_at_once(engine->pass[0], options->width_px,
                                                                options->height_px);
    const size_t batches = (options->frames + result->at_once - 1) / result->at_once;
    double *seconds = calloc(batches, sizeof *seconds);
    struct batch *batch = create_batch(options, engine->scale, result->at_once);
    int status = CLI_EXIT_MEMORY;
    if (seconds && batch) {
        status =
            time_batches(engine->pass[0], batch->in, batch->out, batch->count, seconds, batches);
        if (status == CLI_EXIT_OK)
            result->seconds = median(seconds, batches);
    } else {
        cli_error("out of memory for frames of %" PRIu32 "x%" PRIu32, options->width_px,
                  options->height_px);
    }
    if (batch)
        free_batch(batch);
    free(seconds);
    return status;
}

static int measure(const struct speed_options *options, const struct cli_engine *engine,
                   struct speed_result *result)
{
    int status = measure_frames(options, engine, result);
    if (status != CLI_EXIT_OK)
        return status;
    pipersr_upscaler_get_info(engine->pass[0], &result->used);
    double macs = (double)engine->model_info.macs_per_px * options->width_px * options->height_px;
    result->gflops = 2 * macs / result->seconds * 1e-9;
    pipersr_status probe = pipersr_measure_peak(result->used.precision, result->used.isa,
                                                result->used.threads, &result->peak_gflops);
    if (probe != PIPERSR_OK)
        return fail_engine(probe, "the peak of this CPU cannot be measured");
    return CLI_EXIT_OK;
}

static void print_json(const struct speed_options *options, const struct speed_result *result)
{
    cli_json_print(
        json_pack("{s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "width",
                  (json_int_t)options->width_px, "height", (json_int_t)options->height_px,
                  "precision", pipersr_precision_name(result->used.precision), "isa",
                  pipersr_isa_name(result->used.isa), "threads", (json_int_t)result->used.threads,
                  "frames", (json_int_t)options->frames, "at_once", (json_int_t)result->at_once,
                  "ms_per_frame", cli_json_number(1e3 * result->seconds), "fps",
                  cli_json_number(1 / result->seconds), "gflops", cli_json_number(result->gflops),
                  "peak_gflops", cli_json_number(result->peak_gflops), "peak_share",
                  cli_json_number(result->gflops / result->peak_gflops)),
        stdout);
}

static void print_text(const struct speed_options *options, const struct speed_result *result)
{
    printf("%" PRIu32 "x%" PRIu32 "  %s  %s  %" PRIu32 " threads  median of %zu frames",
           options->width_px, options->height_px, pipersr_precision_name(result->used.precision),
           pipersr_isa_name(result->used.isa), result->used.threads, options->frames);
    if (result->at_once > 1)
        printf(", %" PRIu32 " at once", result->at_once);
    putchar('\n');
    printf("%.1f ms/frame  %.3f frames/s  %.1f GFLOP/s  %.1f %% of this machine's %.1f\n",
           1e3 * result->seconds, 1 / result->seconds, result->gflops,
           100 * result->gflops / result->peak_gflops, result->peak_gflops);
}

static int run_options(const struct speed_options *options)
{
    struct cli_engine engine;
    struct speed_result result = {0};
    cli_interrupt_install();
    int status = cli_engine_open("bench speed", &options->engine, &engine);
    if (status != CLI_EXIT_OK)
        return status;
    status = measure(options, &engine, &result);
    cli_engine_close(&engine);
    if (status != CLI_EXIT_OK)
        return status;
    (options->json ? print_json : print_text)(options, &result);
    return cli_flush_stdout();
}

static int parse_option(int option, const char *value, struct speed_options *options)
{
    uint64_t number;
    switch (option) {
    case OPTION_SIZE:
        if (!cli_parse_size(value, &options->width_px, &options->height_px))
            return cli_usage_error("bench speed",
                                   "--size takes WIDTHxHEIGHT like 640x360, not '%s'", value);
        return CLI_EXIT_OK;
    case OPTION_FRAMES:
        if (!cli_parse_integer(value, 1, 100000, &number))
            return cli_usage_error("bench speed", "--frames takes 1 to 100000, not '%s'", value);
        options->frames = (size_t)number;
        return CLI_EXIT_OK;
    case OPTION_AT_ONCE:
        if (strcmp(value, "auto") == 0)
            options->at_once = 0;
        else if (cli_parse_integer(value, 1, PIPERSR_MAX_FRAMES, &number))
            options->at_once = (uint32_t)number;
        else
            return cli_usage_error("bench speed", "--at-once takes 1 to %d or auto, not '%s'",
                                   PIPERSR_MAX_FRAMES, value);
        return CLI_EXIT_OK;
    case OPTION_JSON:
        options->json = true;
        return CLI_EXIT_OK;
    default:
        return cli_parse_engine_option("bench speed", option, value, &options->engine);
    }
}

int cli_bench_speed(int argc, char **argv)
{
    struct speed_options options = {.width_px = 640, .height_px = 360, .frames = 5, .at_once = 1};
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return cli_flush_stdout();
        }
        int status = option == ':' || option == '?'
                         ? cli_option_problem("bench speed", option, argv)
                         : parse_option(option, optarg, &options);
        if (status != CLI_EXIT_OK)
            return status;
    }
    if (optind < argc)
        return cli_usage_error("bench speed", "unexpected argument '%s'", argv[optind]);
    return run_options(&options);
}
