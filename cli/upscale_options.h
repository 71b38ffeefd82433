/* SPDX-License-Identifier: MIT
 *
 * The command line of `pipersr upscale`.
 */
#ifndef CLI_UPSCALE_OPTIONS_H
#define CLI_UPSCALE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/engine.h"
#include "media/image.h"
#include "media/video.h"

struct cli_upscale_options {
    const char **inputs; /* malloc'd array of strings of argv */
    size_t input_count;
    const char *output; /* NULL: beside each input; "-": standard output */
    bool recursive, skip_existing, force, quiet, json;
    const char *format; /* as typed; NULL: from the names */
    struct cli_engine_options engine;
    struct media_image_options image; /* without format */
    struct media_video_options video; /* without container */
};

/* Returns true if there is work to do. Otherwise *exit_status is that of the process: help was
 * printed, or a message about what is wrong. `options` must be freed in both cases. */
bool cli_upscale_parse(int argc, char **argv, struct cli_upscale_options *options,
                       int *exit_status);

void cli_upscale_options_free(struct cli_upscale_options *options);

#endif
