/* SPDX-License-Identifier: MIT
 *
 * `pipersr mcp`: the Model Context Protocol over standard input and output, one JSON object a line.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pipersr.h"
#include "server/commands.h"
#include "server/exit_status.h"
#include "server/jobs.h"
#include "server/mcp.h"
#include "server/mcp_jobs.h"
#include "server/mcp_scratch.h"
#include "server/stop_signals.h"

/* How long calls that are in progress when the client closes its end may still take. */
enum { GRACE_MS = 1000, GRACE_STEP_MS = 10 };

static const char help[] =
    "Usage: pipersr mcp [--allow-dir DIR]...\n"
    "\n"
    "Upscaling for assistants, by the Model Context Protocol over standard input and output. Ends\n"
    "when standard input does; jobs that are not done then are cancelled.\n"
    "\n"
    "      --allow-dir DIR  a folder that files may be read from and written to, with those in "
    "it;\n"
    "                       may be given several times (default: the current folder)\n"
    "  -h, --help           this text\n"
    "  -V, --version        the version\n"
    "\n"
    "Tools: video_upscale, image_upscale, upscale_status, upscale_cancel, models_list.\n"
    "TMPDIR says where unfinished results are kept (default /var/tmp).\n"
    "Exit status: 0 at the end of the input, 1 internal error, 2 wrong usage, 3 a folder is "
    "missing,\n"
    "5 no place for unfinished results.\n";

struct session {
    struct mcp_paths paths;
    char *state_folder;
    struct server_mcp_jobs jobs;
    struct server_mcp *mcp;
    struct server_mcp_client *client;
    int signal_fd, out_fd;
    pthread_mutex_t mutex; /* of the output, and is_gone */
    bool is_gone;          /* nothing is written any more */
    atomic_size_t n_open;  /* messages whose answers are not out yet */
    char *line;            /* what came in of a message */
    size_t used;
    bool skipping; /* the rest of a line that is too long */
};

static int fail(int exit_status, const char *text)
{
    fprintf(stderr, "pipersr: mcp: %s\n", text);
    return exit_status;
}

/* --------------------------------------------------------------------------------------- output --
 */

/* Waits until the client reads. False if it does not and a signal says that this is the end. */
static bool can_write(const struct session *session)
{
    struct pollfd waiting[] = {{session->out_fd, POLLOUT, 0}, {session->signal_fd, POLLIN, 0}};
    while (poll(waiting, 2, -1) < 0)
        if (errno != EINTR)
            return false;
    return waiting[0].revents != 0;
}

/* Of a pipe that may be written to, so much is taken without waiting. */
static ssize_t write_some(const struct session *session, const char *bytes, size_t size)
{
    const ssize_t sent = send(session->out_fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 && errno == ENOTSOCK
               ? write(session->out_fd, bytes, size < PIPE_BUF ? size : PIPE_BUF)
               : sent;
}

/* With the lock held. A client that has gone gets nothing; its end of the input says so too. */
static void write_bytes(struct session *session, const char *bytes, size_t size)
{
    while (size > 0 && !session->is_gone) {
        const ssize_t written = can_write(session) ? write_some(session, bytes, size) : 0;
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        } else if (written == 0 || (errno != EINTR && errno != EAGAIN)) {
            /* Nothing may follow half a line. */
            session->is_gone = true;
        }
    }
}

static void deliver(void *opaque, const struct server_mcp_reply *reply)
{
    struct session *session = opaque;
    pthread_mutex_lock(&session->mutex);
    if (reply->kind != SERVER_MCP_NOTHING) {
        write_bytes(session, reply->text, reply->size);
        write_bytes(session, "\n", 1);
    }
    pthread_mutex_unlock(&session->mutex);
    if (reply->kind != SERVER_MCP_NOTIFICATION)
        atomic_fetch_sub(&session->n_open, 1);
}

/* --------------------------------------------------------------------------------------- input --
 */

static void receive(struct session *session, const char *text, size_t size)
{
    if (size > 0 && text[size - 1] == '\r')
        size--;
    if (size == 0)
        return;
    atomic_fetch_add(&session->n_open, 1);
    struct server_mcp_exchange *exchange =
        server_mcp_receive(session->client, NULL, text, size, deliver, session);
    if (exchange) {
        server_mcp_exchange_leave(exchange);
        return;
    }
    atomic_fetch_sub(&session->n_open, 1);
}

/* Room for one message more than the largest: it is told that it is too large, once. */
enum { LINE_BYTES = SERVER_MCP_MAX_MESSAGE + 1 };

static void take_bytes(struct session *session, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        const size_t length = end ? (size_t)(end - bytes) : size;
        const size_t room = LINE_BYTES - session->used;
        const size_t kept = length < room ? length : room;
        if (!session->skipping) {
            memcpy(session->line + session->used, bytes, kept);
            session->used += kept;
            if (end || session->used == LINE_BYTES) {
                receive(session, session->line, session->used);
                session->used = 0;
                session->skipping = !end;
            }
        } else if (end) {
            session->skipping = false;
        }
        bytes += length + (end != NULL);
        size -= length + (end != NULL);
    }
}

/* Until the end of the input, or a signal. */
static void serve(struct session *session)
{
    char bytes[1 << 12]; /* no more, so that a signal is seen between a few messages */
    for (;;) {
        struct pollfd waiting[] = {{STDIN_FILENO, POLLIN, 0}, {session->signal_fd, POLLIN, 0}};
        if (poll(waiting, 2, -1) < 0 && errno != EINTR)
            return;
        if (waiting[1].revents)
            return;
        if (!waiting[0].revents)
            continue;
        const ssize_t length = read(STDIN_FILENO, bytes, sizeof bytes);
        if (length == 0 || (length < 0 && errno != EINTR && errno != EAGAIN))
            break;
        if (length > 0)
            take_bytes(session, bytes, (size_t)length);
    }
    receive(session, session->line, session->used);
}

static void wait_for_answers(struct session *session)
{
    const struct timespec step = {.tv_nsec = GRACE_STEP_MS * 1000000L};
    for (int waited_ms = 0; waited_ms < GRACE_MS; waited_ms += GRACE_STEP_MS) {
        struct pollfd signals = {session->signal_fd, POLLIN, 0};
        if (atomic_load(&session->n_open) == 0 || poll(&signals, 1, 0) > 0)
            return;
        nanosleep(&step, NULL);
    }
}

/* --------------------------------------------------------------------------- opening and closing
 */

/* Nothing but messages may go to standard output, whoever writes there. */
static bool take_standard_output(struct session *session)
{
    session->out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return session->out_fd >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0;
}

/* Before any thread is started, so that all of them leave signals to the descriptor. */
static bool take_signals(struct session *session)
{
    sigset_t signals;
    signal(SIGPIPE, SIG_IGN);
    if (!server_stop_signals_keep(&signals, true))
        return false;
    session->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    return session->signal_fd >= 0;
}

static int open_session(struct session *session)
{
    struct server_problem problem;
    session->line = malloc(LINE_BYTES);
    if (!session->line || !take_signals(session) || !take_standard_output(session))
        return fail(SERVER_EXIT_INTERNAL, strerror(errno));
    session->state_folder = mcp_scratch_make();
    if (!session->state_folder)
        return fail(SERVER_EXIT_OUTPUT,
                    "no folder for unfinished results; set TMPDIR to one that you may write to");
    struct server_jobs_settings settings = {.state_folder = session->state_folder};
    server_limits_set_defaults(&settings.limits);
    if (!server_jobs_open(&settings, &session->jobs.jobs, &problem))
        return fail(SERVER_EXIT_OUTPUT, problem.detail);
    const struct server_mcp_backend backend = server_mcp_jobs_backend(&session->jobs);
    session->mcp = server_mcp_create(&backend, &session->paths);
    session->client = session->mcp ? server_mcp_client_create(session->mcp) : NULL;
    return session->client ? SERVER_EXIT_OK : fail(SERVER_EXIT_INTERNAL, "out of memory");
}

static void close_session(struct session *session)
{
    server_mcp_client_release(session->client);
    server_mcp_free(session->mcp);
    server_jobs_close(session->jobs.jobs);
    if (session->state_folder)
        server_folder_remove(session->state_folder);
    free(session->state_folder);
    free(session->line);
    if (session->signal_fd >= 0)
        close(session->signal_fd);
    if (session->out_fd >= 0)
        close(session->out_fd);
}

/* ------------------------------------------------------------------------------- command line --
 */

enum { OPTION_ALLOW_DIR = 256 };

static const struct option long_options[] = {
    {"allow-dir", required_argument, NULL, OPTION_ALLOW_DIR},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0}};

/* True if there is something to serve; else *exit_status is that of the process. */
static bool parse(int argc, char **argv, struct mcp_paths *paths, int *exit_status)
{
    struct server_problem problem;
    int option;
    opterr = 0;
    *exit_status = SERVER_EXIT_OK;
    while ((option = getopt_long(argc, argv, ":hV", long_options, NULL)) != -1) {
        if (option == 'h' || option == 'V') {
            if (option == 'h')
                fputs(help, stdout);
            else
                printf("pipersr %s\n", pipersr_version());
            *exit_status = fflush(stdout) == 0 ? SERVER_EXIT_OK : SERVER_EXIT_OUTPUT;
            return false;
        }
        if (option != OPTION_ALLOW_DIR) {
            fprintf(stderr, "pipersr: mcp: %s '%s'; see pipersr mcp --help\n",
                    option == ':' ? "a value is missing after" : "unknown option",
                    argv[optind - 1]);
            *exit_status = SERVER_EXIT_USAGE;
            return false;
        }
        if (!mcp_paths_allow(paths, optarg, &problem)) {
            *exit_status = fail(SERVER_EXIT_INPUT, problem.detail);
            return false;
        }
    }
    if (optind < argc)
        *exit_status = fail(SERVER_EXIT_USAGE, "it takes options only; see pipersr mcp --help");
    else if (paths->count == 0 && !mcp_paths_allow_default(paths, &problem))
        *exit_status = fail(SERVER_EXIT_INPUT, problem.detail);
    return *exit_status == SERVER_EXIT_OK;
}

int server_mcp_command(int argc, char **argv)
{
    struct session session = {.signal_fd = -1, .out_fd = -1, .mutex = PTHREAD_MUTEX_INITIALIZER};
    int exit_status;
    if (parse(argc, argv, &session.paths, &exit_status)) {
        exit_status = open_session(&session);
        if (exit_status == SERVER_EXIT_OK) {
            serve(&session);
            wait_for_answers(&session);
        }
        close_session(&session);
    }
    mcp_paths_free(&session.paths);
    return exit_status;
}
