/* SPDX-License-Identifier: MIT
 *
 * Model files as bytes: the one that a new one is made from, and the new one.
 */
#ifndef CLI_MODEL_BYTES_H
#define CLI_MODEL_BYTES_H

#include <stddef.h>

#include "cli/model_choice.h"
#include "media/output.h"

struct cli_model_bytes {
    const void *data;
    size_t size;
    void *owned; /* malloc'd, or NULL for a built-in model */
};

/* The file or the built-in model that was chosen. Returns CLI_EXIT_OK, or another status with a
 * message. What is in the file is not looked at. */
int cli_model_bytes_load(const struct cli_model_choice *choice, struct cli_model_bytes *model);
/* Harmless on what a failed load left. */
void cli_model_bytes_free(struct cli_model_bytes *model);

/* Writes the bytes as the whole of `output` and commits it; ends the output in any case. Returns
 * CLI_EXIT_OK, or another status with a message. */
int cli_model_bytes_save(const void *data, size_t size, struct media_output *output);

#endif
