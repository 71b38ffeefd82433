/* SPDX-License-Identifier: MIT
 *
 * `pipersr info`: what this build is and what it finds on this machine.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/json_text.h"
#include "cli/message.h"
#include "cli/model_list.h"
#include "cli/option_values.h"
#include "media/image.h"
#include "media/video.h"

static const char help[] =
    "Usage: pipersr info [--model NAME|FILE] [--json]\n"
    "       pipersr info --models [--json]\n"
    "\n"
    "Shows the version, the model, the CPU features in use, and the libraries with their formats.\n"
    "\n"
    "      --model NAME|FILE  describe this model instead of the default\n"
    "                         NAME is that of a built-in model. FILE has a / or ends in\n"
    "                         .safetensors; any other is taken where no model has this name\n"
    "      --models           list the built-in models; the default is marked\n"
    "      --json             one JSON object: version, model, cpu, libraries; or models\n"
    "  -h, --help             this text\n"
    "\n" CLI_EXIT_STATUS_HELP;

enum { OPTION_JSON = CLI_OPTION_OF_COMMAND, OPTION_MODELS };

static const struct option long_options[] = {
    {"model", required_argument, NULL, CLI_OPTION_MODEL},
    {"models", no_argument, NULL, OPTION_MODELS},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* What --precision auto means for one use. */
struct automatic {
    pipersr_precision precision;
    char reason[256];
};

struct machine {
    struct automatic photos_automatic, videos_automatic;
    char features[512];
    pipersr_isa isa;
    uint32_t cpus;
    char *pictures, *videos; /* malloc'd; NULL where memory ran out */
};

static const char *known(const char *text)
{
    return text && *text ? text : "unknown";
}

static void print_text(const pipersr_model_info *model, const struct machine *machine)
{
    printf("pipersr %s\n", pipersr_version());
    printf("model     %s: x%" PRIu32 ", %" PRIu32 " channels, %" PRIu32 " blocks, %" PRIu64
           " parameters\n",
           model->name, model->scale, model->channels, model->blocks, model->parameters);
    printf("          %" PRIu64 " multiply-accumulates per input pixel, radius %" PRIu32
           " pixels\n",
           model->macs_per_px, model->radius_px);
    if (*model->description)
        printf("          for: %s\n", model->description);
    printf("          precisions: fp32, bf16%s\n", model->has_int8 ? ", int8" : "");
    if (*model->training)
        printf("          trained: %s\n", model->training);
    if (*model->licence)
        printf("          licence: %s\n", model->licence);
    printf("CPU       %" PRIu32 " threads, instruction set %s\n", machine->cpus,
           known(pipersr_isa_name(machine->isa)));
    printf("          features: %s\n", known(machine->features));
    printf("          --precision auto: %s for photos (%s)\n",
           pipersr_precision_name(machine->photos_automatic.precision),
           machine->photos_automatic.reason);
    printf("                            %s for videos (%s)\n",
           pipersr_precision_name(machine->videos_automatic.precision),
           machine->videos_automatic.reason);
    printf("pictures  %s\n", known(machine->pictures));
    printf("videos    %s\n", known(machine->videos));
}

static json_t *automatic_json(const struct automatic *automatic)
{
    return json_pack("{s:s, s:o}", "precision", pipersr_precision_name(automatic->precision),
                     "reason", cli_json_text(automatic->reason));
}

static void print_json(const pipersr_model_info *model, const struct machine *machine)
{
    json_t *cpu =
        json_pack("{s:I, s:s, s:o, s:o}", "threads", (json_int_t)machine->cpus, "isa",
                  known(pipersr_isa_name(machine->isa)), "features",
                  cli_json_text(machine->features), "auto_precision",
                  json_pack("{s:o, s:o}", "photos", automatic_json(&machine->photos_automatic),
                            "videos", automatic_json(&machine->videos_automatic)));
    json_t *libraries = json_pack("{s:o, s:o}", "pictures", cli_json_text(machine->pictures),
                                  "videos", cli_json_text(machine->videos));
    cli_json_print(json_pack("{s:s, s:o, s:o, s:o}", "version", pipersr_version(), "model",
                             cli_model_json(model), "cpu", cpu, "libraries", libraries),
                   stdout);
}

static void choose(const pipersr_model *model, pipersr_use use, struct automatic *automatic)
{
    pipersr_status status =
        pipersr_precision_choose(model, use, PIPERSR_ISA_AUTO, &automatic->precision,
                                 automatic->reason, sizeof automatic->reason);
    if (status != PIPERSR_OK)
        snprintf(automatic->reason, sizeof automatic->reason, "%s",
                 "PIPERSR_CPU names an instruction set that is not here");
}

/* What videos get: with a model of their own, where the user names none. */
static void choose_for_videos(const pipersr_model *model, bool is_default,
                              struct automatic *automatic)
{
    const pipersr_built_in_model *own = pipersr_model_built_in_for(PIPERSR_USE_VIDEO);
    pipersr_model *loaded = NULL;
    if (is_default &&
        pipersr_model_load_memory(own->data, own->size_bytes, &loaded, NULL) == PIPERSR_OK)
        model = loaded;
    choose(model, PIPERSR_USE_VIDEO, automatic);
    pipersr_model_free(loaded);
}

static int describe(const char *program_path, const struct cli_engine_options *engine, bool json)
{
    pipersr_model *model;
    int status = cli_model_open(engine, &model);
    if (status != CLI_EXIT_OK)
        return status;
    pipersr_model_info about;
    pipersr_model_get_info(model, &about);

    struct machine machine = {.cpus = pipersr_cpu_count()};
    machine.isa = pipersr_cpu_describe(machine.features, sizeof machine.features);
    choose(model, PIPERSR_USE_PHOTO, &machine.photos_automatic);
    choose_for_videos(model, engine->model == NULL, &machine.videos_automatic);
    struct media_error error = {""};
    enum media_status started = media_image_init(program_path, machine.cpus, &error);
    if (started == MEDIA_OK) {
        machine.pictures = media_image_describe();
        machine.videos = media_video_describe();
        (json ? print_json : print_text)(&about, &machine);
        status = cli_flush_stdout();
        media_image_shutdown();
    } else {
        cli_error("%s", error.message);
        status = cli_exit_of_media(started);
    }
    free(machine.pictures);
    free(machine.videos);
    pipersr_model_free(model);
    return status;
}

int cli_info(const char *program_path, int argc, char **argv)
{
    struct cli_engine_options engine = {0};
    bool json = false, models = false;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return cli_flush_stdout();
        }
        if (option == ':' || option == '?')
            return cli_option_problem("info", option, argv);
        if (option == OPTION_JSON)
            json = true;
        else if (option == OPTION_MODELS)
            models = true;
        else if (cli_parse_engine_option("info", option, optarg, &engine) != CLI_EXIT_OK)
            return CLI_EXIT_USAGE;
    }
    if (optind < argc)
        return cli_usage_error("info", "unexpected argument '%s'", argv[optind]);
    if (models && engine.model)
        return cli_usage_error("info", "--models and --model exclude each other");
    if (models)
        return cli_model_list(json);
    return describe(program_path, &engine, json);
}
