/* SPDX-License-Identifier: MIT
 *
 * `pipersr serve`: from its command line to a server, and to its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/commands.h"
#include "server/exit_status.h"
#include "server/http.h"
#include "server/key_file.h"
#include "server/listener.h"
#include "server/serve_options.h"
#include "server/stop_signals.h"

enum { MAX_PEM_BYTES = 1 << 20 };

struct service {
    const struct server_serve_options *options;
    char *state_folder;
    char key[SERVER_MAX_KEY_SIZE];
    char *certificate, *private_key; /* PEM texts */
    int listeners[SERVER_MAX_LISTENERS];
    size_t n_listeners;
    struct server_listener_place tcp; /* the first; port 0: none */
    const char *unix_path;            /* of a socket of our own, or NULL */
    bool is_local;                    /* other machines reach none of them */
    struct server_jobs *jobs;
    struct server_access *access;
    struct mcp_paths paths; /* that MCP clients may use */
    struct server_http *http;
};

static int fail(int exit_status, const struct server_problem *problem)
{
    fprintf(stderr, "pipersr: %s\n", problem->detail);
    return exit_status;
}

/* -------------------------------------------------------------------------------- preparations */

/* Descriptors 0 to 2 must be taken: a file of ours with such a number would be written to by
 * mistake. */
static void hold_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* For each connection a file as well; and jobs, previews, the database. The usual limit, 1024, is
 * one for programs that use select(). */
static void allow_descriptors(const struct server_limits *limits)
{
    enum { OTHERS = 256, OF_A_JOB = 4 };
    const rlim_t wanted = 2 * (rlim_t)limits->connections + OF_A_JOB * limits->running + OTHERS;
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur == RLIM_INFINITY ||
        now.rlim_cur >= wanted)
        return;
    now.rlim_cur = now.rlim_max == RLIM_INFINITY || wanted < now.rlim_max ? wanted : now.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur < wanted)
        fprintf(stderr,
                "pipersr: only %ju files may be open at once (ulimit -n), too few for %u "
                "connections; some may have to wait or fail\n",
                (uintmax_t)now.rlim_cur, limits->connections);
}

static char *default_state_folder(void)
{
    const char *own = getenv("STATE_DIRECTORY"), *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (own && *own == '/')
        return strdup(own);
    if (state && *state == '/')
        return server_path_join(state, "pipersr", NULL);
    return home && *home ? server_path_join(home, ".local/state/pipersr", NULL) : NULL;
}

static int find_state_folder(struct service *service)
{
    const char *given = service->options->state_folder;
    struct server_problem problem;
    char *folder = given ? strdup(given) : default_state_folder();
    if (!folder) {
        fputs("pipersr: no HOME, so no place for the state; give --state FOLDER\n", stderr);
        return SERVER_EXIT_USAGE;
    }
    const bool made = server_folder_make(folder, &problem);
    service->state_folder = made ? realpath(folder, NULL) : NULL;
    free(folder);
    if (!made)
        return fail(SERVER_EXIT_OUTPUT, &problem);
    if (service->state_folder)
        return SERVER_EXIT_OK;
    perror("pipersr: the state folder");
    return SERVER_EXIT_INTERNAL;
}

/* The key lies in the state folder in any case: programs of the same user find it there. */
static int find_key(struct service *service)
{
    const struct server_serve_options *options = service->options;
    struct server_problem problem;
    char *path = server_path_join(service->state_folder, "key", NULL);
    bool found = path != NULL;
    if (!found)
        server_fail_memory(&problem);
    else if (options->key_file)
        found = server_key_read(options->key_file, service->key, &problem);
    else if (options->key)
        snprintf(service->key, sizeof service->key, "%s", options->key);
    else if (!server_random_hex(service->key, (SERVER_KEY_SIZE - 1) / 2))
        found = server_fail(&problem, 500, "internal", "the system gives no random numbers");
    if (found)
        found = server_key_write(path, service->key, &problem);
    free(path);
    return found ? SERVER_EXIT_OK : fail(SERVER_EXIT_INPUT, &problem);
}

/* The file's text, or NULL with a message. */
static char *read_pem(const char *path)
{
    char *text = calloc(1, MAX_PEM_BYTES + 1);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = text && fd >= 0 ? read(fd, text, MAX_PEM_BYTES) : -1;
    if (length <= 0) {
        fprintf(stderr, "pipersr: %s cannot be read: %s\n", path,
                length == 0 ? "it is empty" : strerror(errno));
        free(text);
        text = NULL;
    }
    if (fd >= 0)
        close(fd);
    return text;
}

static int read_certificate(struct service *service)
{
    if (!service->options->certificate)
        return SERVER_EXIT_OK;
    service->certificate = read_pem(service->options->certificate);
    service->private_key = read_pem(service->options->private_key);
    return service->certificate && service->private_key ? SERVER_EXIT_OK : SERVER_EXIT_INPUT;
}

static int add_listener(struct service *service, int fd, const struct server_problem *problem)
{
    if (fd < 0)
        return fail(SERVER_EXIT_OUTPUT, problem);
    service->listeners[service->n_listeners++] = fd;
    return SERVER_EXIT_OK;
}

/* Other machines are let in only with a key that somebody chose. */
static int check_reach(const struct service *service, const char *address)
{
    const struct server_serve_options *options = service->options;
    if (service->is_local || options->key || options->key_file)
        return SERVER_EXIT_OK;
    fprintf(stderr,
            "pipersr: listening on %s lets other machines in: give --key or --key-file, so that "
            "you choose the key; see 'pipersr serve --help'\n",
            address);
    return SERVER_EXIT_USAGE;
}

static int take_inherited(struct service *service)
{
    struct server_listener_place place;
    int status = SERVER_EXIT_OK;
    for (size_t i = 0; status == SERVER_EXIT_OK && i < service->n_listeners; i++) {
        server_listener_where(service->listeners[i], &place);
        service->is_local = service->is_local && place.is_local;
        if (place.port && !service->tcp.port)
            service->tcp = place;
        else if (!place.port)
            printf("listening on %s\n", place.address);
        status = check_reach(service, place.address);
    }
    return status;
}

static int open_own(struct service *service)
{
    const struct server_serve_options *options = service->options;
    const char *address = options->listen_address ? options->listen_address : "127.0.0.1";
    struct server_problem problem;
    service->is_local = server_listener_is_loopback(address);
    int status = check_reach(service, address);
    if (status == SERVER_EXIT_OK && options->unix_path) {
        status =
            add_listener(service, server_listener_unix(options->unix_path, &problem), &problem);
        service->unix_path = status == SERVER_EXIT_OK ? options->unix_path : NULL;
    }
    if (status == SERVER_EXIT_OK && (options->listen_address || !options->unix_path)) {
        snprintf(service->tcp.address, sizeof service->tcp.address, "%s", address);
        service->tcp.port = options->port;
        status = add_listener(service, server_listener_tcp(address, &service->tcp.port, &problem),
                              &problem);
    }
    return status;
}

static int open_listeners(struct service *service)
{
    struct server_problem problem;
    service->is_local = true;
    if (!server_listener_inherited(service->listeners, SERVER_MAX_LISTENERS, &service->n_listeners,
                                   &problem))
        return fail(SERVER_EXIT_INPUT, &problem);
    return service->n_listeners > 0 ? take_inherited(service) : open_own(service);
}

/* ------------------------------------------------------------------------------------- running */

/* The lock of the state folder comes first: a second server must not change the first one's key. */
static int open_all(struct service *service)
{
    const struct server_serve_options *options = service->options;
    const struct server_jobs_settings jobs = {service->state_folder, options->limits};
    struct server_problem problem;
    if (!server_jobs_open(&jobs, &service->jobs, &problem))
        return fail(SERVER_EXIT_OUTPUT, &problem);
    const int status = find_key(service);
    if (status != SERVER_EXIT_OK)
        return status;
    const struct server_access_settings access = {service->key, options->allowed_origins,
                                                  options->allowed_hosts};
    service->access = server_access_open(&access);
    const struct server_http_settings http = {
        service->jobs,        service->access,      &service->paths,     service->listeners,
        service->n_listeners, service->certificate, service->private_key};
    if (!service->access) {
        fputs("pipersr: out of memory\n", stderr);
        return SERVER_EXIT_INTERNAL;
    }
    return server_http_open(&http, &service->http, &problem) ? SERVER_EXIT_OK
                                                             : fail(SERVER_EXIT_OUTPUT, &problem);
}

/* What its owner needs to know, once, on standard output: programs read it there. */
static void announce(const struct service *service)
{
    const struct server_serve_options *options = service->options;
    const unsigned port = service->tcp.port;
    const bool is_six = strchr(service->tcp.address, ':') != NULL;
    char url[300], token[SERVER_KEY_SIZE];
    snprintf(url, sizeof url, "%s://%s%.200s%s:%u", service->certificate ? "https" : "http",
             is_six ? "[" : "", service->tcp.address, is_six ? "]" : "", port);
    if (port)
        printf("listening on %s\n", url);
    if (service->unix_path)
        printf("listening on %s\n", service->unix_path);
    if (options->key || options->key_file)
        puts("session key: the one that was given");
    else
        printf("session key: %s\n", service->key);
    if (port && server_access_make_token(service->access, token))
        printf("open in a browser, once: %s/?token=%s\n", url, token);
    if (!service->is_local)
        fprintf(stderr, "pipersr: other machines can reach this server%s\n",
                service->certificate ? "" : ", and without TLS others on the way can read the key");
    fflush(stdout);
}

static bool has_running(struct server_jobs *jobs)
{
    struct server_jobs_counts counts;
    server_jobs_count(jobs, &counts);
    return counts.in_state[SERVER_JOB_RUNNING] > 0;
}

/* A second signal ends the waiting. */
static void drain(const struct service *service, const sigset_t *signals)
{
    const struct timespec second = {.tv_sec = 1};
    server_jobs_drain(service->jobs);
    for (unsigned waited = 0; waited < service->options->drain_s && has_running(service->jobs);
         waited++)
        if (sigtimedwait(signals, NULL, &second) > 0)
            return;
}

static int run(struct service *service)
{
    sigset_t signals;
    /* Before any thread starts: all of them leave these signals to this one. */
    if (!server_stop_signals_keep(&signals, false)) {
        struct server_problem problem;
        server_fail(&problem, 500, "internal", "signals: %s", strerror(errno));
        return fail(SERVER_EXIT_INTERNAL, &problem);
    }
    signal(SIGPIPE, SIG_IGN);
    /* Too large a file (ulimit -f) is an error of that write. */
    signal(SIGXFSZ, SIG_IGN);
    int status = open_all(service);
    if (status != SERVER_EXIT_OK)
        return status;
    announce(service);
    int received;
    sigwait(&signals, &received);
    drain(service, &signals);
    return SERVER_EXIT_OK;
}

static void close_all(struct service *service)
{
    server_http_close(service->http);
    server_jobs_close(service->jobs);
    server_access_free(service->access);
    if (service->unix_path)
        unlink(service->unix_path);
    if (service->private_key)
        gnutls_memset(service->private_key, 0, strlen(service->private_key));
    gnutls_memset(service->key, 0, sizeof service->key);
    mcp_paths_free(&service->paths);
    free(service->private_key);
    free(service->certificate);
    free(service->state_folder);
}

/* Whoever comes from other machines gets none of this one's folders unasked. */
static int allow_folders(struct service *service)
{
    const struct server_serve_options *options = service->options;
    struct server_problem problem;
    for (const char *const *each = options->allowed_folders; *each; each++)
        if (!mcp_paths_allow(&service->paths, *each, &problem))
            return fail(SERVER_EXIT_INPUT, &problem);
    if (service->paths.count == 0 && service->is_local &&
        !mcp_paths_allow_default(&service->paths, &problem))
        return fail(SERVER_EXIT_INPUT, &problem);
    return SERVER_EXIT_OK;
}

int server_serve(int argc, char **argv)
{
    struct server_serve_options options;
    int status;
    if (!server_serve_parse(argc, argv, &options, &status))
        return status;
    struct service service = {.options = &options};
    hold_standard_descriptors();
    allow_descriptors(&options.limits);
    status = find_state_folder(&service);
    if (status == SERVER_EXIT_OK)
        status = read_certificate(&service);
    if (status == SERVER_EXIT_OK)
        status = open_listeners(&service);
    if (status == SERVER_EXIT_OK)
        status = allow_folders(&service);
    if (status == SERVER_EXIT_OK)
        status = run(&service);
    close_all(&service);
    return status;
}
