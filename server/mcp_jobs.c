/* SPDX-License-Identifier: MIT */
#include "server/mcp_jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "media/kind.h"

/* Results that resources/list tells of. */
enum { MAX_RESULTS = 100 };

static struct server_jobs *engine(void *opaque)
{
    const struct server_mcp_jobs *jobs = opaque;
    return jobs->jobs;
}

/* A file for the other tool is told at once, not by a job that fails. What cannot be read, or is
 * neither, is left to the job. */
static bool check_kind(enum server_job_kind kind, const char *path, const char *called,
                       struct server_problem *problem)
{
    unsigned char head[MEDIA_KIND_HEAD_BYTES];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const ssize_t size = fd >= 0 ? read(fd, head, sizeof head) : -1;
    if (fd >= 0)
        close(fd);
    const enum media_kind found =
        size > 0 ? media_kind_of_head(head, (size_t)size) : MEDIA_KIND_UNKNOWN;
    if (kind == SERVER_JOB_IMAGE && found == MEDIA_KIND_VIDEO)
        return server_fail(problem, 415, "unsupported",
                           "'%.200s' is a video, not a picture; use the tool video_upscale",
                           called);
    if (kind == SERVER_JOB_VIDEO && found == MEDIA_KIND_PICTURE)
        return server_fail(problem, 415, "unsupported",
                           "'%.200s' is a picture, not a video; use the tool image_upscale",
                           called);
    return true;
}

/* The upload becomes the job's input; it stays if there is no job. */
static bool submit_upload(const struct server_mcp_jobs *jobs, const char *upload,
                          struct server_job_request *request, char id[SERVER_ID_SIZE],
                          struct server_problem *problem)
{
    char *path = NULL, *name = NULL;
    if (!server_uploads_find(jobs->uploads, upload, &path, &name, problem))
        return false;
    request->name = name;
    request->input_path = path;
    request->take_input = request->link_input = true;
    const bool done = check_kind(request->kind, path, name, problem) &&
                      server_jobs_create(jobs->jobs, request, id, NULL, problem);
    if (done)
        server_uploads_remove(jobs->uploads, upload, NULL);
    free(path);
    free(name);
    return done;
}

static bool submit(void *opaque, const struct server_mcp_order *order, char id[SERVER_ID_SIZE],
                   struct server_problem *problem)
{
    struct server_job_request request = {.kind = order->kind,
                                         .output_path = order->output_path,
                                         .overwrite = order->overwrite,
                                         .options = order->options};
    if (order->upload)
        return submit_upload(opaque, order->upload, &request, id, problem);
    request.name = strrchr(order->input_path, '/') + 1;
    request.input_path = order->input_path;
    return check_kind(order->kind, order->input_path, order->input_name, problem) &&
           server_jobs_create(engine(opaque), &request, id, NULL, problem);
}

static json_t *document(void *opaque, const char *id)
{
    return server_jobs_document(engine(opaque), id);
}

static bool cancel(void *opaque, const char *id)
{
    return server_jobs_cancel(engine(opaque), id, NULL);
}

static json_t *results(void *opaque)
{
    json_t *list =
        server_jobs_list(engine(opaque), server_job_state_name(SERVER_JOB_DONE), MAX_RESULTS, 0);
    json_t *jobs = json_incref(json_object_get(list, "jobs"));
    json_decref(list);
    return jobs;
}

/* ------------------------------------------------------------------------------------- waiting --
 */

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool told;
};

static void wake(void *opaque)
{
    struct waiter *waiter = opaque;
    pthread_mutex_lock(&waiter->mutex);
    waiter->told = true;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->mutex);
}

static void sleep_until_told(struct waiter *waiter, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&waiter->mutex);
    while (!waiter->told &&
           pthread_cond_timedwait(&waiter->changed, &waiter->mutex, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&waiter->mutex);
}

/* Has the job changed since, or ended? */
static bool has_changed(struct server_jobs *jobs, const char *id, uint64_t *sequence)
{
    struct server_job_event event;
    switch (server_jobs_next_event(jobs, id, *sequence, &event)) {
    case SERVER_JOB_NEXT_EVENT:
        *sequence = event.sequence;
        json_decref(event.data);
        return true;
    case SERVER_JOB_NEXT_OVER:
        return true;
    default:
        return false;
    }
}

static void wait(void *opaque, const char *id, uint64_t *sequence, int timeout_ms)
{
    struct waiter waiter = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&waiter.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    struct server_subscription *subscription =
        server_jobs_subscribe(engine(opaque), id, wake, &waiter);
    /* Subscribed first: a change between the look and the sleep is told. */
    if (!has_changed(engine(opaque), id, sequence)) {
        sleep_until_told(&waiter, timeout_ms);
        has_changed(engine(opaque), id, sequence);
    }
    server_jobs_unsubscribe(engine(opaque), subscription);
    pthread_cond_destroy(&waiter.changed);
    pthread_mutex_destroy(&waiter.mutex);
}

struct server_mcp_backend server_mcp_jobs_backend(struct server_mcp_jobs *jobs)
{
    return (struct server_mcp_backend){.opaque = jobs,
                                       .submit = submit,
                                       .document = document,
                                       .wait = wait,
                                       .cancel = cancel,
                                       .results = results,
                                       .has_uploads = jobs->uploads != NULL};
}
