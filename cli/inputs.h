/* SPDX-License-Identifier: MIT
 *
 * From what was typed to the list of files: folders are walked, their own outputs left out.
 */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

struct cli_input {
    char *path;           /* "-": standard input */
    const char *relative; /* points into `path`: its part below the folder that was typed, or its
                             base name */
    bool from_folder;     /* found by walking, not typed */
    int failure;          /* errno of a folder that cannot be read, else 0 */
};

struct cli_inputs {
    struct cli_input *items;
    size_t count, capacity;
    size_t already_upscaled; /* files left out because their names say that they are outputs */
};

/* Appends what `path` stands for: itself, or, if it is a folder and `recursive`, the regular files
 * in and below it, sorted by name. Hidden files, files named like our outputs, folders behind
 * symbolic links, those named *.parts and the folder `excluded` (NULL: none), where the outputs go,
 * are left out. A folder that cannot be read becomes an item with its `failure`. False where memory
 * runs out. */
bool cli_inputs_add(struct cli_inputs *inputs, const char *path, bool recursive,
                    const char *excluded);

void cli_inputs_free(struct cli_inputs *inputs);

#endif
