/* SPDX-License-Identifier: MIT
 *
 * Where the outputs of one run go: every name once, and folders that were made for nothing are
 * taken away again.
 */
#ifndef CLI_DESTINATION_H
#define CLI_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "media/job.h"

struct cli_destinations {
    void *claimed;  /* tree of resolved names */
    char **folders; /* made by this run, parents first */
    size_t folder_count, folder_capacity;
};

/* Takes `target` for this run. MEDIA_ERROR_OUTPUT if an earlier input has taken the same file,
 * MEDIA_ERROR_MEMORY; both with a message. */
enum media_status cli_destination_claim(struct cli_destinations *destinations, const char *target,
                                        struct media_error *error);

/* Makes `folder` and those between it and the file `target`, which begins with it, where they are
 * missing. Parents of `folder` must exist. MEDIA_ERROR_OUTPUT or MEDIA_ERROR_MEMORY with a
 * message. */
enum media_status cli_destination_make_folders(struct cli_destinations *destinations,
                                               const char *folder, const char *target,
                                               struct media_error *error);

/* Removes the folders made by this run in which nothing is, and frees everything. */
void cli_destinations_end(struct cli_destinations *destinations);

/* Are both names those of one existing file? */
bool cli_destination_is_same_file(const char *a, const char *b);

/* Of numbered pictures made from numbered pictures, is one of the outputs one of the inputs? They
 * have the same numbers. `start` is media_sequence_find()'s. */
bool cli_destination_is_same_sequence(const char *input, const uint64_t *start, const char *output);

#endif
