/* SPDX-License-Identifier: MIT */
#include "server/still.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/child.h"
#include "server/jobs_table.h"
#include "server/worker.h"

/* Somebody is waiting, and a thread with them: longer than this, and it is no preview. */
enum { MAX_SECONDS = 60, MAX_PNG_BYTES = 1 << 30, LOOK_MS = 200 };

struct hearing {
    bool done;
    bool failed;
    struct server_problem *problem;
};

/* Names of problems are constants; what a process says is not. */
static const char *name_of(int status)
{
    return status == 415 ? "unsupported" : status == 422 ? "input" : "internal";
}

static void take_said(void *opaque, const json_t *said)
{
    struct hearing *hearing = opaque;
    const char *event = json_string_value(json_object_get(said, "event"));
    if (!event || hearing->done || hearing->failed)
        return;
    hearing->done = strcmp(event, "done") == 0;
    hearing->failed = strcmp(event, "failed") == 0;
    if (!hearing->failed)
        return;
    const json_int_t status = json_integer_value(json_object_get(said, "status"));
    const char *detail = json_string_value(json_object_get(said, "detail"));
    const int of_http = status >= 400 && status < 600 ? (int)status : 500;
    server_fail(hearing->problem, of_http, name_of(of_http), "%s", detail ? detail : "no reason");
}

static json_t *order_of(const struct server_jobs *jobs, const struct server_still_request *request,
                        const char *work)
{
    const struct server_limits *limits = server_jobs_limits(jobs);
    const unsigned threads = server_job_threads(limits);
    json_t *order = json_pack(
        "{s:s, s:s, s:s, s:s, s:f, s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "kind", SERVER_WORKER_STILL,
        "input", request->input_path, "work", work, "name", request->name, "seconds",
        request->seconds, "threads", (int)threads, "parent", (int)getpid(), "pixels",
        (json_int_t)limits->pixels, "duration_s", (json_int_t)limits->duration_s, "memory_bytes",
        (json_int_t)limits->job_memory_bytes, "file_bytes", (json_int_t)MAX_PNG_BYTES, "cpu_s",
        (json_int_t)MAX_SECONDS * threads);
    if (order && request->options)
        json_object_set(order, "options", (json_t *)request->options);
    return order;
}

/* Until the process has ended, the time is over, or the server is to end. */
static bool wait_for(struct server_jobs *jobs, struct server_child *child,
                     struct server_problem *problem)
{
    struct hearing hearing = {.problem = problem};
    const int64_t until_ms = server_monotonic_ms() + MAX_SECONDS * 1000;
    int wait_status;
    for (;;) {
        const int64_t left_ms = until_ms - server_monotonic_ms();
        if (left_ms <= 0)
            return server_fail(problem, 504, "too-slow",
                               "this moment took more than %d s and was given up", MAX_SECONDS);
        if (server_jobs_is_draining(jobs))
            return server_fail_for_now(problem, 503, "stopping", 30, "the server is being stopped");
        struct pollfd fds[2] = {{.fd = child->pid_fd, .events = POLLIN},
                                {.fd = child->out_fd, .events = POLLIN}};
        (void)poll(fds, 2, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
        const bool ended = server_child_ended(child, &wait_status);
        server_child_read(child, take_said, &hearing);
        if (ended)
            break;
    }
    if (!hearing.done && !hearing.failed)
        server_fail(problem, 422, "input",
                    "the process that looked into the video came to a bad "
                    "end: the file is damaged, or too large for here");
    return hearing.done;
}

static bool open_picture(const char *work, struct server_job_file *file,
                         struct server_problem *problem)
{
    struct stat about;
    char *path = server_path_join(work, SERVER_WORKER_STILL_FILE, NULL);
    file->fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    free(path);
    if (file->fd < 0 || fstat(file->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        if (file->fd >= 0)
            close(file->fd);
        file->fd = -1; /* the caller would close it again, and by then it may be another's */
        return server_fail(problem, 500, "internal", "the picture is not there");
    }
    file->bytes = (uint64_t)about.st_size;
    file->modified_ms = server_now_ms();
    return true;
}

bool server_still_make(struct server_jobs *jobs, const struct server_still_request *request,
                       struct server_job_file *file, struct server_problem *problem)
{
    char random[SERVER_ID_SIZE];
    struct server_child child;
    if (!server_random_hex(random, sizeof random / 2))
        return server_fail(problem, 500, "internal", "the system gives no random numbers");
    *file = (struct server_job_file){
        .fd = -1, .name = SERVER_WORKER_STILL_FILE, .content_type = "image/png"};
    snprintf(file->etag, sizeof file->etag, "\"%s\"", random);
    /* There, because it is emptied at each start: a kill leaves nothing for good. */
    char *work = server_path_join(server_jobs_state_folder(jobs), "incoming", random, NULL);
    json_t *order = work ? order_of(jobs, request, work) : NULL;
    bool made = false;
    if (!order)
        server_fail_memory(problem);
    else if (server_folder_make(work, problem) && server_child_start(&child, order, problem)) {
        made = wait_for(jobs, &child, problem) && open_picture(work, file, problem);
        server_child_close(&child);
    }
    if (work)
        server_folder_remove(work);
    free(work);
    json_decref(order);
    return made;
}
