/* SPDX-License-Identifier: MIT
 *
 * How much of this machine the server's clients get.
 */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

struct server_limits {
    uint64_t upload_bytes;       /* of one input */
    uint64_t pixels;             /* of a video's frame; of a picture, all its pages together */
    uint64_t disk_bytes;         /* of all that the state folder holds */
    uint64_t job_memory_bytes;   /* of one job's process, beside the program itself */
    uint32_t duration_s;         /* of a video, as its header tells it */
    uint32_t queued;             /* jobs that wait */
    uint32_t running;            /* jobs at the same time */
    uint32_t rate_per_min;       /* new jobs and uploads of one client address */
    uint32_t keep_s;             /* how long a finished job is kept */
    uint32_t job_s;              /* how long a job may run */
    uint32_t stall_s;            /* how long it may run without a sign of progress */
    uint32_t connections;        /* at the same time */
    uint32_t client_connections; /* of one client address */
    uint32_t threads; /* worker threads of all running jobs together; 0: one for each CPU */
};

void server_limits_set_defaults(struct server_limits *limits);

/* Worker threads that one job gets. */
unsigned server_job_threads(const struct server_limits *limits);

#endif
