/* SPDX-License-Identifier: MIT
 *
 * What the protocol needs of whoever does the work: the job engine (server/mcp_jobs.h), or a
 * stand-in in tests. Any thread calls, several at a time.
 */
#ifndef SERVER_MCP_BACKEND_H
#define SERVER_MCP_BACKEND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/job.h"

struct server_mcp_order {
    enum server_job_kind kind;
    const char *input_path;  /* absolute, allowed, a regular file; NULL: `upload` */
    const char *input_name;  /* the same as the client wrote it, for messages */
    const char *upload;      /* id of an upload; NULL: `input_path` */
    const char *output_path; /* absolute, allowed; NULL: the result stays with the job */
    bool overwrite;          /* output_path may exist */
    const json_t *options;   /* as server_job_options_complete() takes them */
};

struct server_mcp_backend {
    void *opaque;
    /* False with a problem, whose detail is one line for the client. */
    bool (*submit)(void *opaque, const struct server_mcp_order *order, char id[SERVER_ID_SIZE],
                   struct server_problem *problem);
    /* The job's document, a new reference; NULL if there is none. */
    json_t *(*document)(void *opaque, const char *id);
    /* Returns when the job has changed after *sequence (0: at once) and updates it, or after
     * timeout_ms, or at once for a job that has ended or is not there. */
    void (*wait)(void *opaque, const char *id, uint64_t *sequence, int timeout_ms);
    /* False if there is no such job; one that has ended stays as it is. */
    bool (*cancel)(void *opaque, const char *id);
    /* Array of the documents of the newest jobs that are done, a new reference. */
    json_t *(*results)(void *opaque);
    bool has_uploads; /* `upload` may be used */
};

#endif
