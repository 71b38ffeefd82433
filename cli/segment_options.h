/* SPDX-License-Identifier: MIT
 *
 * The command line of `pipersr segment run-segment` and `join`; that of `plan` is upscale's.
 */
#ifndef CLI_SEGMENT_OPTIONS_H
#define CLI_SEGMENT_OPTIONS_H

#include <stdbool.h>

#include "cli/engine.h"

struct cli_segment_options {
    uint64_t number;
    const char *parts_folder;
    const char *output; /* of join; NULL: the plan's */
    bool force, quiet;
    struct cli_engine_options engine; /* of this machine: threads, instruction set, memory */
};

/* As cli_upscale_parse(). `takes_number`: the segment's number comes before the folder. */
bool cli_segment_parse(int argc, char **argv, bool takes_number,
                       struct cli_segment_options *options, int *exit_status);

/* For a word that is no step: prints the help if it asks for it. Returns the exit status. */
int cli_segment_help(const char *word);

#endif
