/* SPDX-License-Identifier: MIT
 *
 * The job engine: takes jobs, runs each in a process of its own, keeps its row until it expires.
 * Knows nothing of HTTP: `pipersr mcp` uses it over standard input and output too.
 *
 * Any thread may call any function. Those marked "waits" write to the disk and wait for it, or for
 * a process to end: never call them in the thread that serves HTTP. The others return at once.
 */
#ifndef SERVER_JOBS_H
#define SERVER_JOBS_H

#include "server/job.h"
#include "server/limits.h"

struct server_jobs;

struct server_jobs_settings {
    const char *state_folder; /* made if it is not there */
    struct server_limits limits;
};

/* Opens the state folder, which one process may use at a time, and goes on with what was queued or
 * running when it was last used. False with a problem. Waits. */
bool server_jobs_open(const struct server_jobs_settings *settings, struct server_jobs **jobs,
                      struct server_problem *problem);

/* From now on no job is taken and none is started; running ones go on. */
void server_jobs_drain(struct server_jobs *jobs);
bool server_jobs_is_draining(struct server_jobs *jobs);

/* Ends the processes of running jobs, which start again at the next open, and frees all. No other
 * call may be in progress, and all subscriptions must have ended. NULL is allowed. Waits. */
void server_jobs_close(struct server_jobs *jobs);

/* ------------------------------------------------------------------------------ what changes -- */

struct server_job_request {
    enum server_job_kind kind;
    const char *name;       /* of the input, for people and to name the result after */
    const char *input_path; /* absolute */
    bool take_input;        /* the file becomes the job's: it is moved (same file system), or with
                             * `link_input` linked, into the job's folder. Else it is read where it
                             * lies, and never written */
    bool link_input;
    const char *output_path;     /* absolute; where the result is put, whole or not at all; NULL: it
                                  * stays in the job's folder until the job expires */
    bool overwrite;              /* output_path may exist */
    const json_t *options;       /* as server_job_options_complete() takes them */
    const char *idempotency_key; /* NULL: none; else `fingerprint` tells payloads apart */
    const char *fingerprint;
};

/* Accepts a job: when it returns true, the job survives a kill and a power cut. `id` gets the new
 * job's, or with an idempotency key that was used before the old one's, and *existed (may be NULL)
 * says so. False with a problem: 422 options or another payload under the same key, 503 queue full
 * or draining, 507 no room. The input is taken only on success. Waits. */
bool server_jobs_create(struct server_jobs *jobs, const struct server_job_request *request,
                        char id[SERVER_ID_SIZE], bool *existed, struct server_problem *problem);

/* Has a request with this idempotency key made a job? Then *existed, and `id` gets the job's. False
 * with a problem (422) if that request's fingerprint was another. */
bool server_jobs_find_earlier(struct server_jobs *jobs, const char *key, const char *fingerprint,
                              char id[SERVER_ID_SIZE], bool *existed,
                              struct server_problem *problem);

/* A queued or running job becomes cancelled and keeps its row; a finished one stays as it is.
 * 404 if there is none. Waits. */
bool server_jobs_cancel(struct server_jobs *jobs, const char *id, struct server_problem *problem);

/* Cancels it and removes it with all its files. 404 if there is none. Waits. */
bool server_jobs_remove(struct server_jobs *jobs, const char *id, struct server_problem *problem);

/* ------------------------------------------------------------------------------ what is known --
 */

/* The job's document (docs/server.md), a new reference; NULL if there is none. */
json_t *server_jobs_document(struct server_jobs *jobs, const char *id);

/* {"jobs": [documents, newest first], "total": of this state}. `state` may be NULL: all. */
json_t *server_jobs_list(struct server_jobs *jobs, const char *state, size_t limit, size_t offset);

struct server_jobs_counts {
    size_t in_state[SERVER_JOB_STATES];
    uint64_t disk_bytes;               /* that jobs and uploads hold */
    uint64_t ended[SERVER_JOB_STATES]; /* since the start */
    uint64_t frames;                   /* made since the start */
};

void server_jobs_count(struct server_jobs *jobs, struct server_jobs_counts *counts);

const struct server_limits *server_jobs_limits(const struct server_jobs *jobs);
const char *server_jobs_state_folder(const struct server_jobs *jobs);

/* Counts bytes that somebody keeps in the state folder beside the jobs', until they are released.
 * False with a problem (507) if there is no room for them. */
bool server_jobs_hold(struct server_jobs *jobs, uint64_t bytes, struct server_problem *problem);
void server_jobs_release(struct server_jobs *jobs, uint64_t bytes);

/* A file of a job, open for reading. */
struct server_job_file {
    int fd; /* the caller closes it */
    uint64_t bytes;
    int64_t modified_ms;
    char name[256]; /* to be saved under: no '/', no control characters */
    char content_type[64];
    char etag[SERVER_ID_SIZE + 24]; /* with its quotes */
};

/* 404 if there is no such job; 409 while it is not done, 410 where it failed. */
bool server_jobs_open_result(struct server_jobs *jobs, const char *id, struct server_job_file *file,
                             struct server_problem *problem);
bool server_jobs_open_input(struct server_jobs *jobs, const char *id, struct server_job_file *file,
                            struct server_problem *problem);

/* Where a video lies that a job reads, or with `result` made, and what it is called; both malloc'd.
 * 404 if there is no such job, 415 if it is no video, 409 or 410 if there is no result. */
bool server_jobs_find_video(struct server_jobs *jobs, const char *id, bool result, char **path,
                            char **name, struct server_problem *problem);

/* The same of the input of any job; *outside: it is a file of somebody else's, which the job reads
 * where it lies. 404 if there is no such job. */
bool server_jobs_find_input(struct server_jobs *jobs, const char *id, char **path, char **name,
                            bool *outside, struct server_problem *problem);

/* ------------------------------------------------------------------------------------ events -- */

/* Called after every change of the job, or with id NULL of any job, by any thread, with the
 * engine's lock held: it must only wake somebody up, and call nothing of this header. */
typedef void server_jobs_listener(void *opaque);

struct server_subscription;

/* NULL without memory. The job need not exist. */
struct server_subscription *server_jobs_subscribe(struct server_jobs *jobs, const char *id,
                                                  server_jobs_listener *listener, void *opaque);
/* When it returns, the listener is not called any more. NULL is allowed. */
void server_jobs_unsubscribe(struct server_jobs *jobs, struct server_subscription *subscription);

struct server_job_event {
    uint64_t sequence; /* rises with each event of the engine, over restarts too */
    const char *name;  /* "progress", "done", "failed", "cancelled" */
    json_t *data;      /* a new reference */
    bool last;         /* of its job */
};

enum server_job_next {
    SERVER_JOB_NEXT_EVENT, /* *event is filled */
    SERVER_JOB_NEXT_WAIT,  /* nothing has changed after `sequence` */
    SERVER_JOB_NEXT_OVER   /* the job has ended and this was told, or there is no such job */
};

/* The next thing to tell somebody who knows everything up to `sequence` (0: nothing). Changes that
 * came in between are not told one by one: the newest state is what counts. */
enum server_job_next server_jobs_next_event(struct server_jobs *jobs, const char *id,
                                            uint64_t sequence, struct server_job_event *event);

/* The same of all jobs, in the order in which they changed, without those that had ended by
 * `opened`. Never SERVER_JOB_NEXT_OVER. */
enum server_job_next server_jobs_next_event_of_all(struct server_jobs *jobs, uint64_t sequence,
                                                   uint64_t opened, struct server_job_event *event);

/* The engine's newest sequence number: to follow all jobs from now on. */
uint64_t server_jobs_sequence(struct server_jobs *jobs);

#endif
