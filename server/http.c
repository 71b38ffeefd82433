/* SPDX-License-Identifier: MIT */
#include "server/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/handlers.h"
#include "server/jobs_table.h"
#include "server/request.h"

enum {
    POOL_THREADS = 4,
    IDLE_TIMEOUT_S = 30,         /* of a connection on which nothing moves */
    CONNECTION_BYTES = 64 << 10, /* for a request's headers; also the size of a body's pieces */
    TICK_S = 5,                  /* between two looks at all connections and streams */
    BACKLOG = 256,
    LAST_WORDS_S = 1 /* for answers that are on their way when the server stops */
};

/* Older ones are broken (RFC 8996), and GnuTLS still speaks them. */
#define TLS_VERSIONS "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"

/* ------------------------------------------------------------------------------------- ticker --
 */

/* Wakes all that wait, so that streams say that they are alive and notice clients that are not. */
static void wake_all(struct server_http *http)
{
    pthread_mutex_lock(&http->mutex);
    for (struct server_request *each = http->requests; each; each = each->next)
        server_request_wake(each);
    pthread_mutex_unlock(&http->mutex);
}

static void *tick(void *opaque)
{
    struct server_http *http = opaque;
    pthread_mutex_lock(&http->mutex);
    while (!http->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TICK_S;
        pthread_cond_timedwait(&http->ticked, &http->mutex, &until);
        pthread_mutex_unlock(&http->mutex);
        server_connections_end_slow(http->connections, server_monotonic_ms());
        wake_all(http);
        server_uploads_expire(http->uploads);
        pthread_mutex_lock(&http->mutex);
    }
    pthread_mutex_unlock(&http->mutex);
    return NULL;
}

/* ------------------------------------------------------------------------------------- waiting --
 */

bool server_request_is_stopping(const struct server_request *request)
{
    struct server_http *http = request->http;
    pthread_mutex_lock(&http->mutex);
    const bool stopping = http->stopping;
    pthread_mutex_unlock(&http->mutex);
    return stopping;
}

bool server_request_wait(struct server_request *request)
{
    const bool stopping = server_request_is_stopping(request);
    pthread_mutex_lock(&request->mutex);
    const bool waits = !request->woken && (!stopping || request->working);
    request->woken = false;
    if (waits) {
        request->suspended = true;
        MHD_suspend_connection(request->connection);
    }
    pthread_mutex_unlock(&request->mutex);
    return waits;
}

/* With the request's mutex held. */
static void resume(struct server_request *request)
{
    if (request->suspended && !request->working) {
        request->suspended = false;
        MHD_resume_connection(request->connection);
    } else {
        request->woken = true;
    }
}

void server_request_wake(struct server_request *request)
{
    pthread_mutex_lock(&request->mutex);
    resume(request);
    pthread_mutex_unlock(&request->mutex);
}

/* A request that is resumed may be answered and freed before this thread goes on: the list's mutex,
 * without which none is freed, is held until the last look at it. */
static void finish_work(struct server_request *request)
{
    struct server_http *http = request->http;
    pthread_mutex_lock(&http->mutex);
    pthread_mutex_lock(&request->mutex);
    request->working = false;
    request->worked = true;
    resume(request);
    pthread_mutex_unlock(&request->mutex);
    pthread_mutex_unlock(&http->mutex);
}

static void run_work(void *opaque)
{
    struct server_request *request = opaque;
    request->work(request);
    finish_work(request);
}

bool server_request_work(struct server_request *request,
                         void (*work)(struct server_request *request))
{
    if (request->worked)
        return true;
    pthread_mutex_lock(&request->mutex);
    request->work = work;
    request->working = true;
    request->suspended = true;
    MHD_suspend_connection(request->connection);
    pthread_mutex_unlock(&request->mutex);
    if (server_pool_add(request->http->pool, run_work, request))
        return false;
    server_fail_for_now(&request->problem, 503, "stopping", 30, "the server is being stopped");
    finish_work(request);
    return false;
}

/* ------------------------------------------------------------------------------------ requests */

static void free_request(struct server_request *request)
{
    struct server_http *http = request->http;
    pthread_mutex_lock(&http->mutex);
    if (request->previous)
        request->previous->next = request->next;
    else
        http->requests = request->next;
    if (request->next)
        request->next->previous = request->previous;
    if (http->stopping)
        pthread_cond_broadcast(&http->ticked);
    pthread_mutex_unlock(&http->mutex);
    if (request->free_own)
        request->free_own(request->own);
    server_upload_free(&request->upload);
    /* Whoever woke it may still be on his way out of the lock. */
    pthread_mutex_lock(&request->mutex);
    pthread_mutex_unlock(&request->mutex);
    pthread_mutex_destroy(&request->mutex);
    free(request->text);
    free(request->idempotency_key);
    free((char *)request->url);
    free((char *)request->method);
    free(request);
}

static struct server_request *make_request(struct server_http *http,
                                           struct MHD_Connection *connection, const char *method,
                                           const char *url)
{
    struct server_request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->http = http;
    request->connection = connection;
    request->method = strdup(method);
    request->url = strdup(url);
    pthread_mutex_init(&request->mutex, NULL);
    pthread_mutex_lock(&http->mutex);
    request->next = http->requests;
    if (request->next)
        request->next->previous = request;
    http->requests = request;
    pthread_mutex_unlock(&http->mutex);
    if (request->method && request->url)
        return request;
    free_request(request);
    return NULL;
}

static enum MHD_Result take_request(void *opaque, struct MHD_Connection *connection,
                                    const char *url, const char *method, const char *version,
                                    const char *data, size_t *size, void **own)
{
    struct server_http *http = opaque;
    struct server_request *request = *own;
    (void)version;
    if (!request) {
        server_connections_begin_request(http->connections, connection, server_monotonic_ms());
        request = *own = make_request(http, connection, method, url);
        return request ? server_request_begin(request) : MHD_NO;
    }
    if (*size > 0) {
        server_connections_add_body(http->connections, connection, *size);
        server_request_take_body(request, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (!request->body_done)
        server_connections_end_body(http->connections, connection);
    return server_request_handle(request);
}

static void end_request(void *opaque, struct MHD_Connection *connection, void **own,
                        enum MHD_RequestTerminationCode code)
{
    struct server_http *http = opaque;
    (void)code;
    server_connections_end_request(http->connections, connection, server_monotonic_ms());
    if (*own)
        free_request(*own);
    *own = NULL;
}

/* -------------------------------------------------------------------------- opening and closing */

/* libmicrohttpd ends the process over what it takes for a fault of its own; at least say which. */
static void panic(void *opaque, const char *file, unsigned line, const char *reason)
{
    (void)opaque;
    fprintf(stderr, "pipersr: libmicrohttpd: %s:%u: %s\n", file, line, reason);
    abort();
}

static void drop_log(void *opaque, const char *format, va_list arguments)
{
    (void)opaque;
    (void)format;
    (void)arguments;
}

static bool start_daemon(struct server_http *http, const struct server_http_settings *settings,
                         int listener, struct server_problem *problem)
{
    const struct server_limits *limits = server_jobs_limits(http->jobs);
    unsigned flags = MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ITC | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)settings->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)settings->private_key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_VERSIONS},
        {MHD_OPTION_END, 0, NULL},
    };
    if (settings->certificate)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, take_request, http, MHD_OPTION_EXTERNAL_LOGGER, drop_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_COMPLETED, end_request, http,
        MHD_OPTION_NOTIFY_CONNECTION, server_connections_notify, http->connections,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)limits->connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)limits->client_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)BACKLOG,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (!daemon)
        return server_fail(problem, 500, "internal",
                           settings->certificate
                               ? "the server cannot be started; are certificate and key a pair?"
                               : "the server cannot be started");
    http->daemons[http->n_daemons++] = daemon;
    return true;
}

static bool start_ticker(struct server_http *http)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&http->ticked, &monotonic);
    pthread_condattr_destroy(&monotonic);
    http->ticker_runs = pthread_create(&http->ticker, NULL, tick, http) == 0;
    return http->ticker_runs;
}

bool server_http_open(const struct server_http_settings *settings, struct server_http **opened,
                      struct server_problem *problem)
{
    struct server_http *http = calloc(1, sizeof *http);
    *opened = NULL;
    MHD_set_panic_func(panic, NULL);
    if (!http)
        return server_fail_memory(problem);
    http->jobs = settings->jobs;
    http->access = settings->access;
    http->has_tls = settings->certificate != NULL;
    http->started_ms = server_monotonic_ms();
    pthread_mutex_init(&http->mutex, NULL);
    http->pool = server_pool_open(POOL_THREADS);
    http->rates = server_rates_open(server_jobs_limits(http->jobs)->rate_per_min);
    http->connections = server_connections_open();
    http->uploads = server_uploads_open(http->jobs, problem);
    bool done = http->uploads != NULL;
    if (done)
        http->mcp = server_mcp_service_open(http->jobs, http->uploads, settings->paths);
    if (done && !(http->connections && start_ticker(http) && http->pool && http->rates &&
                  http->mcp && server_service_prepare(http)))
        done = server_fail_memory(problem);
    for (size_t i = 0; done && i < settings->n_listeners; i++)
        done = start_daemon(http, settings, settings->listeners[i], problem);
    if (done)
        *opened = http;
    else
        server_http_close(http);
    return done;
}

/* Streams say that they end, which libmicrohttpd would not do for them: it cuts what it finds. */
static void wait_for_last_words(struct server_http *http)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LAST_WORDS_S;
    pthread_mutex_lock(&http->mutex);
    while (http->requests &&
           pthread_cond_timedwait(&http->ticked, &http->mutex, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&http->mutex);
}

void server_http_close(struct server_http *http)
{
    if (!http)
        return;
    for (size_t i = 0; i < http->n_daemons; i++)
        MHD_quiesce_daemon(http->daemons[i]);
    /* What is being worked on is answered; what waits is woken and then finds the server stopping.
     */
    server_pool_end(http->pool);
    if (http->mcp)
        server_mcp_service_stop(http->mcp);
    pthread_mutex_lock(&http->mutex);
    http->stopping = true;
    if (http->ticker_runs)
        pthread_cond_broadcast(&http->ticked);
    pthread_mutex_unlock(&http->mutex);
    wake_all(http);
    if (http->ticker_runs) {
        pthread_join(http->ticker, NULL);
        wait_for_last_words(http);
    }
    for (size_t i = 0; i < http->n_daemons; i++)
        MHD_stop_daemon(http->daemons[i]);
    if (http->ticker_runs)
        pthread_cond_destroy(&http->ticked);
    server_mcp_service_close(http->mcp);
    server_pool_free(http->pool);
    server_rates_free(http->rates);
    server_uploads_close(http->uploads);
    server_connections_free(http->connections);
    free(http->models);
    pthread_mutex_destroy(&http->mutex);
    free(http);
}
