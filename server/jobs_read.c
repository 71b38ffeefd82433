/* SPDX-License-Identifier: MIT
 *
 * What is known of jobs: nothing here waits for the disk or for another thread's work.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/jobs_table.h"

json_t *server_jobs_document(struct server_jobs *jobs, const char *id)
{
    pthread_mutex_lock(&jobs->mutex);
    const struct server_entry *entry = server_jobs_find(jobs, id);
    json_t *document = entry ? server_job_document(entry->job) : NULL;
    pthread_mutex_unlock(&jobs->mutex);
    return document;
}

json_t *server_jobs_list(struct server_jobs *jobs, const char *state, size_t limit, size_t offset)
{
    json_t *list = json_array();
    size_t total = 0;
    pthread_mutex_lock(&jobs->mutex);
    for (size_t i = jobs->n_entries; i-- > 0;) {
        const struct server_job *job = jobs->entries[i]->job;
        if (state && strcmp(state, server_job_state_name(job->now.state)) != 0)
            continue;
        if (total >= offset && total - offset < limit)
            json_array_append_new(list, server_job_document(job));
        total++;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return json_pack("{s:o, s:I}", "jobs", list, "total", (json_int_t)total);
}

static uint64_t held_bytes(const struct server_jobs *jobs)
{
    return jobs->kept_bytes + jobs->upload_bytes + jobs->work_bytes;
}

uint64_t server_jobs_room(struct server_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    const uint64_t held = held_bytes(jobs);
    pthread_mutex_unlock(&jobs->mutex);
    return held < jobs->limits.disk_bytes ? jobs->limits.disk_bytes - held : 0;
}

bool server_jobs_hold(struct server_jobs *jobs, uint64_t bytes, struct server_problem *problem)
{
    pthread_mutex_lock(&jobs->mutex);
    const bool has_room = held_bytes(jobs) + bytes <= jobs->limits.disk_bytes;
    if (has_room)
        jobs->upload_bytes += bytes;
    pthread_mutex_unlock(&jobs->mutex);
    return has_room ? true
                    : server_fail_for_now(problem, 507, "disk-quota", 60,
                                          "all files together would be more than %" PRIu64
                                          " bytes (limit disk); remove jobs or wait",
                                          jobs->limits.disk_bytes);
}

void server_jobs_release(struct server_jobs *jobs, uint64_t bytes)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->upload_bytes -= bytes;
    pthread_mutex_unlock(&jobs->mutex);
}

void server_jobs_count(struct server_jobs *jobs, struct server_jobs_counts *counts)
{
    *counts = (struct server_jobs_counts){0};
    pthread_mutex_lock(&jobs->mutex);
    for (size_t i = 0; i < jobs->n_entries; i++)
        counts->in_state[jobs->entries[i]->job->now.state]++;
    counts->disk_bytes = held_bytes(jobs);
    memcpy(counts->ended, jobs->ended, sizeof counts->ended);
    counts->frames = jobs->frames;
    pthread_mutex_unlock(&jobs->mutex);
}

const struct server_limits *server_jobs_limits(const struct server_jobs *jobs)
{
    return &jobs->limits;
}

const char *server_jobs_state_folder(const struct server_jobs *jobs)
{
    return jobs->folder;
}

/* ------------------------------------------------------------------------------------- files -- */

/* A regular file at the end of no link: what a job's process left there may be anything. */
static bool open_file(struct server_job_file *file, const char *path,
                      struct server_problem *problem)
{
    struct stat about;
    file->fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    if (file->fd < 0 || fstat(file->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        if (file->fd >= 0)
            close(file->fd);
        file->fd = -1;
        return server_fail(problem, 410, "gone", "the file is not there any more");
    }
    file->bytes = (uint64_t)about.st_size;
    file->modified_ms = (int64_t)about.st_mtim.tv_sec * 1000;
    return true;
}

static void set_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

/* With the lock held. The path is malloc'd; NULL with a problem. */
static char *result_path(struct server_jobs *jobs, const struct server_job *job,
                         struct server_job_file *file, struct server_problem *problem)
{
    const struct server_job_change *now = &job->now;
    if (!now->result) {
        if (server_job_is_finished(job))
            server_fail(problem, 410, "gone", "the job is %s: there is no result",
                        server_job_state_name(now->state));
        else
            server_fail_for_now(problem, 409, "not-done", 1, "the job is %s; wait until it is done",
                                server_job_state_name(now->state));
        return NULL;
    }
    set_text(file->name, sizeof file->name,
             json_string_value(json_object_get(now->result, "name")));
    set_text(file->content_type, sizeof file->content_type,
             json_string_value(json_object_get(now->result, "content_type")));
    snprintf(file->etag, sizeof file->etag, "\"%s-%" PRIx64 "\"", job->id,
             (uint64_t)now->finished_ms);
    if (job->output_path)
        return strdup(job->output_path);
    char *work = server_jobs_path(jobs, job->id, "work");
    const char *name = json_string_value(json_object_get(now->result, "file"));
    char *path = work && name ? server_path_join(work, name, NULL) : NULL;
    free(work);
    return path;
}

static char *input_path(struct server_jobs *jobs, const struct server_job *job,
                        struct server_job_file *file, struct server_problem *problem)
{
    (void)problem;
    set_text(file->name, sizeof file->name, job->name);
    set_text(file->content_type, sizeof file->content_type, "application/octet-stream");
    snprintf(file->etag, sizeof file->etag, "\"%s-input\"", job->id);
    return job->input_path ? strdup(job->input_path) : server_jobs_path(jobs, job->id, "input");
}

static bool open_of_job(struct server_jobs *jobs, const char *id,
                        char *(*find)(struct server_jobs *, const struct server_job *,
                                      struct server_job_file *, struct server_problem *),
                        struct server_job_file *file, struct server_problem *problem)
{
    struct server_problem found = {0};
    file->fd = -1;
    pthread_mutex_lock(&jobs->mutex);
    const struct server_entry *entry = server_jobs_find(jobs, id);
    char *path = NULL;
    if (entry)
        path = find(jobs, entry->job, file, &found);
    else
        server_fail(&found, 404, "not-found", "there is no job %.40s", id);
    pthread_mutex_unlock(&jobs->mutex);
    const bool opened = found.status == 0 && open_file(file, path, &found);
    free(path);
    if (!opened && problem)
        *problem = found;
    return opened;
}

bool server_jobs_open_result(struct server_jobs *jobs, const char *id, struct server_job_file *file,
                             struct server_problem *problem)
{
    return open_of_job(jobs, id, result_path, file, problem);
}

bool server_jobs_open_input(struct server_jobs *jobs, const char *id, struct server_job_file *file,
                            struct server_problem *problem)
{
    return open_of_job(jobs, id, input_path, file, problem);
}

bool server_jobs_find_video(struct server_jobs *jobs, const char *id, bool result, char **path,
                            char **name, struct server_problem *problem)
{
    struct server_job_file file;
    struct server_problem found = {0};
    *path = *name = NULL;
    pthread_mutex_lock(&jobs->mutex);
    const struct server_entry *entry = server_jobs_find(jobs, id);
    if (!entry)
        server_fail(&found, 404, "not-found", "there is no job %.40s", id);
    else if (entry->job->kind != SERVER_JOB_VIDEO)
        server_fail(&found, 415, "unsupported", "only videos have moments; this is a picture");
    else
        *path = (result ? result_path : input_path)(jobs, entry->job, &file, &found);
    if (*path)
        *name = strdup(file.name);
    pthread_mutex_unlock(&jobs->mutex);
    if (*name)
        return true;
    free(*path);
    *path = NULL;
    if (found.status == 0)
        return server_fail_memory(problem);
    *problem = found;
    return false;
}

bool server_jobs_find_input(struct server_jobs *jobs, const char *id, char **path, char **name,
                            bool *outside, struct server_problem *problem)
{
    *path = *name = NULL;
    pthread_mutex_lock(&jobs->mutex);
    const struct server_entry *entry = server_jobs_find(jobs, id);
    if (entry) {
        const struct server_job *job = entry->job;
        *outside = job->input_path != NULL;
        *path = job->input_path ? strdup(job->input_path) : server_jobs_path(jobs, id, "input");
        *name = strdup(job->name);
    }
    pthread_mutex_unlock(&jobs->mutex);
    if (*path && *name)
        return true;
    free(*path);
    free(*name);
    *path = *name = NULL;
    return entry ? server_fail_memory(problem)
                 : server_fail(problem, 404, "not-found", "there is no job %.40s", id);
}

bool server_jobs_find_key(const struct server_jobs *jobs, const char *key, const char *fingerprint,
                          char id[SERVER_ID_SIZE], bool *existed, struct server_problem *problem)
{
    for (size_t i = 0; key && i < jobs->n_entries; i++) {
        const struct server_job *job = jobs->entries[i]->job;
        if (!job->idempotency_key || strcmp(job->idempotency_key, key) != 0)
            continue;
        if (strcmp(job->fingerprint, fingerprint) != 0)
            return server_fail(
                problem, 422, "idempotency-key-reused",
                "this Idempotency-Key was used with another payload; take a new one");
        memcpy(id, job->id, SERVER_ID_SIZE);
        *existed = true;
    }
    return true;
}

bool server_jobs_find_earlier(struct server_jobs *jobs, const char *key, const char *fingerprint,
                              char id[SERVER_ID_SIZE], bool *existed,
                              struct server_problem *problem)
{
    *existed = false;
    pthread_mutex_lock(&jobs->mutex);
    const bool fits = server_jobs_find_key(jobs, key, fingerprint, id, existed, problem);
    pthread_mutex_unlock(&jobs->mutex);
    return fits;
}

/* ------------------------------------------------------------------------------------ events -- */

struct server_subscription *server_jobs_subscribe(struct server_jobs *jobs, const char *id,
                                                  server_jobs_listener *listener, void *opaque)
{
    struct server_subscription *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    set_text(made->id, sizeof made->id, id);
    made->listener = listener;
    made->opaque = opaque;
    pthread_mutex_lock(&jobs->mutex);
    made->next = jobs->subscriptions;
    jobs->subscriptions = made;
    pthread_mutex_unlock(&jobs->mutex);
    return made;
}

void server_jobs_unsubscribe(struct server_jobs *jobs, struct server_subscription *subscription)
{
    if (!subscription)
        return;
    pthread_mutex_lock(&jobs->mutex);
    struct server_subscription **link = &jobs->subscriptions;
    while (*link != subscription)
        link = &(*link)->next;
    *link = subscription->next;
    pthread_mutex_unlock(&jobs->mutex);
    free(subscription);
}

/* With the lock held. */
static struct server_job_event event_of(const struct server_job *job)
{
    return (struct server_job_event){.sequence = job->sequence,
                                     .name = server_job_event_name(job),
                                     .data = server_job_event_data(job),
                                     .last = server_job_is_finished(job)};
}

enum server_job_next server_jobs_next_event(struct server_jobs *jobs, const char *id,
                                            uint64_t sequence, struct server_job_event *event)
{
    enum server_job_next next = SERVER_JOB_NEXT_WAIT;
    pthread_mutex_lock(&jobs->mutex);
    const struct server_entry *entry = server_jobs_find(jobs, id);
    if (entry && entry->job->sequence > sequence) {
        *event = event_of(entry->job);
        next = SERVER_JOB_NEXT_EVENT;
    } else if (!entry || server_job_is_finished(entry->job)) {
        next = SERVER_JOB_NEXT_OVER;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return next;
}

enum server_job_next server_jobs_next_event_of_all(struct server_jobs *jobs, uint64_t sequence,
                                                   uint64_t opened, struct server_job_event *event)
{
    const struct server_job *first = NULL;
    pthread_mutex_lock(&jobs->mutex);
    for (size_t i = 0; i < jobs->n_entries; i++) {
        const struct server_job *job = jobs->entries[i]->job;
        if (job->sequence > sequence && (!first || job->sequence < first->sequence) &&
            (job->sequence > opened || !server_job_is_finished(job)))
            first = job;
    }
    if (first)
        *event = event_of(first);
    pthread_mutex_unlock(&jobs->mutex);
    return first ? SERVER_JOB_NEXT_EVENT : SERVER_JOB_NEXT_WAIT;
}

uint64_t server_jobs_sequence(struct server_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    const uint64_t sequence = jobs->sequence;
    pthread_mutex_unlock(&jobs->mutex);
    return sequence;
}
