/* SPDX-License-Identifier: MIT
 *
 * `pipersr bench video`: the stages of a video's way alone, and all of them at once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/message.h"
#include "cli/option_values.h"
#include "media/video.h"

static const char command[] = "bench video";

static const char help[] =
    "Usage: pipersr bench video CLIP [options]\n"
    "\n"
    "Takes the first frames of a clip through decoder, network and encoder: each alone, then all\n"
    "three at once as `pipersr upscale` does. What is encoded is thrown away. Prints medians of\n"
    "the runs, and the whole beside the slower of network and encoder (which it cannot beat where\n"
    "cores suffice) and beside their sum (which it cannot beat where they share all cores).\n"
    "\n"
    "      --frames N           frames of the clip, 1 to 10000 (default 24); those of a stage are\n"
    "                           held in memory until the next has run\n"
    "      --repeat N           runs, 1 to 1000 (default 3)\n" CLI_ENGINE_OPTIONS_HELP
    "      --codec NAME         as for upscale, as are the next four\n"
    "      --crf N\n"
    "      --preset NAME\n"
    "      --encoder-threads N\n"
    "      --no-reuse           compute every frame whole\n"
    "      --json               one JSON object: frames, width, height, precision, isa, threads,\n"
    "                           encoder_threads (0: default), decode, network, encode, pipeline\n"
    "                           (each with ms_per_frame, fps, cpu_ms_per_frame), to_slower,\n"
    "                           to_sum, reused_share\n"
    "  -h, --help               this text\n"
    "\n" CLI_EXIT_STATUS_HELP;

enum {
    OPTION_FRAMES = CLI_OPTION_OF_COMMAND,
    OPTION_REPEAT,
    OPTION_CODEC,
    OPTION_CRF,
    OPTION_PRESET,
    OPTION_ENCODER_THREADS,
    OPTION_NO_REUSE,
    OPTION_JSON
};

static const struct option long_options[] = {
    {"frames", required_argument, NULL, OPTION_FRAMES},
    {"repeat", required_argument, NULL, OPTION_REPEAT},
    CLI_ENGINE_OPTIONS,
    {"codec", required_argument, NULL, OPTION_CODEC},
    {"crf", required_argument, NULL, OPTION_CRF},
    {"preset", required_argument, NULL, OPTION_PRESET},
    {"encoder-threads", required_argument, NULL, OPTION_ENCODER_THREADS},
    {"no-reuse", no_argument, NULL, OPTION_NO_REUSE},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct video_options {
    const char *clip;
    uint64_t frames;
    size_t repeat;
    bool json;
    struct cli_engine_options engine;
    struct media_video_options video;
};

enum { DECODE, NETWORK, ENCODE, PIPELINE, N_MEASURED };
static const char *const measured_names[N_MEASURED] = {"decode", "network", "encode", "pipeline"};

struct video_result {
    struct media_video_timing timing; /* of the last run */
    double ms[N_MEASURED];            /* medians, a frame */
    double cpu_ms[N_MEASURED];        /* of all CPUs together */
    double to_slower, to_sum;         /* medians of each run's own */
    pipersr_upscaler_info used;
};

static int compare_numbers(const void *a, const void *b)
{
    const double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_numbers);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static int measure_runs(const struct video_options *options, const struct cli_engine *engine,
                        double *values, struct video_result *result)
{
    const size_t n = options->repeat;
    double *cpu = values + N_MEASURED * n, *to_slower = cpu + N_MEASURED * n,
           *to_sum = to_slower + n;
    struct media_job job = {
        .passes = engine->passes, .scale = engine->scale, .cancel = cli_interrupt_flag()};
    for (unsigned i = 0; i < engine->passes; i++)
        job.pass[i] = engine->pass[i];
    for (size_t run = 0; run < n; run++) {
        struct media_video_timing *timing = &result->timing;
        struct media_error error = {""};
        const enum media_status status = media_video_measure(&job, options->clip, &options->video,
                                                             options->frames, timing, &error);
        if (status != MEDIA_OK) {
            cli_error("%s: %s", options->clip, error.message);
            const int interrupted = cli_interrupt_exit_status();
            return interrupted ? interrupted : (int)cli_exit_of_media(status);
        }
        const struct media_stage_time *stages[N_MEASURED] = {&timing->decode, &timing->network,
                                                             &timing->encode, &timing->pipeline};
        const double ms = 1e3 / (double)timing->frames;
        for (size_t i = 0; i < N_MEASURED; i++) {
            values[i * n + run] = ms * stages[i]->seconds;
            cpu[i * n + run] = ms * stages[i]->cpu_seconds;
        }
        const double network_s = timing->network.seconds, encode_s = timing->encode.seconds;
        to_slower[run] = timing->pipeline.seconds / larger(network_s, encode_s);
        to_sum[run] = timing->pipeline.seconds / (network_s + encode_s);
    }
    for (size_t i = 0; i < N_MEASURED; i++) {
        result->ms[i] = median(values + i * n, n);
        result->cpu_ms[i] = median(cpu + i * n, n);
    }
    result->to_slower = median(to_slower, n);
    result->to_sum = median(to_sum, n);
    return CLI_EXIT_OK;
}

static int measure(const struct video_options *options, const struct cli_engine *engine,
                   struct video_result *result)
{
    double *values = calloc(options->repeat, (2 * N_MEASURED + 2) * sizeof *values);
    if (!values) {
        cli_error("out of memory");
        return CLI_EXIT_MEMORY;
    }
    const int status = measure_runs(options, engine, values, result);
    free(values);
    pipersr_upscaler_get_info(engine->pass[0], &result->used);
    return status;
}

static void print_json(const struct video_options *options, const struct video_result *result)
{
    json_t *object = json_pack(
        "{s:I, s:I, s:I, s:s, s:s, s:I, s:I}", "frames", (json_int_t)result->timing.frames, "width",
        (json_int_t)result->timing.width_px, "height", (json_int_t)result->timing.height_px,
        "precision", pipersr_precision_name(result->used.precision), "isa",
        pipersr_isa_name(result->used.isa), "threads", (json_int_t)result->used.threads,
        "encoder_threads", (json_int_t)options->video.encoder_threads);
    for (int i = 0; i < N_MEASURED; i++)
        json_object_set_new(object, measured_names[i],
                            json_pack("{s:o, s:o, s:o}", "ms_per_frame",
                                      cli_json_number(result->ms[i]), "fps",
                                      cli_json_number(1e3 / result->ms[i]), "cpu_ms_per_frame",
                                      cli_json_number(result->cpu_ms[i])));
    json_object_set_new(object, "to_slower", cli_json_number(result->to_slower));
    json_object_set_new(object, "to_sum", cli_json_number(result->to_sum));
    json_object_set_new(object, "reused_share", cli_json_number(result->timing.reused_share));
    cli_json_print(object, stdout);
}

static void print_text(const struct video_options *options, const struct video_result *result)
{
    printf("%s  %" PRIu64 " frames to %" PRIu32 "x%" PRIu32 "  %s  %s  %" PRIu32
           " threads  median of %zu\n",
           options->clip, result->timing.frames, result->timing.width_px, result->timing.height_px,
           pipersr_precision_name(result->used.precision), pipersr_isa_name(result->used.isa),
           result->used.threads, options->repeat);
    for (int i = 0; i < N_MEASURED; i++)
        printf("%-10s%9.2f ms/frame %9.2f frames/s %9.2f ms/frame of CPU\n", measured_names[i],
               result->ms[i], 1e3 / result->ms[i], result->cpu_ms[i]);
    printf("pipeline / slower of network and encode %.3f, / their sum %.3f; %.1f %% of the input "
           "reused\n",
           result->to_slower, result->to_sum, 100 * result->timing.reused_share);
}

static int run_options(const struct video_options *options)
{
    struct cli_engine engine;
    struct video_result result = {0};
    cli_interrupt_install();
    int status = cli_engine_open(command, &options->engine, &engine);
    if (status != CLI_EXIT_OK)
        return status;
    status = cli_engine_use(&engine, PIPERSR_USE_VIDEO);
    if (status == CLI_EXIT_OK)
        status = measure(options, &engine, &result);
    cli_engine_close(&engine);
    if (status != CLI_EXIT_OK)
        return status;
    (options->json ? print_json : print_text)(options, &result);
    return cli_flush_stdout();
}

static int parse_number(const char *name, const char *value, uint64_t least, uint64_t most,
                        uint64_t *number)
{
    if (cli_parse_integer(value, least, most, number))
        return CLI_EXIT_OK;
    return cli_usage_error(command, "%s takes %" PRIu64 " to %" PRIu64 ", not '%s'", name, least,
                           most, value);
}

static int parse_option(int option, const char *value, struct video_options *options)
{
    uint64_t number = 0;
    int status = CLI_EXIT_OK;
    switch (option) {
    case OPTION_FRAMES:
        return parse_number("--frames", value, 1, 10000, &options->frames);
    case OPTION_REPEAT:
        status = parse_number("--repeat", value, 1, 1000, &number);
        options->repeat = (size_t)number;
        return status;
    case OPTION_CODEC:
        options->video.codec = value;
        return *value ? CLI_EXIT_OK : cli_usage_error(command, "--codec takes a name, not ''");
    case OPTION_PRESET:
        options->video.preset = value;
        return *value ? CLI_EXIT_OK : cli_usage_error(command, "--preset takes a name, not ''");
    case OPTION_CRF:
        status = parse_number("--crf", value, 0, 63, &number);
        options->video.crf = (int)number;
        return status;
    case OPTION_ENCODER_THREADS:
        status = parse_number("--encoder-threads", value, 0, CLI_MAX_ENCODER_THREADS, &number);
        options->video.encoder_threads = (unsigned)number;
        return status;
    case OPTION_NO_REUSE:
        options->video.no_reuse = true;
        return CLI_EXIT_OK;
    case OPTION_JSON:
        options->json = true;
        return CLI_EXIT_OK;
    default:
        return cli_parse_engine_option(command, option, value, &options->engine);
    }
}

int cli_bench_video(int argc, char **argv)
{
    struct video_options options = {.frames = 24, .repeat = 3, .video = {.crf = -1}};
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return cli_flush_stdout();
        }
        const int status = option == ':' || option == '?'
                               ? cli_option_problem(command, option, argv)
                               : parse_option(option, optarg, &options);
        if (status != CLI_EXIT_OK)
            return status;
    }
    if (optind == argc)
        return cli_usage_error(command, "no clip given");
    if (optind + 1 < argc)
        return cli_usage_error(command, "unexpected argument '%s'", argv[optind + 1]);
    options.clip = argv[optind];
    return run_options(&options);
}
