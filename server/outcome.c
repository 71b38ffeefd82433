/* SPDX-License-Identifier: MIT */
#include "server/outcome.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/worker.h"

enum { MAX_OUTCOME_BYTES = 1 << 16 };

json_t *server_outcome_find(const struct server_jobs *jobs, const struct server_job *job)
{
    char *work = server_jobs_path(jobs, job->id, "work");
    char *path = work ? server_path_join(work, SERVER_WORKER_OUTCOME, NULL) : NULL;
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    free(work);
    free(path);
    if (fd < 0)
        return NULL;
    char *text = malloc(MAX_OUTCOME_BYTES);
    const ssize_t length = text ? read(fd, text, MAX_OUTCOME_BYTES) : -1;
    json_t *outcome = length > 0 ? json_loadb(text, (size_t)length, 0, NULL) : NULL;
    free(text);
    close(fd);
    return outcome;
}

/* A name that is one part of a path and harmless in a header. */
static bool is_plain_name(const char *name)
{
    if (!name || !*name || *name == '.' || strlen(name) > 255)
        return false;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '/' || *c == '\\')
            return false;
    return true;
}

static bool is_media_type(const char *type)
{
    return type && strlen(type) < 60 && strchr(type, '/') &&
           strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789/.+-") == strlen(type);
}

static json_t *number_of(const json_t *outcome, const char *name)
{
    const json_int_t number = json_integer_value(json_object_get(outcome, name));
    return number > 0 ? json_integer(number) : json_null();
}

char *server_outcome_path(const struct server_jobs *jobs, const struct server_job *job,
                          const json_t *result)
{
    const char *file = json_string_value(json_object_get(result, "file"));
    char *work = server_jobs_path(jobs, job->id, "work");
    char *path = work && file ? server_path_join(work, file, NULL) : NULL;
    free(work);
    return path;
}

static json_t *result_of(const struct server_jobs *jobs, const struct server_job *job,
                         const json_t *outcome)
{
    const char *file = json_string_value(json_object_get(outcome, "file"));
    const char *name = json_string_value(json_object_get(outcome, "name"));
    const char *type = json_string_value(json_object_get(outcome, "content_type"));
    if (!is_plain_name(file) || !is_plain_name(name) || !is_media_type(type))
        return NULL;
    char *path = server_outcome_path(jobs, job, outcome);
    struct stat about;
    const bool there = path && lstat(path, &about) == 0 && S_ISREG(about.st_mode);
    free(path);
    if (!there)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "file", file, "name", name,
                     "content_type", type, "bytes", (json_int_t)about.st_size, "width_px",
                     number_of(outcome, "width_px"), "height_px", number_of(outcome, "height_px"),
                     "frames", number_of(outcome, "frames"));
}

/* The problem's name stays in memory: only the known ones are taken over. */
static const char *known_name(const char *name)
{
    static const char *const names[] = {"input",         "unsupported", "too-large",
                                        "too-long",      "bad-option",  "output",
                                        "out-of-memory", "disk-full",   "internal"};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return names[i];
    return "internal";
}

static void explain_end(int wait_status, struct server_problem *problem)
{
    if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGXCPU)
        server_fail(problem, 422, "too-long", "the job used more processor time than is allowed");
    else if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL)
        server_fail(problem, 500, "worker-killed",
                    "the job's process was killed, probably because memory ran out");
    else if (WIFSIGNALED(wait_status))
        server_fail(problem, 422, "worker-crashed",
                    "the job's process crashed (%s) over this input; is the file damaged?",
                    strsignal(WTERMSIG(wait_status)));
    else
        server_fail(problem, 500, "worker-crashed",
                    "the job's process ended without a result (exit status %d)",
                    WEXITSTATUS(wait_status));
}

json_t *server_outcome_result(const struct server_jobs *jobs, const struct server_job *job,
                              const json_t *outcome, int wait_status,
                              const struct server_problem *killed, struct server_problem *problem)
{
    const char *event = json_string_value(json_object_get(outcome, "event"));
    if (event && strcmp(event, "done") == 0) {
        json_t *result = result_of(jobs, job, outcome);
        if (!result)
            server_fail(problem, 500, "internal", "the job's result is not where it should be");
        return result;
    }
    const char *detail = json_string_value(json_object_get(outcome, "detail"));
    const json_int_t status = json_integer_value(json_object_get(outcome, "status"));
    if (killed)
        *problem = *killed;
    else if (event && detail)
        server_fail(problem, status >= 400 && status < 600 ? (int)status : 500,
                    known_name(json_string_value(json_object_get(outcome, "name"))), "%s", detail);
    else
        explain_end(wait_status, problem);
    return NULL;
}

static bool is_result(void *opaque, const char *name)
{
    const char *file = opaque;
    return file && strcmp(file, name) == 0;
}

void server_outcome_tidy(const struct server_jobs *jobs, const struct server_job *job)
{
    char *work = server_jobs_path(jobs, job->id, "work");
    const json_t *kept = job->output_path ? NULL : job->now.result;
    const char *file = json_string_value(json_object_get(kept, "file"));
    if (work)
        server_folder_keep(work, is_result, (void *)file);
    free(work);
}
