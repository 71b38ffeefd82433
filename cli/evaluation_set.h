/* SPDX-License-Identifier: MIT
 *
 * Folders of pictures to measure with: HR/ holds the originals, LR/ the same pictures made smaller.
 */
#ifndef CLI_EVALUATION_SET_H
#define CLI_EVALUATION_SET_H

#include <stdbool.h>
#include <stddef.h>

struct cli_evaluation_pair {
    char *name; /* of the LR file, without its extension and a suffix such as "x2" or "_LR" */
    char *low_path, *high_path;
};

struct cli_evaluation_set {
    char *name;                        /* of the folder */
    struct cli_evaluation_pair *pairs; /* sorted by file name */
    size_t count;
};

struct cli_evaluation_sets {
    struct cli_evaluation_set *items;
    size_t count;
};

/* Finds the set in `folder`, or, if it has no HR/ and LR/, those in its subfolders. Files belong
 * together when their names are equal without extension and suffixes that tell the scale. Returns
 * CLI_EXIT_OK, or another status with a message: no set, an empty one, a file without its partner.
 */
int cli_evaluation_sets_open(const char *folder, struct cli_evaluation_sets *sets);

/* Harmless on what a failed open left. */
void cli_evaluation_sets_close(struct cli_evaluation_sets *sets);

#endif
