/* SPDX-License-Identifier: MIT
 *
 * The thread that decides when jobs start, and settles what becomes of them.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/delivery.h"
#include "server/outcome.h"
#include "server/running.h"

enum {
    POLL_MS = 1000,
    MAX_RUNNING = 64,
    MEASURE_MS = 1000, /* between two looks at the size of work folders */
    RETRY_S = 5        /* after a row could not be written */
};

struct scheduler {
    struct server_jobs *jobs;
    struct server_entry *running[MAX_RUNNING];
    size_t n_running;
    int64_t retry_ms;    /* monotonic; nothing is started before it */
    int64_t measured_ms; /* monotonic */
};

/* ------------------------------------------------------------------------------ from row to row */

/* Row first, then table, then listeners. What cannot be written is not told: the job stays as it
 * was, and its next start or the next try makes good for it. */
static bool change_job(struct scheduler *scheduler, struct server_entry *entry,
                       struct server_job_change *change)
{
    struct server_jobs *jobs = scheduler->jobs;
    struct server_problem problem;
    if (!server_store_change(jobs->store, entry->job->id, change, &problem)) {
        fprintf(stderr, "pipersr: job %s: %s\n", entry->job->id, problem.detail);
        server_job_change_free(change);
        pthread_mutex_lock(&jobs->mutex);
        if (entry->job->now.state == SERVER_JOB_RUNNING)
            entry->job->now.state = SERVER_JOB_QUEUED;
        pthread_mutex_unlock(&jobs->mutex);
        scheduler->retry_ms = server_monotonic_ms() + RETRY_S * 1000;
        return false;
    }
    pthread_mutex_lock(&jobs->mutex);
    server_job_apply(entry->job, change);
    server_jobs_count_kept(jobs, entry, false);
    if (server_job_is_finished(entry->job)) {
        jobs->ended[entry->job->now.state]++;
        entry->cancel_wanted = false;
        if (entry->running)
            server_running_stop_counting(jobs, entry->running);
    }
    server_jobs_tell(jobs, entry->job);
    pthread_cond_broadcast(&jobs->settled);
    pthread_mutex_unlock(&jobs->mutex);
    return true;
}

/* `result` and `error`: one of them or none (cancelled); both are taken over. */
static void finish_job(struct scheduler *scheduler, struct server_entry *entry,
                       enum server_job_state state, json_t *result, json_t *error)
{
    struct server_job *job = entry->job;
    const int64_t now_ms = server_now_ms();
    struct server_job_change change = {.state = state,
                                       .started_ms = job->now.started_ms,
                                       .finished_ms = now_ms,
                                       .expires_ms =
                                           now_ms + (int64_t)scheduler->jobs->limits.keep_s * 1000,
                                       .result = result,
                                       .error = error};
    if (entry->running && entry->running->notes)
        change.notes = json_incref(entry->running->notes);
    if (change_job(scheduler, entry, &change))
        server_outcome_tidy(scheduler->jobs, job);
}

static void fail_job(struct scheduler *scheduler, struct server_entry *entry,
                     const struct server_problem *problem)
{
    char instance[SERVER_ID_SIZE + 16];
    snprintf(instance, sizeof instance, "/v1/jobs/%s", entry->job->id);
    finish_job(scheduler, entry, SERVER_JOB_FAILED, NULL, server_problem_json(problem, instance));
}

/* ------------------------------------------------------------------------------------ running */

static void forget_running(struct scheduler *scheduler, struct server_entry *entry)
{
    for (size_t i = 0; i < scheduler->n_running; i++)
        if (scheduler->running[i] == entry)
            scheduler->running[i--] = scheduler->running[--scheduler->n_running];
    server_running_end(scheduler->jobs, entry);
}

static void start_job(struct scheduler *scheduler, struct server_entry *entry)
{
    struct server_job_change change = {.state = SERVER_JOB_RUNNING, .started_ms = server_now_ms()};
    struct server_problem problem;
    if (!change_job(scheduler, entry, &change))
        return;
    if (!server_running_start(scheduler->jobs, entry, &problem)) {
        fail_job(scheduler, entry, &problem);
        forget_running(scheduler, entry);
        return;
    }
    scheduler->running[scheduler->n_running++] = entry;
    /* Without a process nothing else would end the waiting. */
    if (entry->running->outcome)
        server_jobs_wake(scheduler->jobs);
}

static struct server_entry *next_queued(struct server_jobs *jobs)
{
    struct server_entry *found = NULL;
    pthread_mutex_lock(&jobs->mutex);
    for (size_t i = 0; !jobs->draining && i < jobs->n_entries && !found; i++)
        if (jobs->entries[i]->job->now.state == SERVER_JOB_QUEUED)
            found = jobs->entries[i];
    pthread_mutex_unlock(&jobs->mutex);
    return found;
}

static void start_jobs(struct scheduler *scheduler)
{
    const size_t wanted = scheduler->jobs->limits.running;
    struct server_entry *entry;
    while (scheduler->n_running < MAX_RUNNING && scheduler->n_running < wanted &&
           scheduler->retry_ms <= server_monotonic_ms() && (entry = next_queued(scheduler->jobs)))
        start_job(scheduler, entry);
}

/* ------------------------------------------------------------------------------------- the end --
 */

/* What the client asked for is done elsewhere first. True: it is on its way. */
static bool deliver(struct scheduler *scheduler, struct server_entry *entry, const json_t *result,
                    struct server_problem *problem)
{
    struct server_job *job = entry->job;
    char *path = server_outcome_path(scheduler->jobs, job, result);
    entry->running->delivery = path ? server_delivery_start(path, job->output_path, job->overwrite,
                                                            entry->running->is_left_over,
                                                            scheduler->jobs->wake_fd, problem)
                                    : NULL;
    free(path);
    return entry->running->delivery != NULL;
}

static void settle(struct scheduler *scheduler, struct server_entry *entry, int wait_status)
{
    struct server_running *running = entry->running;
    struct server_problem problem = {.status = 500, .name = "internal"};
    json_t *result = server_outcome_result(scheduler->jobs, entry->job, running->outcome,
                                           wait_status, running->killed, &problem);
    bool succeeded = result != NULL;
    if (succeeded && entry->job->output_path) {
        if (!running->delivery && deliver(scheduler, entry, result, &problem)) {
            json_decref(result);
            return;
        }
        succeeded = running->delivery && server_delivery_finish(running->delivery, &problem);
        running->delivery = NULL;
    }
    pthread_mutex_lock(&scheduler->jobs->mutex);
    if (succeeded && entry->job->kind == SERVER_JOB_VIDEO)
        scheduler->jobs->frames += (uint64_t)json_integer_value(json_object_get(result, "frames"));
    pthread_mutex_unlock(&scheduler->jobs->mutex);
    if (succeeded) {
        finish_job(scheduler, entry, SERVER_JOB_DONE, result, NULL);
    } else {
        json_decref(result);
        fail_job(scheduler, entry, &problem);
    }
    forget_running(scheduler, entry);
}

static void listen_to(struct scheduler *scheduler, struct server_entry *entry)
{
    struct server_running *running = entry->running;
    int wait_status = 0;
    server_running_read(scheduler->jobs, entry);
    server_running_check_times(&scheduler->jobs->limits, running);
    if (running->delivery) {
        if (server_delivery_ended(running->delivery))
            settle(scheduler, entry, 0);
    } else if (running->child.pid == 0) {
        settle(scheduler, entry, 0);
    } else if (server_child_ended(&running->child, &wait_status)) {
        server_running_read(scheduler->jobs, entry);
        settle(scheduler, entry, wait_status);
    }
}

/* ----------------------------------------------------------------------- wishes and expiry */

static void remove_job(struct scheduler *scheduler, struct server_entry *entry)
{
    struct server_jobs *jobs = scheduler->jobs;
    struct server_job *job = entry->job;
    struct server_problem problem;
    if (!server_store_remove(jobs->store, job->id, &problem))
        fprintf(stderr, "pipersr: job %s: %s\n", job->id, problem.detail);
    char *folder = server_jobs_path(jobs, job->id, NULL);
    if (folder)
        server_folder_remove(folder);
    free(folder);
    pthread_mutex_lock(&jobs->mutex);
    server_jobs_count_kept(jobs, entry, true);
    size_t place = 0;
    while (jobs->entries[place] != entry)
        place++;
    jobs->n_entries--;
    memmove(jobs->entries + place, jobs->entries + place + 1,
            (jobs->n_entries - place) * sizeof *jobs->entries);
    server_jobs_tell(jobs, job);
    pthread_cond_broadcast(&jobs->settled);
    pthread_mutex_unlock(&jobs->mutex);
    server_job_free(job);
    free(entry);
}

/* *removes: the job is to go, not only to end. */
static struct server_entry *next_wish(struct server_jobs *jobs, bool *removes)
{
    struct server_entry *found = NULL;
    const int64_t now_ms = server_now_ms();
    pthread_mutex_lock(&jobs->mutex);
    for (size_t i = 0; i < jobs->n_entries && !found; i++) {
        struct server_entry *entry = jobs->entries[i];
        if (entry->job->now.expires_ms && entry->job->now.expires_ms < now_ms)
            entry->remove_wanted = true;
        *removes = entry->remove_wanted;
        if (entry->cancel_wanted || entry->remove_wanted)
            found = entry;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return found;
}

static void fulfil_wishes(struct scheduler *scheduler)
{
    struct server_entry *entry;
    bool removes;
    while ((entry = next_wish(scheduler->jobs, &removes))) {
        forget_running(scheduler, entry);
        if (removes) {
            remove_job(scheduler, entry);
            continue;
        }
        finish_job(scheduler, entry, SERVER_JOB_CANCELLED, NULL, NULL);
        /* A row that could not be written must not keep this thread here. */
        if (!server_job_is_finished(entry->job))
            return;
    }
}

/* ------------------------------------------------------------------------------------ the loop */

static void wait_for_something(struct scheduler *scheduler)
{
    struct pollfd fds[1 + 2 * MAX_RUNNING];
    nfds_t count = 0;
    fds[count++] = (struct pollfd){.fd = scheduler->jobs->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < scheduler->n_running; i++) {
        const struct server_running *running = scheduler->running[i]->running;
        if (running->child.pid == 0)
            continue;
        fds[count++] = (struct pollfd){.fd = running->child.out_fd, .events = POLLIN};
        fds[count++] = (struct pollfd){.fd = running->child.pid_fd, .events = POLLIN};
    }
    (void)poll(fds, count, POLL_MS);
    uint64_t wakes;
    (void)!read(scheduler->jobs->wake_fd, &wakes, sizeof wakes);
}

static void measure(struct scheduler *scheduler)
{
    const int64_t now_ms = server_monotonic_ms();
    if (now_ms - scheduler->measured_ms < MEASURE_MS)
        return;
    scheduler->measured_ms = now_ms;
    server_running_check_disk(scheduler->jobs, scheduler->running, scheduler->n_running);
}

static bool is_stopping(struct server_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    const bool stopping = jobs->stopping;
    pthread_mutex_unlock(&jobs->mutex);
    return stopping;
}

void *server_scheduler_run(void *opaque)
{
    struct scheduler scheduler = {.jobs = opaque};
    struct server_jobs *jobs = scheduler.jobs;
    while (!is_stopping(jobs)) {
        fulfil_wishes(&scheduler);
        start_jobs(&scheduler);
        wait_for_something(&scheduler);
        for (size_t i = scheduler.n_running; i-- > 0;)
            listen_to(&scheduler, scheduler.running[i]);
        measure(&scheduler);
    }
    /* Their rows stay as they are: they run again when the folder is opened again. */
    while (scheduler.n_running > 0)
        forget_running(&scheduler, scheduler.running[0]);
    pthread_mutex_lock(&jobs->mutex);
    pthread_cond_broadcast(&jobs->settled);
    pthread_mutex_unlock(&jobs->mutex);
    return NULL;
}
