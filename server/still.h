/* SPDX-License-Identifier: MIT
 *
 * One moment of a video as a picture, made by a process like a job's: it is a stranger's file that
 * is looked into.
 */
#ifndef SERVER_STILL_H
#define SERVER_STILL_H

#include "server/jobs.h"

struct server_still_request {
    const char *input_path; /* absolute */
    const char *name;       /* of the input, for messages */
    double seconds;
    const json_t *options; /* as server_job_options_complete() makes it: enlarged as a job with
                            * these would; NULL: as it is */
};

/* file: a PNG, open for reading, without a name on the disk. 504 if it takes too long; else what
 * went wrong with the video. Waits. */
bool server_still_make(struct server_jobs *jobs, const struct server_still_request *request,
                       struct server_job_file *file, struct server_problem *problem);

#endif
