/* SPDX-License-Identifier: MIT
 *
 * One job as it is known: what its row holds, how far it is, and the document that clients get.
 */
#ifndef SERVER_JOB_H
#define SERVER_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/folder.h"

enum server_job_kind { SERVER_JOB_VIDEO, SERVER_JOB_IMAGE };

enum server_job_state {
    SERVER_JOB_QUEUED,
    SERVER_JOB_RUNNING,
    SERVER_JOB_DONE,
    SERVER_JOB_FAILED,
    SERVER_JOB_CANCELLED
};
enum { SERVER_JOB_STATES = SERVER_JOB_CANCELLED + 1 };

/* What changes when a job goes from one state to the next; a row holds it too. Times are
 * milliseconds since 1970, 0: not yet. The values are owned, NULL where there are none. */
struct server_job_change {
    enum server_job_state state;
    int64_t started_ms, finished_ms, expires_ms;
    json_t *result; /* {file, name, bytes, content_type, width_px, height_px, frames} */
    json_t *error;  /* a problem document */
    json_t *notes;  /* array of strings */
};

struct server_job_progress {
    uint64_t done, total; /* 0: unknown */
    const char *unit;     /* "frames" or "rows" */
    double per_s;
    double eta_s; /* below 0: unknown */
};

struct server_job {
    char id[SERVER_ID_SIZE];
    enum server_job_kind kind;
    int64_t created_ms;
    char *name;                          /* of the input, as the client called it */
    uint64_t bytes;                      /* of the input */
    char *input_path;                    /* where it lies; NULL: in the job's folder */
    char *output_path;                   /* where the result is put besides; NULL: nowhere */
    bool overwrite;                      /* output_path may exist */
    json_t *options;                     /* as server_job_options_complete() makes it */
    char *idempotency_key, *fingerprint; /* NULL: none was given */
    struct server_job_change now;
    struct server_job_progress progress;
    uint64_t sequence; /* of its last change: rises over all jobs and over restarts */
};

const char *server_job_kind_name(enum server_job_kind kind);
const char *server_job_state_name(enum server_job_state state);
/* False for a word that is none. */
bool server_job_kind_parse(const char *name, enum server_job_kind *kind);
bool server_job_state_parse(const char *name, enum server_job_state *state);

/* Done, failed or cancelled. */
bool server_job_is_finished(const struct server_job *job);

/* Takes over what `change` holds. */
void server_job_apply(struct server_job *job, struct server_job_change *change);
void server_job_change_free(struct server_job_change *change);

/* NULL is allowed. */
void server_job_free(struct server_job *job);

/* New references that share nothing with the job; NULL without memory. The event's data is
 * {id, frame, frames, fps, eta_s, percent, state}, and "job" once it is finished. */
json_t *server_job_document(const struct server_job *job);
json_t *server_job_event_data(const struct server_job *job);

/* "progress", "done", "failed" or "cancelled". */
const char *server_job_event_name(const struct server_job *job);

int64_t server_now_ms(void);

/* RFC 3339, in UTC; null for 0. A new reference. */
json_t *server_time_json(int64_t ms);

#endif
