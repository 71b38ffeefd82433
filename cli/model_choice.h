/* SPDX-License-Identifier: MIT
 *
 * What --model NAME|FILE means. A value with a '/' or that ends in .safetensors is a file, whatever
 * there is. Any other is the built-in model of this name, else a file that exists. So a file of
 * the current folder never takes a built-in model's name away; as ./NAME it is meant.
 */
#ifndef CLI_MODEL_CHOICE_H
#define CLI_MODEL_CHOICE_H

#include "media/job.h"

/* One of the two is set. */
struct cli_model_choice {
    const pipersr_built_in_model *built_in;
    const char *path; /* the value of the option; it need not exist */
};

/* `value` is the option's, or NULL for the built-in model that suits `use` and `scale` (0: any).
 * Returns CLI_EXIT_OK, or
 * CLI_EXIT_INPUT with a message that names the built-in models. */
int cli_model_choose(const char *value, pipersr_use use, uint32_t scale,
                     struct cli_model_choice *choice);

/* What to call it in messages: the built-in model's name, or the path. */
const char *cli_model_choice_name(const struct cli_model_choice *choice);

#endif
