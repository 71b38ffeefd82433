/* SPDX-License-Identifier: MIT */
#include "cli/upscale_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit_status.h"
#include "cli/message.h"
#include "cli/option_values.h"
#include "cli/upscale_video_options.h"

static const char command[] = "upscale";

static const char help[] =
    "Usage: pipersr upscale INPUT... [-o OUTPUT] [options]\n"
    "       pipersr -i INPUT [-i INPUT]... [-o OUTPUT] [options]\n"
    "\n"
    "Doubles the width and height of photos and videos. What a file is, is decided by what is in\n"
    "it, not by its name. Each output is photo_2x.png beside photo.png unless -o says otherwise.\n"
    "\n"
    "Files:\n"
    "  -i, --input FILE         an input, like one without -i\n"
    "  -o, --output OUTPUT      file; folder, if it is one, ends in / or there are several "
    "inputs;\n"
    "                           - for standard output (pictures: PNG, videos: Y4M, or --format)\n"
    "  -r, --recursive          take the files in folders, and in the folders in them; below -o\n"
    "                           they keep their places. Files named *_2x, *_4x are left out\n"
    "  -f, --force              overwrite outputs that exist\n"
    "      --skip-existing      pass over inputs whose output exists\n"
    "      --format F           png, jpg, webp, tiff, gif, ... or mp4, mkv, mov, webm, y4m\n"
    "An input - is standard input. A pipe is looked at without taking from it; where that cannot\n"
    "tell, --format or the name of OUTPUT decides, else it is taken for a picture.\n"
    "\n"
    "Work:\n"
    "      --scale N            2 or 4 (default: what the model does in "
    "one)\n" CLI_ENGINE_OPTIONS_HELP
    "      --memory-limit SIZE  upper bound of the network's memory, such as 512M or 2G\n"
    "      --max-pixels N       refuse larger pictures, such as 500M (default 4294967296), and\n"
    "                           videos with larger frames (default 67108864)\n"
    "\n"
    "Pictures:\n"
    "      --quality N          1 to 100, for JPEG, WebP, AVIF, HEIC (default 92, 90, 80, 80)\n"
    "      --lossless           WebP, AVIF, HEIC, JPEG XL without loss\n"
    "      --strip              drop profile, EXIF, XMP and other metadata; for videos too\n"
    "Videos:\n";

static const char video_help[] = CLI_VIDEO_OPTIONS_HELP
    "      --resume             continue a job that was interrupted, from what OUTPUT.parts "
    "keeps;\n"
    "                           starts it if there is nothing, passes over outputs that exist\n"
    "      --segment-frames N   keep every N frames, 2 to 1000000 (default: long jobs, every few\n"
    "                           minutes of work)\n"
    "\n";

static const char last_help[] =
    "Messages:\n"
    "  -q, --quiet              errors only\n"
    "      --json               one JSON object a line on standard output (on standard error if\n"
    "                           the picture goes to standard output): events progress, note,\n"
    "                           done, failed, skipped\n"
    "  -h, --help               this text\n"
    "  -V, --version            the version\n"
    "\n" CLI_EXIT_STATUS_HELP;

enum {
    OPTION_SKIP_EXISTING = CLI_VIDEO_OPTION_END,
    OPTION_FORMAT,
    OPTION_SCALE,
    OPTION_MAX_PIXELS,
    OPTION_QUALITY,
    OPTION_LOSSLESS,
    OPTION_STRIP,
    OPTION_JSON,
    OPTION_RESUME,
    OPTION_SEGMENT_FRAMES
};

static const struct option long_options[] = {
    {"input", required_argument, NULL, 'i'},
    {"output", required_argument, NULL, 'o'},
    {"recursive", no_argument, NULL, 'r'},
    {"force", no_argument, NULL, 'f'},
    {"skip-existing", no_argument, NULL, OPTION_SKIP_EXISTING},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"scale", required_argument, NULL, OPTION_SCALE},
    CLI_ENGINE_OPTIONS,
    {"memory-limit", required_argument, NULL, CLI_OPTION_MEMORY_LIMIT},
    {"max-pixels", required_argument, NULL, OPTION_MAX_PIXELS},
    {"quality", required_argument, NULL, OPTION_QUALITY},
    {"lossless", no_argument, NULL, OPTION_LOSSLESS},
    {"strip", no_argument, NULL, OPTION_STRIP},
    CLI_VIDEO_OPTIONS,
    {"resume", no_argument, NULL, OPTION_RESUME},
    {"segment-frames", required_argument, NULL, OPTION_SEGMENT_FRAMES},
    {"quiet", no_argument, NULL, 'q'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static int parse_picture_option(int option, const char *value, struct media_image_options *image)
{
    uint64_t number;
    switch (option) {
    case OPTION_QUALITY:
        if (!cli_parse_integer(value, 1, 100, &number))
            return cli_usage_error(command, "--quality takes 1 to 100, not '%s'", value);
        image->quality = (int)number;
        break;
    default:
        image->lossless = true;
        break;
    }
    return CLI_EXIT_OK;
}

static int parse_max_pixels(const char *value, struct cli_upscale_options *options)
{
    uint64_t number;
    if (!cli_parse_count(value, &number) || number == 0 || number > INT64_MAX)
        return cli_usage_error(command, "--max-pixels takes a number like 500M, not '%s'", value);
    options->image.max_pixels = number;
    options->video.max_frame_px = (int64_t)number;
    return CLI_EXIT_OK;
}

static int parse_segment_frames(const char *value, struct media_video_options *video)
{
    if (!cli_parse_integer(value, 2, 1000000, &video->segment_frames))
        return cli_usage_error(command, "--segment-frames takes 2 to 1000000, not '%s'", value);
    return CLI_EXIT_OK;
}

static int parse_name(const char *option, const char *value, const char **name)
{
    if (!*value)
        return cli_usage_error(command, "%s takes a name, not ''", option);
    *name = value;
    return CLI_EXIT_OK;
}

/* Returns CLI_EXIT_OK or CLI_EXIT_USAGE. */
static int parse_option(int option, const char *value, struct cli_upscale_options *options)
{
    switch (option) {
    case 'i':
        options->inputs[options->input_count++] = value;
        return CLI_EXIT_OK;
    case 'o':
        return parse_name("--output", value, &options->output);
    case 'r':
        options->recursive = true;
        return CLI_EXIT_OK;
    case 'f':
        options->force = true;
        return CLI_EXIT_OK;
    case 'q':
        options->quiet = true;
        return CLI_EXIT_OK;
    case OPTION_JSON:
        options->json = true;
        return CLI_EXIT_OK;
    case OPTION_SKIP_EXISTING:
        options->skip_existing = true;
        return CLI_EXIT_OK;
    case OPTION_STRIP:
        options->image.strip = options->video.strip = true;
        return CLI_EXIT_OK;
    case OPTION_RESUME:
        options->video.resume = true;
        return CLI_EXIT_OK;
    case OPTION_SEGMENT_FRAMES:
        return parse_segment_frames(value, &options->video);
    case OPTION_FORMAT:
        return parse_name("--format", value, &options->format);
    case OPTION_SCALE:
        return cli_parse_scale(command, value, &options->engine);
    case OPTION_MAX_PIXELS:
        return parse_max_pixels(value, options);
    case OPTION_QUALITY:
    case OPTION_LOSSLESS:
        return parse_picture_option(option, value, &options->image);
    default:
        return option >= CLI_OPTION_OF_COMMAND
                   ? cli_parse_video_option(command, option, value, &options->video)
                   : cli_parse_engine_option(command, option, value, &options->engine);
    }
}

static int check_inputs(const struct cli_upscale_options *options)
{
    size_t from_stdin = 0;
    if (options->input_count == 0)
        return cli_usage_error(command, "no input given");
    for (size_t i = 0; i < options->input_count; i++) {
        if (!*options->inputs[i])
            return cli_usage_error(command, "the name of an input is empty");
        from_stdin += strcmp(options->inputs[i], "-") == 0;
    }
    if (from_stdin > 1)
        return cli_usage_error(command, "standard input can be an input only once");
    if (from_stdin && !options->output)
        return cli_usage_error(command,
                               "standard input needs -o OUTPUT (-o - for standard output)");
    return CLI_EXIT_OK;
}

static int check_combination(const struct cli_upscale_options *options)
{
    int status = check_inputs(options);
    if (status != CLI_EXIT_OK)
        return status;
    if (options->force && options->skip_existing)
        return cli_usage_error(command, "--force and --skip-existing exclude each other");
    bool to_stdout = options->output && strcmp(options->output, "-") == 0;
    if (to_stdout && (options->input_count > 1 || options->recursive))
        return cli_usage_error(command, "standard output takes one input, without -r");
    if (to_stdout && isatty(STDOUT_FILENO))
        return cli_usage_error(command,
                               "standard output is a terminal; redirect it or give a file");
    return cli_check_video_options(command, &options->video);
}

bool cli_upscale_parse(int argc, char **argv, struct cli_upscale_options *options, int *exit_status)
{
    *options = (struct cli_upscale_options){.video = {.crf = -1}};
    *exit_status = CLI_EXIT_OK;
    options->inputs = calloc((size_t)argc + 1, sizeof *options->inputs);
    if (!options->inputs) {
        cli_error("out of memory");
        *exit_status = CLI_EXIT_MEMORY;
        return false;
    }
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":i:o:rfqhV" CLI_VIDEO_LETTERS, long_options, NULL)) !=
           -1) {
        if (option == 'h' || option == 'V') {
            if (option == 'h')
                printf("%s%s%s", help, video_help, last_help);
            else
                printf("pipersr %s\n", pipersr_version());
            *exit_status = cli_flush_stdout();
            return false;
        }
        const char *value = optarg;
        if (option == ':' || option == '?')
            *exit_status = cli_option_problem(command, option, argv);
        else
            *exit_status = cli_video_letter(command, argc, argv, &option, &value);
        if (*exit_status == CLI_EXIT_OK)
            *exit_status = parse_option(option, value, options);
        if (*exit_status != CLI_EXIT_OK)
            return false;
    }
    while (optind < argc)
        options->inputs[options->input_count++] = argv[optind++];
    *exit_status = check_combination(options);
    return *exit_status == CLI_EXIT_OK;
}

void cli_upscale_options_free(struct cli_upscale_options *options)
{
    free(options->inputs);
    options->inputs = NULL;
}
