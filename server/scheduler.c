/* SPDX-License-Identifier: MIT
 *
 * The thread that starts jobs, listens to their processes, and settles what becomes of them.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/delivery.h"
#include "server/outcome.h"

enum {
    POLL_MS = 1000,
    MAX_RUNNING = 64,
    TELL_MS = 200, /* between two progress events of a job */
    MAX_NOTES = 20,
    RETRY_S = 5 /* after a row could not be written */
};

struct scheduler {
    struct server_jobs *jobs;
    struct server_entry *running[MAX_RUNNING];
    size_t n_running;
    int64_t retry_ms; /* monotonic; nothing is started before it */
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
    if (server_job_is_finished(entry->job)) {
        jobs->ended[entry->job->now.state]++;
        entry->cancel_wanted = false;
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
        server_outcome_tidy(scheduler->jobs, job, job->now.result);
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
    struct server_running *running = entry->running;
    if (!running)
        return;
    server_child_close(&running->child);
    if (running->delivery)
        server_delivery_finish(running->delivery, NULL);
    json_decref(running->outcome);
    json_decref(running->notes);
    free(running);
    entry->running = NULL;
}

static json_t *order_of(const struct server_jobs *jobs, const struct server_job *job,
                        uint64_t room_bytes)
{
    const struct server_limits *limits = &jobs->limits;
    char *input =
        job->input_path ? strdup(job->input_path) : server_jobs_path(jobs, job->id, "input");
    char *work = server_jobs_path(jobs, job->id, "work");
    json_t *order = json_pack(
        "{s:s, s:s, s:s, s:s, s:O, s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "kind",
        server_job_kind_name(job->kind), "input", input ? input : "", "work", work ? work : "",
        "name", job->name, "options", job->options, "threads", (int)server_job_threads(limits),
        "parent", (int)getpid(), "pixels", (json_int_t)limits->pixels, "duration_s",
        (json_int_t)limits->duration_s, "memory_bytes", (json_int_t)limits->job_memory_bytes,
        "file_bytes", (json_int_t)room_bytes, "cpu_s",
        (json_int_t)limits->job_s * server_job_threads(limits));
    /* Files that the client itself named, as it may hear of them. */
    if (order && job->input_path)
        json_object_set_new(order, "own_input", json_true());
    if (order && job->output_path)
        json_object_set_new(order, "output", json_string(job->output_path));
    free(input);
    free(work);
    return order;
}

/* Its process, or what an earlier process of the job has already done. */
static bool start_process(struct scheduler *scheduler, struct server_entry *entry,
                          struct server_problem *problem)
{
    struct server_jobs *jobs = scheduler->jobs;
    struct server_running *running = calloc(1, sizeof *running);
    if (!running)
        return server_fail_memory(problem);
    entry->running = running;
    scheduler->running[scheduler->n_running++] = entry;
    running->started_ms = running->sign_ms = server_monotonic_ms();
    running->outcome = server_outcome_find(jobs, entry->job);
    if (running->outcome) {
        server_jobs_wake(jobs);
        return true;
    }
    json_t *order = order_of(jobs, entry->job, server_jobs_room(jobs));
    const bool started =
        order ? server_child_start(&running->child, order, problem) : server_fail_memory(problem);
    json_decref(order);
    return started;
}

static void start_job(struct scheduler *scheduler, struct server_entry *entry)
{
    struct server_job_change change = {.state = SERVER_JOB_RUNNING, .started_ms = server_now_ms()};
    struct server_problem problem;
    if (!change_job(scheduler, entry, &change))
        return;
    if (!start_process(scheduler, entry, &problem)) {
        fail_job(scheduler, entry, &problem);
        forget_running(scheduler, entry);
    }
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

/* ---------------------------------------------------------------------------------- listening */

struct listening {
    struct server_jobs *jobs;
    struct server_entry *entry;
};

/* Called with the lock held. */
static void take_progress(struct server_entry *entry, const json_t *said)
{
    struct server_job_progress *progress = &entry->job->progress;
    struct server_running *running = entry->running;
    const int64_t now_ms = server_monotonic_ms();
    const json_int_t done = json_integer_value(json_object_get(said, "done"));
    const json_int_t total = json_integer_value(json_object_get(said, "total"));
    if (done < 0 || total < 0)
        return;
    if ((uint64_t)done > progress->done)
        running->sign_ms = now_ms;
    progress->done = (uint64_t)done;
    progress->total = (uint64_t)total;
    const double seconds = (double)(now_ms - running->started_ms) / 1000;
    progress->per_s = seconds > 0 ? (double)done / seconds : 0;
    progress->eta_s =
        progress->per_s > 0 && total >= done ? (double)(total - done) / progress->per_s : -1;
}

static void take_said(void *opaque, const json_t *said)
{
    const struct listening *listening = opaque;
    struct server_entry *entry = listening->entry;
    struct server_running *running = entry->running;
    const char *event = json_string_value(json_object_get(said, "event"));
    json_t *text = json_object_get(said, "text");
    if (!event)
        return;
    pthread_mutex_lock(&listening->jobs->mutex);
    if (strcmp(event, "progress") == 0) {
        take_progress(entry, said);
        if (server_monotonic_ms() - running->told_ms >= TELL_MS) {
            running->told_ms = server_monotonic_ms();
            server_jobs_tell(listening->jobs, entry->job);
        }
    } else if (strcmp(event, "note") == 0 && json_is_string(text)) {
        if (!running->notes)
            running->notes = json_array();
        if (json_array_size(running->notes) < MAX_NOTES)
            json_array_append(running->notes, text);
    } else if (strcmp(event, "done") == 0 || strcmp(event, "failed") == 0) {
        json_decref(running->outcome);
        running->outcome = json_deep_copy(said);
    }
    pthread_mutex_unlock(&listening->jobs->mutex);
}

/* What the client asked for is done elsewhere first. True: it is on its way. */
static bool deliver(struct scheduler *scheduler, struct server_entry *entry, const json_t *result,
                    struct server_problem *problem)
{
    struct server_job *job = entry->job;
    char *path = server_outcome_path(scheduler->jobs, job, result);
    entry->running->delivery = path ? server_delivery_start(path, job->output_path, job->overwrite,
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

static void check_times(const struct server_limits *limits, struct server_running *running)
{
    const int64_t now_ms = server_monotonic_ms();
    if (running->killed || running->delivery || running->outcome)
        return;
    if (now_ms - running->started_ms > (int64_t)limits->job_s * 1000)
        running->killed = "the job ran longer than is allowed (limit job time)";
    else if (now_ms - running->sign_ms > (int64_t)limits->stall_s * 1000)
        running->killed = "the job made no progress for too long (limit stall time) and was ended";
    if (running->killed)
        server_child_kill(&running->child);
}

static void listen_to(struct scheduler *scheduler, struct server_entry *entry)
{
    struct listening listening = {scheduler->jobs, entry};
    struct server_running *running = entry->running;
    int wait_status = 0;
    server_child_read(&running->child, take_said, &listening);
    check_times(&scheduler->jobs->limits, running);
    if (running->delivery) {
        if (server_delivery_ended(running->delivery))
            settle(scheduler, entry, 0);
    } else if (running->child.pid == 0) {
        settle(scheduler, entry, 0);
    } else if (server_child_ended(&running->child, &wait_status)) {
        server_child_read(&running->child, take_said, &listening);
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

static struct server_entry *next_wish(struct server_jobs *jobs)
{
    struct server_entry *found = NULL;
    const int64_t now_ms = server_now_ms();
    pthread_mutex_lock(&jobs->mutex);
    for (size_t i = 0; i < jobs->n_entries && !found; i++) {
        struct server_entry *entry = jobs->entries[i];
        if (entry->job->now.expires_ms && entry->job->now.expires_ms < now_ms)
            entry->remove_wanted = true;
        if (entry->cancel_wanted || entry->remove_wanted)
            found = entry;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return found;
}

static void fulfil_wishes(struct scheduler *scheduler)
{
    struct server_entry *entry;
    while ((entry = next_wish(scheduler->jobs))) {
        forget_running(scheduler, entry);
        if (entry->remove_wanted) {
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
    }
    /* Their rows stay as they are: they run again when the folder is opened again. */
    while (scheduler.n_running > 0)
        forget_running(&scheduler, scheduler.running[0]);
    pthread_mutex_lock(&jobs->mutex);
    pthread_cond_broadcast(&jobs->settled);
    pthread_mutex_unlock(&jobs->mutex);
    return NULL;
}
