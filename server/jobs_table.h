/* SPDX-License-Identifier: MIT
 *
 * Inside the job engine: the table of jobs, its lock, and what the files of the engine share.
 *
 * One thread, the scheduler's, changes the state of jobs and removes them; others add jobs and
 * leave requests. So the scheduler may read a job without the lock, and writes a row first, then
 * the table under the lock, then tells the listeners: nobody hears of what could still be lost.
 */
#ifndef SERVER_JOBS_TABLE_H
#define SERVER_JOBS_TABLE_H

#include <pthread.h>

#include "server/child.h"
#include "server/jobs.h"
#include "server/store.h"

/* A job that has a process, or a result on its way to where it is wanted. */
struct server_running {
    struct server_child child;
    struct server_delivery *delivery; /* NULL: none */
    int64_t started_ms, sign_ms;      /* monotonic; the last sign of progress */
    uint64_t found;                   /* frames that an earlier process has made */
    bool has_found;                   /* `found` is known */
    int64_t told_ms;                  /* when listeners last heard of it, monotonic */
    json_t *outcome;                  /* the last thing that the process said, NULL: nothing */
    json_t *notes;
    uint64_t work_bytes;                 /* its share of those of all jobs, below */
    const struct server_problem *killed; /* why, a constant; NULL: it was not */
    bool is_left_over; /* the outcome is an earlier process's, and may be delivered already */
};

/* A job in the table. */
struct server_entry {
    struct server_job *job;            /* owned */
    struct server_running *running;    /* the scheduler's own */
    bool cancel_wanted, remove_wanted; /* by whoever waits on `settled` */
    uint64_t kept_bytes;               /* of its input and result in the state folder */
};

struct server_subscription {
    struct server_subscription *next;
    char id[SERVER_ID_SIZE]; /* "": of all jobs */
    server_jobs_listener *listener;
    void *opaque;
};

struct server_jobs {
    struct server_limits limits;
    char *folder;
    int lock_fd;
    struct server_store *store;
    pthread_t scheduler;
    bool scheduler_runs;
    int wake_fd; /* an eventfd */

    pthread_mutex_t mutex; /* of everything below */
    pthread_cond_t settled;
    struct server_entry **entries; /* oldest first */
    size_t n_entries, capacity;
    size_t n_reserved; /* places of the queue for jobs that are being written */
    uint64_t sequence;
    bool draining, stopping;
    struct server_subscription *subscriptions;
    uint64_t ended[SERVER_JOB_STATES], frames;
    uint64_t kept_bytes;   /* of all jobs */
    uint64_t upload_bytes; /* held by uploads and bodies on their way */
    uint64_t work_bytes;   /* of jobs that run, when last looked at */
};

/* With the lock held. NULL if there is none. */
struct server_entry *server_jobs_find(struct server_jobs *jobs, const char *id);

/* As server_jobs_find_earlier(), with the lock held; `key` may be NULL, and *existed stays as it is
 * where there is no such job. */
bool server_jobs_find_key(const struct server_jobs *jobs, const char *key, const char *fingerprint,
                          char id[SERVER_ID_SIZE], bool *existed, struct server_problem *problem);

/* With the lock held: the job has changed. */
void server_jobs_tell(struct server_jobs *jobs, struct server_job *job);

/* With the lock held: its input or result has come; with `goes`, both go. */
void server_jobs_count_kept(struct server_jobs *jobs, struct server_entry *entry, bool goes);

void server_jobs_wake(struct server_jobs *jobs);

/* "STATE/jobs/ID" and what is below it; malloc'd. */
char *server_jobs_path(const struct server_jobs *jobs, const char *id, const char *below);

/* Bytes that may still be written to the disk. */
uint64_t server_jobs_room(struct server_jobs *jobs);

/* The scheduler's thread; ends when `stopping` is set. */
void *server_scheduler_run(void *opaque);

int64_t server_monotonic_ms(void);

#endif
