/* SPDX-License-Identifier: MIT
 *
 * `pipersr bench quality`: how close to the originals the network comes, and bicubic beside it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/evaluation_set.h"
#include "cli/exit_status.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/message.h"
#include "cli/option_values.h"
#include "cli/picture_metrics.h"
#include "media/image.h"

static const char help[] =
    "Usage: pipersr bench quality DIR [options]\n"
    "\n"
    "DIR has the folders HR (originals) and LR (the same pictures made smaller), or folders that\n"
    "have these. Each LR picture is enlarged and compared with its original, in 8 bits as it "
    "would\n"
    "be saved: PSNR and SSIM on Y (as in MATLAB), PSNR on RGB, and the PSNR of MATLAB's bicubic\n"
    "enlargement. As many pixels as the scale are left out along each edge.\n"
    "\n"
    "      --scale N            that of the LR pictures: 2 or 4 (default: what the model does in "
    "one)\n" CLI_ENGINE_OPTIONS_HELP
    "      --json               one JSON object: images[] and mean, each with psnr_y, ssim_y,\n"
    "                           psnr_rgb, bicubic_psnr_y\n"
    "  -h, --help               this text\n"
    "\n" CLI_EXIT_STATUS_HELP;

enum { OPTION_JSON = CLI_OPTION_OF_COMMAND, OPTION_SCALE };

static const struct option long_options[] = {
    CLI_ENGINE_OPTIONS,
    {"json", no_argument, NULL, OPTION_JSON},
    {"scale", required_argument, NULL, OPTION_SCALE},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct quality_options {
    const char *folder;
    bool json;
    struct cli_engine_options engine;
};

struct measures {
    struct cli_picture_metrics network;
    double bicubic_psnr_y;
};

struct total {
    struct measures sum;
    size_t count;
};

static void total_add(struct total *total, const struct measures *measures)
{
    total->sum.network.psnr_y += measures->network.psnr_y;
    total->sum.network.ssim_y += measures->network.ssim_y;
    total->sum.network.psnr_rgb += measures->network.psnr_rgb;
    total->sum.bicubic_psnr_y += measures->bicubic_psnr_y;
    total->count++;
}

static struct measures total_mean(const struct total *total)
{
    double count = (double)total->count;
    return (struct measures){
        .network = {.psnr_y = total->sum.network.psnr_y / count,
                    .ssim_y = total->sum.network.ssim_y / count,
                    .psnr_rgb = total->sum.network.psnr_rgb / count},
        .bicubic_psnr_y = total->sum.bicubic_psnr_y / count,
    };
}

/* ---------------------------------------------------------------------------------- measuring --
 */

/* The pictures of one pair. `original` may be a few pixels larger than the enlarged ones. */
struct pictures {
    pipersr_frame low, original, enlarged;
};

static int load(const char *path, pipersr_frame *frame)
{
    struct media_error error = {""};
    enum media_status status = media_image_load_rgb8(path, frame, &error);
    if (status == MEDIA_OK)
        return CLI_EXIT_OK;
    *frame = (pipersr_frame){0};
    if (strstr(error.message, path))
        cli_error("%s", error.message);
    else
        cli_error("%s: %s", path, error.message);
    return cli_exit_of_media(status);
}

/* Of 8-bit R, G, B; `data` is NULL without memory. */
static pipersr_frame new_frame(uint32_t width_px, uint32_t height_px)
{
    return (pipersr_frame){malloc((size_t)width_px * height_px * 3), (ptrdiff_t)width_px * 3,
                           width_px, height_px, PIPERSR_RGB8};
}

static int fail_memory(const struct cli_evaluation_pair *pair)
{
    cli_error("%s: out of memory", pair->low_path);
    return CLI_EXIT_MEMORY;
}

/* Originals need not be multiples of the scale: what is left over at the right and the bottom was
 * cropped before the LR picture was made. */
static bool sizes_fit(const pipersr_frame *low, const pipersr_frame *original, uint32_t scale)
{
    uint64_t width = (uint64_t)low->width_px * scale, height = (uint64_t)low->height_px * scale;
    return original->width_px >= width && original->width_px < width + scale &&
           original->height_px >= height && original->height_px < height + scale;
}

static int load_pair(const struct cli_evaluation_pair *pair, uint32_t scale,
                     struct pictures *pictures)
{
    int status = load(pair->low_path, &pictures->low);
    if (status == CLI_EXIT_OK)
        status = load(pair->high_path, &pictures->original);
    if (status != CLI_EXIT_OK)
        return status;
    const pipersr_frame *low = &pictures->low;
    pipersr_frame *original = &pictures->original;
    if (!sizes_fit(low, original, scale)) {
        cli_error("%s: %ux%u pixels are not %u times the %ux%u of its original", pair->low_path,
                  low->width_px, low->height_px, scale, original->width_px, original->height_px);
        return CLI_EXIT_INPUT;
    }
    original->width_px = low->width_px * scale;
    original->height_px = low->height_px * scale;
    pictures->enlarged = new_frame(original->width_px, original->height_px);
    return pictures->enlarged.data ? CLI_EXIT_OK : fail_memory(pair);
}

static int fail_upscale(const struct cli_evaluation_pair *pair, pipersr_status status,
                        const pipersr_upscaler *upscaler)
{
    if (cli_interrupt_exit_status()) {
        cli_error("interrupted");
        return cli_interrupt_exit_status();
    }
    cli_error("%s: %s", pair->low_path, pipersr_upscaler_message(upscaler));
    return cli_exit_of_engine(status);
}

static int run_pass(const struct cli_evaluation_pair *pair, pipersr_upscaler *upscaler,
                    const pipersr_frame *in, const pipersr_frame *out)
{
    const pipersr_status status = pipersr_upscale(upscaler, in, out);
    return status == PIPERSR_OK ? CLI_EXIT_OK : fail_upscale(pair, status, upscaler);
}

/* Between two passes the picture is rounded to 8 bits, as in `pipersr upscale`. */
static int enlarge(const struct cli_evaluation_pair *pair, const struct cli_engine *engine,
                   const struct pictures *pictures)
{
    const pipersr_frame *low = &pictures->low;
    if (engine->passes == 1)
        return run_pass(pair, engine->pass[0], low, &pictures->enlarged);
    const uint32_t own = engine->model_info.scale;
    const pipersr_frame between = new_frame(low->width_px * own, low->height_px * own);
    if (!between.data)
        return fail_memory(pair);
    int status = run_pass(pair, engine->pass[0], low, &between);
    if (status == CLI_EXIT_OK)
        status = run_pass(pair, engine->pass[1], &between, &pictures->enlarged);
    free(between.data);
    return status;
}

static int measure_pictures(const struct cli_evaluation_pair *pair, const struct cli_engine *engine,
                            const struct pictures *pictures, struct measures *measures)
{
    struct cli_picture_metrics bicubic;
    bool measured =
        cli_picture_enlarge_bicubic(&pictures->low, engine->scale, &pictures->enlarged) &&
        cli_picture_compare(&pictures->enlarged, &pictures->original, engine->scale, &bicubic);
    if (measured) {
        const int status = enlarge(pair, engine, pictures);
        if (status != CLI_EXIT_OK)
            return status;
        measured = cli_picture_compare(&pictures->enlarged, &pictures->original, engine->scale,
                                       &measures->network);
    }
    if (!measured) {
        cli_error("%s: too small to measure, or out of memory", pair->low_path);
        return CLI_EXIT_INPUT;
    }
    measures->bicubic_psnr_y = bicubic.psnr_y;
    return CLI_EXIT_OK;
}

static int measure_pair(const struct cli_evaluation_pair *pair, const struct cli_engine *engine,
                        struct measures *measures)
{
    struct pictures pictures = {0};
    int status = load_pair(pair, engine->scale, &pictures);
    if (status == CLI_EXIT_OK)
        status = measure_pictures(pair, engine, &pictures, measures);
    free(pictures.low.data);
    free(pictures.original.data);
    free(pictures.enlarged.data);
    return status;
}

/* ----------------------------------------------------------------------------------- printing --
 */

/* Adds to `object` and gives it back. */
static json_t *add_measures(json_t *object, const struct measures *measures)
{
    json_object_set_new(object, "psnr_y", cli_json_number(measures->network.psnr_y));
    json_object_set_new(object, "ssim_y", cli_json_number(measures->network.ssim_y));
    json_object_set_new(object, "psnr_rgb", cli_json_number(measures->network.psnr_rgb));
    json_object_set_new(object, "bicubic_psnr_y", cli_json_number(measures->bicubic_psnr_y));
    return object;
}

static void print_row(const char *name, const struct measures *measures)
{
    printf("%-24s %8.3f %8.4f %8.3f %10.3f\n", name, measures->network.psnr_y,
           measures->network.ssim_y, measures->network.psnr_rgb, measures->bicubic_psnr_y);
}

/* What is printed at the end, or as it comes. */
struct output {
    bool json, several_sets;
    json_t *images, *sets;
    struct total total;
};

static void output_image(struct output *output, const char *set, const char *name,
                         const struct measures *measures)
{
    total_add(&output->total, measures);
    if (!output->json) {
        print_row(name, measures);
        return;
    }
    json_t *image = json_object();
    json_object_set_new(image, "name", cli_json_text(name));
    if (output->several_sets)
        json_object_set_new(image, "set", cli_json_text(set));
    json_array_append_new(output->images, add_measures(image, measures));
}

static void output_set(struct output *output, const char *name, const struct total *total)
{
    struct measures mean = total_mean(total);
    if (!output->json) {
        print_row(output->several_sets ? name : "mean", &mean);
    } else if (output->several_sets) {
        json_t *set = json_object();
        json_object_set_new(set, "name", cli_json_text(name));
        json_array_append_new(output->sets, add_measures(set, &mean));
    }
}

static void output_end(struct output *output)
{
    struct measures mean = total_mean(&output->total);
    if (!output->json) {
        if (output->several_sets)
            print_row("mean of all", &mean);
        return;
    }
    json_t *object = json_object();
    json_object_set(object, "images", output->images);
    if (output->several_sets)
        json_object_set(object, "sets", output->sets);
    json_object_set_new(object, "mean", add_measures(json_object(), &mean));
    cli_json_print(object, stdout);
}

/* -------------------------------------------------------------------------------- the command --
 */

static int measure_set(const struct cli_evaluation_set *set, const struct cli_engine *engine,
                       struct output *output)
{
    struct total total = {0};
    for (size_t i = 0; i < set->count; i++) {
        struct measures measures;
        int status = measure_pair(&set->pairs[i], engine, &measures);
        if (status != CLI_EXIT_OK)
            return status;
        total_add(&total, &measures);
        output_image(output, set->name, set->pairs[i].name, &measures);
        fflush(stdout);
    }
    output_set(output, set->name, &total);
    return CLI_EXIT_OK;
}

static int measure_sets(const struct quality_options *options,
                        const struct cli_evaluation_sets *sets, const struct cli_engine *engine)
{
    struct output output = {.json = options->json,
                            .several_sets = sets->count > 1,
                            .images = json_array(),
                            .sets = json_array()};
    if (!options->json)
        printf("%-24s %8s %8s %8s %10s\n", "picture", "PSNR-Y", "SSIM-Y", "PSNR-RGB", "bicubic-Y");
    int status = CLI_EXIT_OK;
    for (size_t i = 0; i < sets->count && status == CLI_EXIT_OK; i++)
        status = measure_set(&sets->items[i], engine, &output);
    if (status == CLI_EXIT_OK)
        output_end(&output);
    json_decref(output.images);
    json_decref(output.sets);
    return status == CLI_EXIT_OK ? cli_flush_stdout() : status;
}

static int run_options(const char *program_path, const struct quality_options *options)
{
    struct media_error error = {""};
    enum media_status started = media_image_init(program_path, 1, &error);
    if (started != MEDIA_OK) {
        cli_error("%s", error.message);
        return cli_exit_of_media(started);
    }
    cli_interrupt_install();
    struct cli_evaluation_sets sets;
    int status = cli_evaluation_sets_open(options->folder, &sets);
    if (status == CLI_EXIT_OK) {
        struct cli_engine engine;
        status = cli_engine_open("bench quality", &options->engine, &engine);
        if (status == CLI_EXIT_OK) {
            status = measure_sets(options, &sets, &engine);
            cli_engine_close(&engine);
        }
    }
    cli_evaluation_sets_close(&sets);
    media_image_shutdown();
    return status;
}

int cli_bench_quality(const char *program_path, int argc, char **argv)
{
    struct quality_options options = {0};
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return cli_flush_stdout();
        }
        if (option == ':' || option == '?')
            return cli_option_problem("bench quality", option, argv);
        if (option == OPTION_JSON)
            options.json = true;
        else if ((option == OPTION_SCALE ? cli_parse_scale("bench quality", optarg, &options.engine)
                                         : cli_parse_engine_option("bench quality", option, optarg,
                                                                   &options.engine)) != CLI_EXIT_OK)
            return CLI_EXIT_USAGE;
    }
    if (optind + 1 != argc)
        return cli_usage_error("bench quality", "give one folder that has HR and LR");
    options.folder = argv[optind];
    return run_options(program_path, &options);
}
