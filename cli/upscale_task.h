/* SPDX-License-Identifier: MIT
 *
 * One input of `pipersr upscale`: what it is, and where its output goes.
 */
#ifndef CLI_UPSCALE_TASK_H
#define CLI_UPSCALE_TASK_H

#include "cli/destination.h"
#include "cli/inputs.h"
#include "cli/kind.h"
#include "cli/upscale_options.h"

/* What all inputs have in common. */
struct cli_upscale_place {
    const struct cli_upscale_options *options;
    struct cli_destinations destinations;
    const char *output_folder; /* the -o folder, or NULL */
    bool to_stdout;
    unsigned scale;
};

/* One file on its way. */
struct cli_task {
    const struct cli_input *input;
    enum cli_kind kind;
    char *target;         /* malloc'd; NULL for standard output */
    bool is_numbered;     /* the input is numbered pictures */
    const char *pictures; /* the output is numbered pictures of this format; else NULL */
    char *parts_folder;   /* malloc'd; of a video to a file, else NULL */
    bool kept_extension;  /* false: the input's own cannot be written */
};

/* Each is for a task on which the one before it has succeeded. Find out what the input is: UNKNOWN
 * for a file in a folder that is to be passed over. */
enum media_status cli_task_find_kind(const struct cli_upscale_place *place, struct cli_task *task,
                                     struct media_error *error);
enum media_status cli_task_find_target(const struct cli_upscale_place *place, struct cli_task *task,
                                       struct media_error *error);
/* Everything that can be refused before a byte is decoded. *skip: the output is there already. */
enum media_status cli_task_prepare(struct cli_upscale_place *place, struct cli_task *task,
                                   bool *skip, struct media_error *error);

void cli_task_free(struct cli_task *task);

bool cli_path_exists(const char *path);

#endif
