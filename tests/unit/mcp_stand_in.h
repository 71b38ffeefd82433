/* SPDX-License-Identifier: MIT
 *
 * A stand-in for the job engine, for tests of the protocol: jobs that do nothing, step by step.
 */
#ifndef MCP_STAND_IN_H
#define MCP_STAND_IN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/mcp_backend.h"

enum { STAND_IN_JOBS = 64 };

struct stand_in_job {
    const char *state;
    enum server_job_kind kind;
    int done, total;
    char output[300];
};

struct stand_in {
    pthread_mutex_t mutex;
    struct stand_in_job jobs[STAND_IN_JOBS];
    int count;
    atomic_int steps;   /* of a new job */
    atomic_int step_ms; /* how long one takes; below 0: it never ends by itself */
    atomic_bool fails;  /* jobs end as failed */
    atomic_int cancels; /* how often one was cancelled */
};

static inline struct stand_in_job *stand_in_find(struct stand_in *all, const char *id)
{
    int number;
    return sscanf(id, "job%d", &number) == 1 && number >= 0 && number < all->count
               ? &all->jobs[number]
               : NULL;
}

static inline bool stand_in_submit(void *opaque, const struct server_mcp_order *order,
                                   char id[SERVER_ID_SIZE], struct server_problem *problem)
{
    struct stand_in *all = opaque;
    pthread_mutex_lock(&all->mutex);
    const int number = all->count < STAND_IN_JOBS ? all->count++ : -1;
    if (number >= 0) {
        all->jobs[number] = (struct stand_in_job){"running", order->kind, 0, all->steps, ""};
        snprintf(all->jobs[number].output, sizeof all->jobs[number].output, "%s",
                 order->output_path ? order->output_path : "");
        snprintf(id, SERVER_ID_SIZE, "job%d", number);
    }
    pthread_mutex_unlock(&all->mutex);
    if (number >= 0)
        return true;
    problem->status = 503;
    snprintf(problem->detail, sizeof problem->detail, "the queue is full");
    return false;
}

static inline json_t *stand_in_describe(const struct stand_in_job *job, int number)
{
    char id[16];
    const bool done = strcmp(job->state, "done") == 0, failed = strcmp(job->state, "failed") == 0;
    snprintf(id, sizeof id, "job%d", number);
    json_t *document = json_pack(
        "{s:s, s:s, s:s, s:s, s:n, s:n, s:s, s:{s:s, s:i}, s:{}, s:{s:i, s:i, s:f, s:n, s:n, s:s}, "
        "s:n, s:[], s:n}",
        "id", id, "kind", job->kind == SERVER_JOB_VIDEO ? "video" : "image", "state", job->state,
        "created", "2026-07-28T00:00:00.000Z", "started", "finished", "expires",
        "2026-07-28T00:01:00.000Z", "input", "name", "in.png", "bytes", 1, "options", "progress",
        "frame", job->done, "frames", job->total, "fps", 1.0, "eta_s", "percent", "unit", "rows",
        "result", "notes", "error");
    if (done)
        json_object_set_new(document, "result",
                            json_pack("{s:s, s:s, s:s, s:i, s:s}", "url", "/v1/jobs/x/result",
                                      "name", "in_2x.png", "path", job->output, "bytes", 4,
                                      "content_type", "image/png"));
    if (failed)
        json_object_set_new(document, "error", json_pack("{s:s}", "detail", "it went wrong"));
    return document;
}

static inline json_t *stand_in_document(void *opaque, const char *id)
{
    struct stand_in *all = opaque;
    pthread_mutex_lock(&all->mutex);
    const struct stand_in_job *job = stand_in_find(all, id);
    json_t *document = job ? stand_in_describe(job, (int)(job - all->jobs)) : NULL;
    pthread_mutex_unlock(&all->mutex);
    return document;
}

static inline void stand_in_wait(void *opaque, const char *id, uint64_t *sequence, int timeout_ms)
{
    struct stand_in *all = opaque;
    const int pause_ms = all->step_ms < 0 ? timeout_ms / 20 : all->step_ms;
    const struct timespec pause = {.tv_nsec = pause_ms * 1000000L};
    if (pause_ms > 0)
        nanosleep(&pause, NULL);
    ++*sequence;
    pthread_mutex_lock(&all->mutex);
    struct stand_in_job *job = stand_in_find(all, id);
    if (job && strcmp(job->state, "running") == 0 && all->step_ms >= 0 && ++job->done >= job->total)
        job->state = all->fails ? "failed" : "done";
    pthread_mutex_unlock(&all->mutex);
}

static inline bool stand_in_cancel(void *opaque, const char *id)
{
    struct stand_in *all = opaque;
    pthread_mutex_lock(&all->mutex);
    struct stand_in_job *job = stand_in_find(all, id);
    if (job && strcmp(job->state, "running") == 0) {
        job->state = "cancelled";
        all->cancels++;
    }
    pthread_mutex_unlock(&all->mutex);
    return job != NULL;
}

static inline json_t *stand_in_results(void *opaque)
{
    struct stand_in *all = opaque;
    json_t *list = json_array();
    pthread_mutex_lock(&all->mutex);
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->jobs[i].state, "done") == 0)
            json_array_append_new(list, stand_in_describe(&all->jobs[i], i));
    pthread_mutex_unlock(&all->mutex);
    return list;
}

static inline struct server_mcp_backend stand_in_backend(struct stand_in *all, bool has_uploads)
{
    return (struct server_mcp_backend){.opaque = all,
                                       .submit = stand_in_submit,
                                       .document = stand_in_document,
                                       .wait = stand_in_wait,
                                       .cancel = stand_in_cancel,
                                       .results = stand_in_results,
                                       .has_uploads = has_uploads};
}

#endif
