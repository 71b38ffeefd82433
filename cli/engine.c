/* SPDX-License-Identifier: MIT */
#include "cli/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/interrupt.h"
#include "cli/message.h"
#include "cli/model_choice.h"

static int load(const struct cli_model_choice *choice, pipersr_model **model)
{
    pipersr_error error = {""};
    const pipersr_built_in_model *built_in = choice->built_in;
    const pipersr_status status =
        built_in ? pipersr_model_load_memory(built_in->data, built_in->size_bytes, model, &error)
                 : pipersr_model_load_file(choice->path, model, &error);
    if (status == PIPERSR_OK)
        return CLI_EXIT_OK;
    const char *name = cli_model_choice_name(choice);
    const char *reason = *error.message ? error.message : pipersr_status_name(status);
    if (strstr(reason, name))
        cli_error("%s", reason);
    else
        cli_error("%s: %s", name, reason);
    return cli_exit_of_engine(status);
}

int cli_model_open(const struct cli_engine_options *options, pipersr_model **model)
{
    struct cli_model_choice choice;
    const int chosen = cli_model_choose(options->model, PIPERSR_USE_PHOTO, options->scale, &choice);
    return chosen == CLI_EXIT_OK ? load(&choice, model) : chosen;
}

static void close_passes(struct cli_engine *engine)
{
    for (unsigned i = 0; i < MEDIA_MAX_PASSES; i++) {
        cli_interrupt_unwatch(engine->pass[i]);
        pipersr_upscaler_free(engine->pass[i]);
        engine->pass[i] = NULL;
    }
}

/* Number of passes of the model that give `scale`, or 0. */
static unsigned passes_for(unsigned scale, unsigned model_scale)
{
    if (scale == model_scale)
        return 1;
    return scale == model_scale * model_scale ? 2 : 0;
}

/* Loads the model for the engine's use, unless it is there. */
static int open_model(struct cli_engine *engine)
{
    struct cli_model_choice choice;
    int status =
        cli_model_choose(engine->options->model, engine->use, engine->options->scale, &choice);
    if (status != CLI_EXIT_OK || (engine->model && engine->built_in == choice.built_in))
        return status;
    close_passes(engine);
    pipersr_model_free(engine->model);
    engine->model = NULL;
    status = load(&choice, &engine->model);
    if (status != CLI_EXIT_OK)
        return status;
    engine->built_in = choice.built_in;
    pipersr_model_get_info(engine->model, &engine->model_info);
    const unsigned own = engine->model_info.scale;
    engine->scale = engine->options->scale ? engine->options->scale : own;
    engine->passes = passes_for(engine->scale, own);
    return CLI_EXIT_OK;
}

/* A later pass works on a picture that is wider by the model's scale, and needs as much more. */
static uint64_t share_of_limit(const struct cli_engine *engine, uint64_t limit_bytes, unsigned pass)
{
    if (engine->passes == 1 || limit_bytes == 0)
        return limit_bytes;
    uint64_t first = limit_bytes / (1 + engine->model_info.scale);
    uint64_t share = pass == 0 ? first : limit_bytes - first;
    return share ? share : 1;
}

static int open_passes(const struct cli_engine_options *options, struct cli_engine *engine)
{
    for (unsigned i = 0; i < engine->passes; i++) {
        pipersr_options settings = pipersr_options_default();
        settings.threads = options->threads;
        settings.precision = options->precision;
        settings.isa = options->isa;
        settings.use = engine->use;
        settings.memory_limit_bytes = share_of_limit(engine, options->memory_limit_bytes, i);
        pipersr_error error = {""};
        pipersr_status status =
            pipersr_upscaler_create(engine->model, &settings, &engine->pass[i], &error);
        if (status != PIPERSR_OK) {
            cli_error("the upscaler cannot start: %s",
                      *error.message ? error.message : pipersr_status_name(status));
            return cli_exit_of_engine(status);
        }
        cli_interrupt_watch(engine->pass[i]);
    }
    return CLI_EXIT_OK;
}

int cli_engine_open(const char *command, const struct cli_engine_options *options,
                    struct cli_engine *engine)
{
    *engine = (struct cli_engine){.options = options, .use = PIPERSR_USE_PHOTO};
    int status = open_model(engine);
    if (status != CLI_EXIT_OK)
        return status;
    const unsigned own = engine->model_info.scale;
    if (engine->passes == 0)
        status = cli_usage_error(command, "--scale %u: this model enlarges %u times, so %u or %u",
                                 engine->scale, own, own, own * own);
    else
        status = open_passes(options, engine);
    if (status != CLI_EXIT_OK)
        cli_engine_close(engine);
    return status;
}

/* Does --precision auto mean the same for both uses? */
static bool is_same_precision(const struct cli_engine *engine, pipersr_use a, pipersr_use b)
{
    const struct cli_engine_options *options = engine->options;
    pipersr_precision for_a, for_b;
    return a == b || options->precision != PIPERSR_PRECISION_AUTO ||
           pipersr_precision_choose(engine->model, a, options->isa, &for_a, NULL, 0) ||
           pipersr_precision_choose(engine->model, b, options->isa, &for_b, NULL, 0) ||
           for_a == for_b;
}

int cli_engine_use(struct cli_engine *engine, pipersr_use use)
{
    const pipersr_use before = engine->use;
    engine->use = use;
    const int status = open_model(engine);
    if (status != CLI_EXIT_OK)
        return status;
    /* A pass is missing where the model is another, or an earlier change of use failed. */
    const bool is_open = engine->pass[engine->passes - 1] != NULL;
    if (is_open && is_same_precision(engine, before, use))
        return CLI_EXIT_OK;
    close_passes(engine);
    return open_passes(engine->options, engine);
}

char *cli_engine_model_name(const struct cli_engine *engine)
{
    return engine->built_in ? strdup(engine->built_in->name)
                            : realpath(engine->options->model, NULL);
}

void cli_engine_close(struct cli_engine *engine)
{
    close_passes(engine);
    pipersr_model_free(engine->model);
    *engine = (struct cli_engine){0};
}
