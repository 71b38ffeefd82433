/* SPDX-License-Identifier: MIT
 *
 * What a model is, as JSON; the table of the built-in models.
 */
#ifndef CLI_MODEL_LIST_H
#define CLI_MODEL_LIST_H

#include <jansson.h>
#include <stdbool.h>

#include "media/job.h"

/* A new reference, or NULL where memory runs out. */
json_t *cli_model_json(const pipersr_model_info *model);

/* Prints the built-in models. Returns CLI_EXIT_OK, or another status with a message. */
int cli_model_list(bool json);

#endif
