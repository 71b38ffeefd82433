/* SPDX-License-Identifier: MIT */
#include "server/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/commands.h"

/* A line holds notes and an error's text; a longer one is dropped. */
enum { LINE_BYTES = 1 << 16 };

/* What a job's process may know of the server's environment. */
static const char *const passed_variables[] = {"PATH",         "HOME",         "LANG",
                                               "LC_ALL",       "TZ",           "LD_LIBRARY_PATH",
                                               "PIPERSR_CPU",  "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                               "LSAN_OPTIONS", "TSAN_OPTIONS", "LLVM_PROFILE_FILE"};
enum { PASSED_VARIABLES = sizeof passed_variables / sizeof *passed_variables };

static void pass_environment(char **environment)
{
    extern char **environ;
    size_t count = 0;
    for (char **each = environ; *each && count < PASSED_VARIABLES; each++)
        for (size_t i = 0; i < PASSED_VARIABLES; i++) {
            const size_t length = strlen(passed_variables[i]);
            if (strncmp(*each, passed_variables[i], length) == 0 && (*each)[length] == '=')
                environment[count++] = *each;
        }
    environment[count] = NULL;
}

/* posix_spawn() with the order's pipe as standard input and `out_fd` as standard output. */
static int spawn(pid_t *pid, int order_fd, int out_fd)
{
    char *const arguments[] = {(char *)"pipersr", (char *)SERVER_WORKER_COMMAND, NULL};
    char *environment[PASSED_VARIABLES + 1];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    pass_environment(environment);
    sigemptyset(&none);
    sigfillset(&all);
    int reason = posix_spawn_file_actions_init(&actions);
    if (reason)
        return reason;
    reason = posix_spawnattr_init(&attributes);
    if (reason) {
        posix_spawn_file_actions_destroy(&actions);
        return reason;
    }
    posix_spawn_file_actions_adddup2(&actions, order_fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    /* A group of its own: Ctrl-C in the server's terminal is for the server alone. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    reason = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return reason;
}

/* The order is small enough for the pipe to hold all of it. */
static int send_order(int fd, const json_t *order)
{
    char *text = json_dumps(order, JSON_COMPACT);
    if (!text)
        return ENOMEM;
    const size_t length = strlen(text);
    const ssize_t written = write(fd, text, length);
    const int reason = written == (ssize_t)length ? 0 : written < 0 ? errno : E2BIG;
    free(text);
    return reason;
}

static void close_pair(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

bool server_child_start(struct server_child *child, const json_t *order,
                        struct server_problem *problem)
{
    int order_pipe[2], out_pipe[2];
    *child = SERVER_CHILD_NONE;
    if (pipe2(order_pipe, O_CLOEXEC) != 0)
        return server_fail_errno(problem, errno, "no process can be started");
    if (pipe2(out_pipe, O_CLOEXEC) != 0) {
        const int reason = errno;
        close_pair(order_pipe);
        return server_fail_errno(problem, reason, "no process can be started");
    }
    int reason = send_order(order_pipe[1], order);
    child->line = malloc(LINE_BYTES);
    if (!reason && !child->line)
        reason = ENOMEM;
    if (!reason)
        reason = spawn(&child->pid, order_pipe[0], out_pipe[1]);
    close_pair(order_pipe);
    close(out_pipe[1]);
    child->out_fd = out_pipe[0];
    if (!reason) {
        fcntl(child->out_fd, F_SETFL, O_NONBLOCK);
        child->pid_fd = pidfd_open(child->pid, 0);
        if (child->pid_fd < 0)
            reason = errno;
    } else {
        child->pid = 0;
    }
    if (!reason)
        return true;
    server_child_close(child);
    return server_fail_errno(problem, reason, "no process can be started");
}

/* Gives the whole lines to `take` and keeps the rest. */
static void take_lines(struct server_child *child, void (*take)(void *opaque, const json_t *said),
                       void *opaque)
{
    size_t start = 0;
    for (char *end; (end = memchr(child->line + start, '\n', child->used - start));) {
        const size_t length = (size_t)(end - child->line) - start;
        json_t *said = json_loadb(child->line + start, length, 0, NULL);
        if (json_is_object(said))
            take(opaque, said);
        json_decref(said);
        start += length + 1;
    }
    child->used -= start;
    memmove(child->line, child->line + start, child->used);
    if (child->used == LINE_BYTES)
        child->used = 0;
}

void server_child_read(struct server_child *child, void (*take)(void *opaque, const json_t *said),
                       void *opaque)
{
    /* A process that never stops talking must not keep the scheduler for itself. */
    for (int rounds = 0; rounds < 16 && child->out_fd >= 0; rounds++) {
        const ssize_t length =
            read(child->out_fd, child->line + child->used, LINE_BYTES - child->used);
        if (length < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (length <= 0) {
            close(child->out_fd);
            child->out_fd = -1;
            return;
        }
        child->used += (size_t)length;
        take_lines(child, take, opaque);
    }
}

bool server_child_ended(struct server_child *child, int *status)
{
    if (child->pid == 0 || waitpid(child->pid, status, WNOHANG) != child->pid)
        return false;
    child->pid = 0;
    return true;
}

void server_child_kill(struct server_child *child)
{
    if (child->pid)
        kill(child->pid, SIGKILL);
}

void server_child_close(struct server_child *child)
{
    server_child_kill(child);
    while (child->pid && waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (child->pid_fd >= 0)
        close(child->pid_fd);
    if (child->out_fd >= 0)
        close(child->out_fd);
    free(child->line);
    *child = SERVER_CHILD_NONE;
}
