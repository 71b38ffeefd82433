/* SPDX-License-Identifier: MIT */
#include "server/running.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/delivery.h"
#include "server/outcome.h"
#include "server/worker.h"

enum {
    TELL_MS = 200, /* between two progress events of a job */
    MAX_NOTES = 20
};

/* --------------------------------------------------------------------------- start and end -- */

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

/* Does the process go on where an earlier one ended? Then its first word says where that was. */
static bool has_parts(const struct server_jobs *jobs, const struct server_job *job)
{
    char *parts = server_jobs_path(jobs, job->id, "work/" SERVER_WORKER_PARTS);
    const bool has = parts && access(parts, F_OK) == 0;
    free(parts);
    return has;
}

bool server_running_start(struct server_jobs *jobs, struct server_entry *entry,
                          struct server_problem *problem)
{
    struct server_running *running = calloc(1, sizeof *running);
    if (!running)
        return server_fail_memory(problem);
    entry->running = running;
    running->child = SERVER_CHILD_NONE;
    running->started_ms = running->sign_ms = server_monotonic_ms();
    running->outcome = server_outcome_find(jobs, entry->job);
    if (running->outcome) {
        running->is_left_over = true;
        return true;
    }
    running->has_found = !has_parts(jobs, entry->job);
    json_t *order = order_of(jobs, entry->job, server_jobs_room(jobs));
    const bool started =
        order ? server_child_start(&running->child, order, problem) : server_fail_memory(problem);
    json_decref(order);
    return started;
}

/* With the lock held. */
static void count(struct server_jobs *jobs, struct server_running *running, uint64_t bytes)
{
    jobs->work_bytes += bytes - running->work_bytes;
    running->work_bytes = bytes;
}

void server_running_stop_counting(struct server_jobs *jobs, struct server_running *running)
{
    count(jobs, running, 0);
}

void server_running_end(struct server_jobs *jobs, struct server_entry *entry)
{
    struct server_running *running = entry->running;
    if (!running)
        return;
    server_child_close(&running->child);
    if (running->delivery) {
        server_delivery_cancel(running->delivery);
        server_delivery_finish(running->delivery, NULL);
    }
    pthread_mutex_lock(&jobs->mutex);
    server_running_stop_counting(jobs, running);
    pthread_mutex_unlock(&jobs->mutex);
    json_decref(running->outcome);
    json_decref(running->notes);
    free(running);
    entry->running = NULL;
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
    if (!running->has_found)
        running->found = (uint64_t)done;
    running->has_found = true;
    const double seconds = (double)(now_ms - running->started_ms) / 1000;
    progress->per_s = seconds > 0 && progress->done > running->found
                          ? (double)(progress->done - running->found) / seconds
                          : 0;
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

void server_running_read(struct server_jobs *jobs, struct server_entry *entry)
{
    struct listening listening = {jobs, entry};
    server_child_read(&entry->running->child, take_said, &listening);
}

/* ------------------------------------------------------------------------------------ limits -- */

static const struct server_problem ran_too_long = {
    .status = 422,
    .name = "too-long",
    .detail = "the job ran longer than is allowed (limit job time)"};
static const struct server_problem was_silent = {
    .status = 422,
    .name = "too-long",
    .detail = "the job made no progress for too long (limit stall time) and was ended"};
static const struct server_problem filled_the_disk = {
    .status = 507,
    .name = "disk-quota",
    .detail = "the job's files do not fit in the room that is left for all files (limit disk); "
              "remove jobs and try again"};

static bool may_be_killed(const struct server_running *running)
{
    return running->child.pid && !running->killed && !running->delivery && !running->outcome;
}

static void kill_it(struct server_running *running, const struct server_problem *why)
{
    running->killed = why;
    server_child_kill(&running->child);
}

void server_running_check_times(const struct server_limits *limits, struct server_running *running)
{
    const int64_t now_ms = server_monotonic_ms();
    if (!may_be_killed(running))
        return;
    if (now_ms - running->started_ms > (int64_t)limits->job_s * 1000)
        kill_it(running, &ran_too_long);
    else if (now_ms - running->sign_ms > (int64_t)limits->stall_s * 1000)
        kill_it(running, &was_silent);
}

static uint64_t measure(const struct server_jobs *jobs, const struct server_job *job)
{
    char *work = server_jobs_path(jobs, job->id, "work");
    const uint64_t bytes = work ? server_folder_bytes(work) : 0;
    free(work);
    return bytes;
}

void server_running_check_disk(struct server_jobs *jobs, struct server_entry *const *entries,
                               size_t n_entries)
{
    struct server_running *largest = NULL;
    for (size_t i = 0; i < n_entries; i++) {
        struct server_running *running = entries[i]->running;
        const uint64_t bytes = measure(jobs, entries[i]->job);
        pthread_mutex_lock(&jobs->mutex);
        count(jobs, running, bytes);
        pthread_mutex_unlock(&jobs->mutex);
        if (may_be_killed(running) && (!largest || bytes > largest->work_bytes))
            largest = running;
    }
    if (largest && server_jobs_room(jobs) == 0)
        kill_it(largest, &filled_the_disk);
}
