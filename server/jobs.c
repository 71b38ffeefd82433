/* SPDX-License-Identifier: MIT */
#include "server/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/job_options.h"
#include "server/outcome.h"

/* Rows that are kept at most, finished ones included: the table is searched from end to end. */
enum { MAX_ENTRIES = 20000 };

int64_t server_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

char *server_jobs_path(const struct server_jobs *jobs, const char *id, const char *below)
{
    return server_path_join(jobs->folder, "jobs", id, below, NULL);
}

struct server_entry *server_jobs_find(struct server_jobs *jobs, const char *id)
{
    for (size_t i = jobs->n_entries; i-- > 0;)
        if (strcmp(jobs->entries[i]->job->id, id) == 0)
            return jobs->entries[i];
    return NULL;
}

void server_jobs_tell(struct server_jobs *jobs, struct server_job *job)
{
    /* The clock makes numbers that rise over a restart; many changes in a microsecond, or a clock
     * that was set back, must not make them fall. */
    const uint64_t now = (uint64_t)server_now_ms() * 1000;
    jobs->sequence = now > jobs->sequence ? now : jobs->sequence + 1;
    job->sequence = jobs->sequence;
    for (struct server_subscription *each = jobs->subscriptions; each; each = each->next)
        if (!*each->id || strcmp(each->id, job->id) == 0)
            each->listener(each->opaque);
}

static uint64_t result_bytes(const struct server_job *job)
{
    return job->now.result && !job->output_path
               ? (uint64_t)json_integer_value(json_object_get(job->now.result, "bytes"))
               : 0;
}

void server_jobs_count_kept(struct server_jobs *jobs, struct server_entry *entry, bool goes)
{
    const struct server_job *job = entry->job;
    const uint64_t bytes = goes ? 0 : (job->input_path ? 0 : job->bytes) + result_bytes(job);
    jobs->kept_bytes += bytes - entry->kept_bytes;
    entry->kept_bytes = bytes;
}

void server_jobs_wake(struct server_jobs *jobs)
{
    const uint64_t one = 1;
    (void)!write(jobs->wake_fd, &one, sizeof one);
}

/* With the lock held. */
static bool append(struct server_jobs *jobs, struct server_entry *entry)
{
    if (jobs->n_entries == jobs->capacity) {
        const size_t capacity = jobs->capacity ? 2 * jobs->capacity : 64;
        struct server_entry **entries = realloc(jobs->entries, capacity * sizeof *jobs->entries);
        if (!entries)
            return false;
        jobs->entries = entries;
        jobs->capacity = capacity;
    }
    jobs->entries[jobs->n_entries++] = entry;
    server_jobs_count_kept(jobs, entry, false);
    return true;
}

/* ------------------------------------------------------------------------- opening and closing */

/* A job that was running starts again; what it left in its folder helps it. */
static void take_loaded(void *opaque, struct server_job *job)
{
    struct server_jobs *jobs = opaque;
    struct server_entry *entry = calloc(1, sizeof *entry);
    if (entry)
        entry->job = job;
    if (!entry || !append(jobs, entry)) {
        free(entry);
        server_job_free(job);
        jobs->stopping = true;
        return;
    }
    if (job->now.state == SERVER_JOB_RUNNING)
        job->now.state = SERVER_JOB_QUEUED;
    server_jobs_tell(jobs, job);
}

static bool is_known(void *opaque, const char *name)
{
    return server_jobs_find(opaque, name) != NULL;
}

/* Folders of jobs whose rows were never written, or are removed already; and what a job of which
 * the row says that it has ended could not remove before a kill. */
static void remove_strays(struct server_jobs *jobs)
{
    for (size_t i = 0; i < jobs->n_entries; i++)
        if (server_job_is_finished(jobs->entries[i]->job))
            server_outcome_tidy(jobs, jobs->entries[i]->job);
    char *path = server_path_join(jobs->folder, "jobs", NULL);
    if (path)
        server_folder_keep(path, is_known, jobs);
    free(path);
}

bool server_jobs_open(const struct server_jobs_settings *settings, struct server_jobs **opened,
                      struct server_problem *problem)
{
    struct server_jobs *jobs = calloc(1, sizeof *jobs);
    *opened = NULL;
    if (!jobs)
        return server_fail_memory(problem);
    jobs->limits = settings->limits;
    jobs->lock_fd = jobs->wake_fd = -1;
    jobs->folder = strdup(settings->state_folder);
    char *database = server_path_join(settings->state_folder, "jobs.sqlite", NULL);
    bool done = false;
    if (pthread_mutex_init(&jobs->mutex, NULL) != 0) {
        free(jobs->folder);
        free(database);
        free(jobs);
        return server_fail_memory(problem);
    }
    pthread_cond_init(&jobs->settled, NULL);
    if (!jobs->folder || !database || (jobs->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        server_fail_memory(problem);
    else if (server_folder_open(jobs->folder, &jobs->lock_fd, problem) &&
             server_store_open(database, &jobs->store, problem) &&
             server_store_load(jobs->store, take_loaded, jobs, problem)) {
        remove_strays(jobs);
        done = !jobs->stopping &&
               pthread_create(&jobs->scheduler, NULL, server_scheduler_run, jobs) == 0;
        jobs->scheduler_runs = done;
        if (!done)
            server_fail_memory(problem);
    }
    free(database);
    if (done)
        *opened = jobs;
    else
        server_jobs_close(jobs);
    return done;
}

void server_jobs_drain(struct server_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->draining = true;
    pthread_mutex_unlock(&jobs->mutex);
}

bool server_jobs_is_draining(struct server_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    const bool draining = jobs->draining;
    pthread_mutex_unlock(&jobs->mutex);
    return draining;
}

void server_jobs_close(struct server_jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->mutex);
    jobs->stopping = true;
    pthread_mutex_unlock(&jobs->mutex);
    if (jobs->scheduler_runs) {
        server_jobs_wake(jobs);
        pthread_join(jobs->scheduler, NULL);
    }
    for (size_t i = 0; i < jobs->n_entries; i++) {
        server_job_free(jobs->entries[i]->job);
        free(jobs->entries[i]);
    }
    free(jobs->entries);
    server_store_close(jobs->store);
    if (jobs->wake_fd >= 0)
        close(jobs->wake_fd);
    if (jobs->lock_fd >= 0)
        close(jobs->lock_fd);
    pthread_cond_destroy(&jobs->settled);
    pthread_mutex_destroy(&jobs->mutex);
    free(jobs->folder);
    free(jobs);
}

/* --------------------------------------------------------------------------------- accepting -- */

/* A place in the queue, kept while the job is being written. */
static bool reserve(struct server_jobs *jobs, struct server_problem *problem)
{
    size_t queued = jobs->n_reserved;
    for (size_t i = 0; i < jobs->n_entries; i++)
        queued += jobs->entries[i]->job->now.state == SERVER_JOB_QUEUED;
    if (jobs->draining || jobs->stopping)
        return server_fail_for_now(problem, 503, "stopping", 30, "the server is being stopped");
    if (queued >= jobs->limits.queued)
        return server_fail_for_now(problem, 503, "queue-full", 30,
                                   "%zu jobs wait already (limit queued: %u); try again later",
                                   queued, jobs->limits.queued);
    if (jobs->n_entries >= MAX_ENTRIES)
        return server_fail_for_now(problem, 503, "queue-full", 60,
                                   "%zu jobs are kept already; remove some", jobs->n_entries);
    jobs->n_reserved++;
    return true;
}

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

static struct server_job *make_job(const struct server_job_request *request,
                                   struct server_problem *problem)
{
    json_t *options = server_job_options_complete(request->kind, request->options, problem);
    if (!options)
        return NULL;
    struct server_job *job = calloc(1, sizeof *job);
    if (!job) {
        json_decref(options);
        server_fail_memory(problem);
        return NULL;
    }
    job->kind = request->kind;
    job->created_ms = server_now_ms();
    job->options = options;
    job->name = strdup(request->name);
    job->input_path = request->take_input ? NULL : strdup(request->input_path);
    job->output_path = copy_text(request->output_path);
    job->overwrite = request->overwrite;
    job->idempotency_key = copy_text(request->idempotency_key);
    job->fingerprint = copy_text(request->fingerprint);
    job->progress = (struct server_job_progress){
        .unit = job->kind == SERVER_JOB_VIDEO ? "frames" : "rows", .eta_s = -1};
    if (!job->name || !server_random_hex(job->id, (SERVER_ID_SIZE - 1) / 2)) {
        server_job_free(job);
        server_fail_memory(problem);
        return NULL;
    }
    return job;
}

static int sync_file(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno;
    const int reason = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return reason;
}

/* Puts the input into the job's folder and waits until all of it is on the disk. */
static bool take_input(const struct server_jobs *jobs, const struct server_job *job,
                       const struct server_job_request *request, struct server_problem *problem)
{
    char *folder = server_jobs_path(jobs, job->id, NULL);
    char *parent = server_path_join(jobs->folder, "jobs", NULL);
    char *work = server_jobs_path(jobs, job->id, "work");
    char *input = server_jobs_path(jobs, job->id, "input");
    int reason = folder && parent && work && input ? 0 : ENOMEM;
    if (!reason && (mkdir(folder, 0700) != 0 || mkdir(work, 0700) != 0))
        reason = errno;
    if (!reason && request->take_input)
        reason = sync_file(request->input_path);
    if (!reason && request->take_input &&
        (request->link_input ? link(request->input_path, input)
                             : rename(request->input_path, input)) != 0)
        reason = errno;
    if (!reason && !(server_folder_sync(folder) && server_folder_sync(parent)))
        reason = errno;
    free(folder);
    free(parent);
    free(work);
    free(input);
    return reason ? server_fail_errno(problem, reason, "the input cannot be kept") : true;
}

static bool measure(struct server_job *job, const char *path, struct server_problem *problem)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return server_fail(problem, 422, "input", "%s: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return server_fail(problem, 422, "input", "%s is not a regular file", path);
    if (about.st_size == 0)
        return server_fail(problem, 422, "input", "the input is empty");
    job->bytes = (uint64_t)about.st_size;
    return true;
}

/* Writes the row and adds the job to the table. */
static bool enter(struct server_jobs *jobs, struct server_entry *entry,
                  struct server_problem *problem)
{
    if (!server_store_insert(jobs->store, entry->job, problem))
        return false;
    pthread_mutex_lock(&jobs->mutex);
    const bool entered = append(jobs, entry);
    if (entered)
        server_jobs_tell(jobs, entry->job);
    pthread_mutex_unlock(&jobs->mutex);
    if (entered)
        return true;
    server_store_remove(jobs->store, entry->job->id, NULL);
    return server_fail_memory(problem);
}

bool server_jobs_create(struct server_jobs *jobs, const struct server_job_request *request,
                        char id[SERVER_ID_SIZE], bool *existed, struct server_problem *problem)
{
    bool found = false;
    pthread_mutex_lock(&jobs->mutex);
    const bool allowed = server_jobs_find_key(jobs, request->idempotency_key, request->fingerprint,
                                              id, &found, problem) &&
                         (found || reserve(jobs, problem));
    pthread_mutex_unlock(&jobs->mutex);
    if (existed)
        *existed = found;
    if (!allowed || found)
        return allowed;

    struct server_job *job = make_job(request, problem);
    struct server_entry *entry = calloc(1, sizeof *entry);
    bool done = false;
    if (job && entry) {
        entry->job = job;
        memcpy(id, job->id, SERVER_ID_SIZE);
        done = measure(job, request->input_path, problem) &&
               take_input(jobs, job, request, problem) && enter(jobs, entry, problem);
        char *folder = done ? NULL : server_jobs_path(jobs, job->id, NULL);
        if (folder)
            server_folder_remove(folder);
        free(folder);
    } else if (job) {
        server_fail_memory(problem);
    }
    pthread_mutex_lock(&jobs->mutex);
    jobs->n_reserved--;
    pthread_mutex_unlock(&jobs->mutex);
    if (!done) {
        server_job_free(job);
        free(entry);
        return false;
    }
    server_jobs_wake(jobs);
    return true;
}

/* ------------------------------------------------------------------------ cancelling, removing */

/* Leaves the wish with the scheduler and waits until it is fulfilled. */
static bool ask(struct server_jobs *jobs, const char *id, bool remove,
                struct server_problem *problem)
{
    pthread_mutex_lock(&jobs->mutex);
    struct server_entry *entry = server_jobs_find(jobs, id);
    const bool exists = entry != NULL;
    if (entry && !server_job_is_finished(entry->job))
        entry->cancel_wanted = true;
    if (entry && remove)
        entry->remove_wanted = true;
    while (!jobs->stopping && (entry = server_jobs_find(jobs, id)) &&
           (entry->cancel_wanted || entry->remove_wanted)) {
        server_jobs_wake(jobs);
        pthread_cond_wait(&jobs->settled, &jobs->mutex);
    }
    pthread_mutex_unlock(&jobs->mutex);
    return exists ? true : server_fail(problem, 404, "not-found", "there is no job %.40s", id);
}

bool server_jobs_cancel(struct server_jobs *jobs, const char *id, struct server_problem *problem)
{
    return ask(jobs, id, false, problem);
}

bool server_jobs_remove(struct server_jobs *jobs, const char *id, struct server_problem *problem)
{
    return ask(jobs, id, true, problem);
}
