/* SPDX-License-Identifier: MIT
 *
 * `pipersr calibrate`: from a model file and a folder of pictures to a model file that int8 can
 * run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/calibration_view.h"
#include "cli/clock.h"
#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/kind.h"
#include "cli/message.h"
#include "cli/model_bytes.h"
#include "cli/model_choice.h"
#include "cli/option_values.h"
#include "cli/report.h"
#include "cli/synthetic_pictures.h"
#include "media/image.h"

#define DEFAULT_OUTPUT "calibrated.safetensors"

static const char help[] =
    "Usage: pipersr calibrate DIR [-o MODEL] [options]\n"
    "\n"
    "Writes a model file that can be run in int8. How int8 codes what each convolution "
    "reads\n"
    "is derived from the pictures in DIR and below it: some dozens of photos, sharp ones. int8\n"
    "gets weights of its own, rounded for that; the others stay as they are.\n"
    "\n"
    "  -o, --output MODEL       the file to write (default " DEFAULT_OUTPUT ")\n"
    "  -f, --force              overwrite it if it exists\n"
    "      --model NAME|FILE    the weights to start from (default: the default model)\n"
    "                           NAME is listed by pipersr info --models. FILE has a / or ends in\n"
    "                           .safetensors; any other is taken where no model has this name\n"
    "      --max-images N       use N pictures at most, spread evenly over DIR (default: all)\n"
    "      --keep-size          do not halve the pictures first\n"
    "      --no-synthetic       do not add made-up pictures of edges, text and noise\n"
    "  -q, --quiet              errors only\n"
    "      --json               one JSON object: model, output, pictures, left_out, synthetic,\n"
    "                           pixels, seconds\n"
    "  -h, --help               this text\n"
    "\n" CLI_EXIT_STATUS_HELP;

enum {
    OPTION_JSON = CLI_OPTION_OF_COMMAND,
    OPTION_MAX_IMAGES,
    OPTION_KEEP_SIZE,
    OPTION_NO_SYNTHETIC
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"force", no_argument, NULL, 'f'},
    {"model", required_argument, NULL, CLI_OPTION_MODEL},
    {"max-images", required_argument, NULL, OPTION_MAX_IMAGES},
    {"keep-size", no_argument, NULL, OPTION_KEEP_SIZE},
    {"no-synthetic", no_argument, NULL, OPTION_NO_SYNTHETIC},
    {"quiet", no_argument, NULL, 'q'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {0},
};

enum { PICTURE_WEIGHT = 65535 };

/* What the made-up pictures weigh together, the real ones weighing 1. It is little, as each value
 * that they have far outside the range of photos costs much. With ten times as much, int8 comes 3
 * dB closer to fp32 on such pictures, and photos lose a fifth more. */
static const double synthetic_share = 0.000002;

struct calibrate_options {
    const char *folder, *output, *model;
    uint64_t max_images; /* 0: all */
    bool force, keep_size, synthetic, quiet, json;
};

struct run {
    const struct calibrate_options *options;
    struct cli_model_choice model;
    struct cli_report report;
    pipersr_calibrator *calibrator;
    struct cli_inputs files;
    size_t pictures, left_out, synthetic;
    uint64_t pixels; /* of real pictures */
};

/* -------------------------------------------------------------------------------- the pictures --
 */

static int add_frame(struct run *run, const pipersr_frame *frame, uint32_t weight)
{
    pipersr_error error = {""};
    const pipersr_status status = pipersr_calibrator_add(run->calibrator, frame, weight, &error);
    if (status != PIPERSR_OK)
        cli_error("%s", error.message);
    return cli_exit_of_engine(status);
}

/* A picture that cannot be read is left out with a note: the others do. */
static int add_picture(struct run *run, const char *path)
{
    pipersr_frame frame;
    struct media_error error = {""};
    const enum media_status loaded = media_image_load_rgb8(path, &frame, &error);
    if (loaded == MEDIA_ERROR_MEMORY) {
        cli_error("%s: %s", path, error.message);
        return cli_exit_of_media(loaded);
    }
    if (loaded != MEDIA_OK) {
        char note[sizeof error.message + 64];
        const char *name = strrchr(path, '/');
        snprintf(note, sizeof note, "%.60s is left out: %s", name ? name + 1 : path, error.message);
        cli_report_note(&run->report, note);
        run->left_out++;
        return CLI_EXIT_OK;
    }
    void *const pixels = frame.data;
    cli_calibration_view(&frame, !run->options->keep_size);
    const int status = add_frame(run, &frame, PICTURE_WEIGHT);
    run->pixels += (uint64_t)frame.width_px * frame.height_px;
    run->pictures++;
    free(pixels);
    return status;
}

static int interrupted(struct run *run)
{
    const int status = cli_interrupt_exit_status();
    if (status)
        cli_report_interrupted(&run->report, status, &(struct cli_report_result){0});
    return status;
}

/* N of the files, evenly spread. */
static int add_pictures(struct run *run)
{
    const uint64_t found = run->files.count, most = run->options->max_images;
    const uint64_t count = most && most < found ? most : found;
    int status = CLI_EXIT_OK;
    for (uint64_t i = 0; i < count && status == CLI_EXIT_OK; i++) {
        status = add_picture(run, run->files.items[i * found / count].path);
        cli_report_progress(&run->report, &(struct media_progress){
                                              .done = i + 1, .total = count, .unit = "pictures"});
        if (status == CLI_EXIT_OK)
            status = interrupted(run);
    }
    if (status == CLI_EXIT_OK && run->pictures == 0) {
        cli_error("%s: none of its pictures can be read", run->options->folder);
        status = CLI_EXIT_INPUT;
    }
    return status;
}

static int add_synthetic(struct run *run)
{
    enum { PIXELS = CLI_SYNTHETIC_PX * CLI_SYNTHETIC_PX };
    static uint8_t rgb[PIXELS * 3];
    const pipersr_frame frame = {rgb, CLI_SYNTHETIC_PX * 3, CLI_SYNTHETIC_PX, CLI_SYNTHETIC_PX,
                                 PIPERSR_RGB8};
    const double all = (double)CLI_SYNTHETIC_PICTURES * PIXELS;
    const double share = PICTURE_WEIGHT * synthetic_share * (double)run->pixels / all;
    const uint32_t weight = share < 1 ? 1 : share > 65535 ? 65535 : (uint32_t)(share + 0.5);
    int status = CLI_EXIT_OK;
    for (unsigned i = 0; i < CLI_SYNTHETIC_PICTURES && status == CLI_EXIT_OK; i++) {
        cli_synthetic_picture(i, rgb);
        status = add_frame(run, &frame, weight);
        run->synthetic++;
        if (status == CLI_EXIT_OK)
            status = interrupted(run);
    }
    return status;
}

/* Keeps those of the files found that are pictures. */
static int find_pictures(struct run *run)
{
    const char *folder = run->options->folder;
    struct stat about;
    if (stat(folder, &about) || !S_ISDIR(about.st_mode)) {
        cli_error("%s: not a folder of pictures; check the name", folder);
        return CLI_EXIT_INPUT;
    }
    if (!cli_inputs_add(&run->files, folder, true, NULL)) {
        cli_error("out of memory");
        return CLI_EXIT_MEMORY;
    }
    size_t kept = 0;
    for (size_t i = 0; i < run->files.count; i++) {
        struct cli_input *file = &run->files.items[i];
        enum cli_kind kind;
        if (file->failure) {
            cli_error("%s: the folder cannot be read: %s", file->path, strerror(file->failure));
            return CLI_EXIT_INPUT;
        }
        if (cli_kind_of_file(file->path, &kind, NULL) == MEDIA_OK && kind == CLI_KIND_PICTURE) {
            const struct cli_input swapped = run->files.items[kept];
            run->files.items[kept++] = *file;
            *file = swapped;
        }
    }
    while (run->files.count > kept)
        free(run->files.items[--run->files.count].path);
    if (kept == 0) {
        cli_error("%s: no picture in this folder or below it", folder);
        return CLI_EXIT_INPUT;
    }
    return CLI_EXIT_OK;
}

/* --------------------------------------------------------------------------------- the command --
 */

static int print_result(struct run *run, double seconds)
{
    const struct calibrate_options *options = run->options;
    const char *model = cli_model_choice_name(&run->model);
    if (!options->json) {
        cli_report_done(&run->report, &(struct cli_report_result){0});
        return CLI_EXIT_OK;
    }
    cli_json_print(json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "model", cli_json_text(model),
                             "output", cli_json_text(options->output), "pictures",
                             (json_int_t)run->pictures, "left_out", (json_int_t)run->left_out,
                             "synthetic", (json_int_t)run->synthetic, "pixels",
                             (json_int_t)run->pixels, "seconds", cli_json_number(seconds)),
                   stdout);
    return cli_flush_stdout();
}

static int write_model(struct run *run, struct media_output *output)
{
    pipersr_error error = {""};
    void *data;
    size_t size;
    const pipersr_status made = pipersr_calibrator_finish(run->calibrator, &data, &size, &error);
    if (made != PIPERSR_OK) {
        cli_error("%s", error.message);
        return cli_exit_of_engine(made);
    }
    const int status = cli_model_bytes_save(data, size, output);
    free(data);
    return status;
}

static int start(struct run *run, struct media_output *output)
{
    const struct calibrate_options *options = run->options;
    struct cli_model_bytes model;
    struct media_error output_error = {""};
    pipersr_error error = {""};
    int status = cli_model_choose(options->model, PIPERSR_USE_PHOTO, 0, &run->model);
    if (status == CLI_EXIT_OK)
        status = find_pictures(run);
    if (status != CLI_EXIT_OK)
        return status;
    status = cli_model_bytes_load(&run->model, &model);
    if (status == CLI_EXIT_OK) {
        const pipersr_status made =
            pipersr_calibrator_create(model.data, model.size, &run->calibrator, &error);
        if (made != PIPERSR_OK)
            cli_error("%s: %s", cli_model_choice_name(&run->model), error.message);
        status = cli_exit_of_engine(made);
    }
    cli_model_bytes_free(&model);
    if (status != CLI_EXIT_OK)
        return status;
    /* Before the long work: can it be written at all? */
    const enum media_status begun =
        media_output_begin(output, options->output, options->force, &output_error);
    if (begun != MEDIA_OK)
        cli_error("%s", output_error.message);
    return cli_exit_of_media(begun);
}

static int calibrate(struct run *run)
{
    const double started_s = cli_now_s();
    struct media_output output = {0};
    cli_report_file(&run->report, run->options->folder, run->options->output, "model");
    int status = start(run, &output);
    if (status == CLI_EXIT_OK)
        status = add_pictures(run);
    if (status == CLI_EXIT_OK && run->options->synthetic)
        status = add_synthetic(run);
    if (status == CLI_EXIT_OK)
        status = write_model(run, &output);
    media_output_abort(&output);
    return status == CLI_EXIT_OK ? print_result(run, cli_now_s() - started_s) : status;
}

static int run_options(const char *program_path, const struct calibrate_options *options)
{
    struct media_error error = {""};
    const enum media_status started = media_image_init(program_path, 1, &error);
    if (started != MEDIA_OK) {
        cli_error("%s", error.message);
        return cli_exit_of_media(started);
    }
    cli_interrupt_install();
    struct run run = {.options = options, .report = {.quiet = options->quiet || options->json}};
    cli_report_open(&run.report);
    const int status = calibrate(&run);
    cli_report_close(&run.report);
    pipersr_calibrator_free(run.calibrator);
    cli_inputs_free(&run.files);
    media_image_shutdown();
    return status;
}

static int parse_option(int option, struct calibrate_options *options)
{
    switch (option) {
    case 'o':
        options->output = optarg;
        break;
    case 'f':
        options->force = true;
        break;
    case 'q':
        options->quiet = true;
        break;
    case OPTION_JSON:
        options->json = true;
        break;
    case OPTION_KEEP_SIZE:
        options->keep_size = true;
        break;
    case OPTION_NO_SYNTHETIC:
        options->synthetic = false;
        break;
    case CLI_OPTION_MODEL:
        if (!*optarg)
            return cli_usage_error("calibrate", "--model takes a name or a file, not ''");
        options->model = optarg;
        break;
    case OPTION_MAX_IMAGES:
        if (!cli_parse_integer(optarg, 1, 1000000, &options->max_images))
            return cli_usage_error("calibrate", "--max-images takes 1 to 1000000, not '%s'",
                                   optarg);
        break;
    default:
        return CLI_EXIT_USAGE;
    }
    return CLI_EXIT_OK;
}

int cli_calibrate(const char *program_path, int argc, char **argv)
{
    struct calibrate_options options = {.output = DEFAULT_OUTPUT, .synthetic = true};
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":o:fqh", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return cli_flush_stdout();
        }
        if (option == ':' || option == '?')
            return cli_option_problem("calibrate", option, argv);
        if (parse_option(option, &options) != CLI_EXIT_OK)
            return CLI_EXIT_USAGE;
    }
    if (optind + 1 != argc)
        return cli_usage_error("calibrate", "give one folder of pictures");
    options.folder = argv[optind];
    if (strcmp(options.output, "-") == 0)
        return cli_usage_error("calibrate", "a model is written to a file: -o MODEL.safetensors");
    return run_options(program_path, &options);
}
