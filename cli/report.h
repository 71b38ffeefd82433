/* SPDX-License-Identifier: MIT
 *
 * What a run of `upscale` tells about each file: to a person on standard error, to a program as one
 * JSON object a line. All functions may be called from any thread.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <pthread.h>
#include <stdio.h>

#include "media/job.h"

struct cli_report {
    /* Set before cli_report_open(). */
    bool quiet;   /* errors only */
    FILE *events; /* where JSON objects go; NULL: none, but text for a person */

    /* The report's own. */
    pthread_mutex_t lock;
    bool draws_progress, line_is_drawn;
    const char *input, *output, *kind;
    double started_s, shown_s;
    struct media_progress latest;
    size_t done, skipped, failed;
};

/* What came out. 0: not known. */
struct cli_report_result {
    uint32_t width_px, height_px;
    uint64_t frames;
    uint64_t first_number;        /* of the first, where the output is numbered pictures */
    uint64_t input_px, reused_px; /* of a video: see media_video_result */
    uint64_t frames_kept;         /* of a job that did not end: --resume finds them */
    /* Damage of a video that was got over. */
    uint64_t damaged_packets, damaged_frames;
    double missing_s;
};

void cli_report_open(struct cli_report *report);
void cli_report_close(struct cli_report *report);

/* The next file. `output` and `kind` may be NULL while they are not known. The strings must stay
 * until the next call of this function. */
void cli_report_file(struct cli_report *report, const char *input, const char *output,
                     const char *kind);

/* Fit media_job's callbacks; `report` is the opaque pointer. */
void cli_report_progress(void *report, const struct media_progress *progress);
void cli_report_note(void *report, const char *line);

/* How the file ended. `reason` and `message` are one line without the file's name. */
void cli_report_done(struct cli_report *report, const struct cli_report_result *result);
void cli_report_skipped(struct cli_report *report, const char *reason);
void cli_report_failed(struct cli_report *report, int exit_status, const char *message);

/* The job was stopped by a signal: clears the progress line and says so, and what `result` keeps.
 */
void cli_report_interrupted(struct cli_report *report, int exit_status,
                            const struct cli_report_result *result);

/* One line with the number of files done, skipped and failed. */
void cli_report_totals(struct cli_report *report);

#endif
