/* SPDX-License-Identifier: MIT
 *
 * The model and the upscalers of one run, made from command-line options.
 */
#ifndef CLI_ENGINE_H
#define CLI_ENGINE_H

#include <stdint.h>

#include "media/job.h"

struct cli_engine_options {
    const char
        *model; /* NAME or FILE, as cli_model_choose() takes it; NULL: what suits use and scale */
    uint32_t threads; /* 0: all CPUs */
    pipersr_precision precision;
    pipersr_isa isa;
    uint64_t memory_limit_bytes; /* of all passes together; 0: none */
    uint32_t scale;              /* of all passes together; 0: the model's own */
};

struct cli_engine {
    const struct cli_engine_options *options; /* the caller's */
    pipersr_use use;                          /* that the passes were made for */
    const pipersr_built_in_model *built_in;   /* that `model` is of; NULL: a file's */
    pipersr_model *model;
    pipersr_model_info model_info;
    pipersr_upscaler *pass[MEDIA_MAX_PASSES];
    unsigned passes;
    unsigned scale;
};

/* Loads the model named in `options`, or the default for photos. Returns CLI_EXIT_OK, or another
 * status with a message. */
int cli_model_open(const struct cli_engine_options *options, pipersr_model **model);

/* Loads the model and makes an upscaler for each pass, for photos; they stop on Ctrl-C. `options`
 * outlives the engine. Returns CLI_EXIT_OK, or another status with a message; then `engine` is
 * empty. */
int cli_engine_open(const char *command, const struct cli_engine_options *options,
                    struct cli_engine *engine);

/* Makes the passes anew where the use has another model, or --precision auto means something else
 * for it. The scale stays, the number of passes may not. After a failure, which has told its
 * message, it may be called again. */
int cli_engine_use(struct cli_engine *engine, pipersr_use use);

/* The model as --model finds it again, also from another folder: a built-in model's name or an
 * absolute path. Malloc'd; NULL where memory runs out or the file is gone. */
char *cli_engine_model_name(const struct cli_engine *engine);

/* Harmless on an empty engine. */
void cli_engine_close(struct cli_engine *engine);

#endif
