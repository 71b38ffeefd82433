/* SPDX-License-Identifier: MIT
 *
 * An output file that appears whole or not at all: written under a temporary name beside its
 * target (same extension, so that writers which look at it agree) and renamed at the end.
 */
#ifndef MEDIA_OUTPUT_H
#define MEDIA_OUTPUT_H

#include <stdint.h>

#include "media/job.h"

struct media_output {
    char *target_path;
    char *temporary_path; /* pass this to the writer */
    bool overwrite;
    bool is_sequence; /* many numbered files; temporary_path is a folder for them */
};

/* Refuses a target that exists unless `overwrite`, one that is a directory, and one whose folder
 * cannot be written. Creates the temporary file, empty, with the mode a new file would get. It is
 * remembered for media_output_unlink_all() until commit or abort. */
enum media_status media_output_begin(struct media_output *output, const char *target_path,
                                     bool overwrite, struct media_error *error);

/* fsync, then rename over the target and fsync of the folder (without `overwrite`: fails if the
 * target has appeared meanwhile). Ends the output on success and on failure. */
enum media_status media_output_commit(struct media_output *output, struct media_error *error);

/* The same for numbered files, `pattern` being as media_sequence_is_pattern() takes it: without
 * `overwrite` no file of any number may exist. The writer names them 1, 2, 3, ... in the folder
 * temporary_path. */
enum media_status media_output_begin_sequence(struct media_output *output, const char *pattern,
                                              bool overwrite, struct media_error *error);

/* Gives all `count` files their names, the first one's number being `first_number`: the files are
 * on the disk by then, and none is seen half-written. A failure takes all names back, except those
 * that overwrote something. */
enum media_status media_output_commit_sequence(struct media_output *output, uint64_t first_number,
                                               uint64_t count, struct media_error *error);

/* Removes the temporary file and ends the output. Harmless on a zeroed or ended one. */
void media_output_abort(struct media_output *output);

/* Removes the temporary files that killed processes have left of the same target as this one, which
 * is `temporary_path`. No other process may be at work on the target. */
void media_output_remove_stale(const char *temporary_path);

/* Removes every temporary file in progress. Async-signal-safe: for a handler that ends the process
 * without waiting. */
void media_output_unlink_all(void);

#endif
