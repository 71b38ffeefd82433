/* SPDX-License-Identifier: MIT
 *
 * What every media job shares: its outcome, its engine, its progress and its cancellation.
 */
#ifndef MEDIA_JOB_H
#define MEDIA_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pipersr.h"

/* Outcome of a job. The program's exit statuses are made from these (docs in cli/exit_status.h). */
enum media_status {
    MEDIA_OK = 0,
    MEDIA_ERROR_INPUT,       /* missing, unreadable, damaged or empty input */
    MEDIA_ERROR_UNSUPPORTED, /* intact, but a format or size that is not handled */
    MEDIA_ERROR_OUTPUT, /* the output cannot be written: permission, full disk, exists, pipe closed
                         */
    MEDIA_ERROR_MEMORY,
    MEDIA_ERROR_CANCELLED,
    MEDIA_ERROR_INTERNAL /* a step failed that should not */
};

/* One line, without the program's name and without a newline: what, why, what to do. */
struct media_error {
    char message[512];
};

/* printf into error->message (truncated to fit, newlines and control characters replaced by
 * spaces) and return `status`, so that a function can end with `return media_fail(...)`.
 * `error` may be NULL. */
enum media_status media_fail(struct media_error *error, enum media_status status,
                             const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Turns a failed engine call into a media status with the engine's message. */
enum media_status media_fail_engine(struct media_error *error, pipersr_status status,
                                    const pipersr_upscaler *upscaler);

struct media_progress {
    uint64_t done;
    uint64_t total;   /* 0: unknown */
    const char *unit; /* "rows" or "frames" */
    uint64_t kept;    /* of `done`, what an earlier run has done */
};

/* Two passes (for --scale 4) are two upscalers, as each keeps the state of its own pass. */
enum { MEDIA_MAX_PASSES = 2 };

struct media_job {
    pipersr_upscaler *pass[MEDIA_MAX_PASSES]; /* owned by the caller */
    unsigned passes;                          /* 1 or 2 */
    unsigned scale;                           /* of all passes together */
    const atomic_bool *cancel;                /* polled; NULL: cannot be cancelled */
    void (*on_progress)(void *opaque, const struct media_progress *progress); /* NULL: none; called
                                                 from any one thread at a time, cheaply often */
    void (*on_note)(void *opaque, const char *line); /* NULL: none; a one-line remark for the user,
                                                 e.g. something the output cannot hold */
    void *opaque;
};

#endif
