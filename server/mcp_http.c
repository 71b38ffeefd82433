/* SPDX-License-Identifier: MIT */
#include "server/mcp_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"
#include "server/jobs_table.h"
#include "server/mcp_jobs.h"
#include "server/mcp_sessions.h"

enum { BLOCK_BYTES = 8192, SILENCE_MS = 10000 };

#define SESSION_HEADER "Mcp-Session-Id"

struct server_mcp_service {
    struct server_mcp_jobs jobs;
    struct server_mcp *mcp;
    struct mcp_sessions *sessions;
};

/* A reply that waits to be sent. */
struct queued {
    struct queued *next;
    bool last;
    unsigned status;
    char *text; /* NULL: nothing is sent */
};

/* One POST. */
struct post {
    struct server_request *request;
    struct server_mcp_client *client;
    struct server_mcp_exchange *exchange;
    char session[SERVER_ID_SIZE]; /* a new one, to be told; "": none */
    bool takes_events;            /* the client reads streams */
    pthread_mutex_t mutex;        /* of the queue */
    struct queued *first, **end;
    /* Of the stream. */
    char *text;
    size_t size, sent;
    int64_t said_ms; /* monotonic */
    bool over;
};

struct server_mcp_service *server_mcp_service_open(struct server_jobs *jobs,
                                                   struct server_uploads *uploads,
                                                   const struct mcp_paths *paths)
{
    struct server_mcp_service *service = calloc(1, sizeof *service);
    if (!service)
        return NULL;
    service->jobs = (struct server_mcp_jobs){jobs, uploads};
    const struct server_mcp_backend backend = server_mcp_jobs_backend(&service->jobs);
    service->mcp = server_mcp_create(&backend, paths);
    service->sessions = mcp_sessions_open();
    if (service->mcp && service->sessions)
        return service;
    server_mcp_service_close(service);
    return NULL;
}

void server_mcp_service_stop(struct server_mcp_service *service)
{
    server_mcp_stop(service->mcp);
}

void server_mcp_service_close(struct server_mcp_service *service)
{
    if (!service)
        return;
    mcp_sessions_close(service->sessions);
    server_mcp_free(service->mcp);
    free(service);
}

/* --------------------------------------------------------------------------------------- queue --
 */

static void free_queued(struct queued *queued)
{
    if (queued)
        free(queued->text);
    free(queued);
}

/* A reply that finds no memory is lost; the connection then ends with the server's patience. */
static void deliver(void *opaque, const struct server_mcp_reply *reply)
{
    struct post *post = opaque;
    if (reply->kind == SERVER_MCP_NOTIFICATION && !post->takes_events)
        return;
    struct queued *queued = calloc(1, sizeof *queued);
    if (!queued)
        return;
    queued->last = reply->kind != SERVER_MCP_NOTIFICATION;
    queued->status = reply->http_status;
    queued->text = reply->text ? strdup(reply->text) : NULL;
    pthread_mutex_lock(&post->mutex);
    *post->end = queued;
    post->end = &queued->next;
    pthread_mutex_unlock(&post->mutex);
    server_request_wake(post->request);
}

/* The oldest reply; with `only_last` only if nothing follows it. NULL: none. */
static struct queued *take_reply(struct post *post, bool only_last)
{
    pthread_mutex_lock(&post->mutex);
    struct queued *queued = post->first;
    if (queued && only_last && !queued->last)
        queued = NULL;
    if (queued) {
        post->first = queued->next;
        if (!post->first)
            post->end = &post->first;
    }
    pthread_mutex_unlock(&post->mutex);
    return queued;
}

static bool has_reply(struct post *post)
{
    pthread_mutex_lock(&post->mutex);
    const bool has = post->first != NULL;
    pthread_mutex_unlock(&post->mutex);
    return has;
}

static void free_post(void *own)
{
    struct post *post = own;
    if (post->exchange)
        server_mcp_exchange_close(post->exchange);
    for (struct queued *queued; (queued = take_reply(post, false));)
        free_queued(queued);
    server_mcp_client_release(post->client);
    pthread_mutex_destroy(&post->mutex);
    free(post->text);
    free(post);
}

/* -------------------------------------------------------------------------------------- stream --
 */

static void set_text(struct post *post, char *text)
{
    free(post->text);
    post->text = text;
    post->size = text ? strlen(text) : 0;
    post->sent = 0;
    post->said_ms = server_monotonic_ms();
}

/* Finds something to send. False: the stream is over. *waits: there is nothing now. */
static bool fill(struct post *post, bool *waits)
{
    *waits = false;
    if (post->over || server_request_is_stopping(post->request))
        return false;
    struct queued *queued = take_reply(post, false);
    if (queued) {
        char *text = NULL;
        post->over = queued->last;
        if (queued->text && asprintf(&text, "event: message\ndata: %s\n\n", queued->text) < 0)
            text = NULL;
        free_queued(queued);
        set_text(post, text);
        return text || !post->over;
    }
    if (server_monotonic_ms() - post->said_ms >= SILENCE_MS)
        set_text(post, strdup(": still here\n\n"));
    else
        *waits = server_request_wait(post->request);
    return true;
}

static ssize_t read_stream(void *opaque, uint64_t position, char *buffer, size_t size)
{
    struct post *post = opaque;
    (void)position;
    bool waits = false;
    while (post->sent == post->size) {
        if (!fill(post, &waits))
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (waits)
            return 0;
    }
    size_t length = post->size - post->sent;
    if (length > size)
        length = size;
    memcpy(buffer, post->text + post->sent, length);
    post->sent += length;
    return (ssize_t)length;
}

static enum MHD_Result answer_stream(struct post *post)
{
    set_text(post, strdup(": here\n\n"));
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, post, NULL);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    return server_answer(post->request, 200, response);
}

/* ---------------------------------------------------------------------------------------- POST --
 */

static enum MHD_Result answer_text(struct post *post, unsigned status, const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        text ? strlen(text) : 0, (void *)text, MHD_RESPMEM_MUST_COPY);
    if (response && text)
        MHD_add_response_header(response, "Content-Type", "application/json");
    if (response && *post->session)
        MHD_add_response_header(response, SESSION_HEADER, post->session);
    return server_answer(post->request, status, response);
}

static enum MHD_Result answer_session_gone(struct server_request *request)
{
    server_fail(&request->problem, 404, "session-gone",
                "this session of the protocol has ended; begin with initialize again");
    return server_answer_problem(request, &request->problem);
}

/* "http://127.0.0.1:9998", as the client reaches this server. */
static void find_url_base(const struct server_request *request, char *text, size_t size)
{
    const char *host = server_request_header(request, "Host");
    const bool tls =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION) != NULL;
    snprintf(text, size, "http%s://%s", tls ? "s" : "", host ? host : "localhost");
}

static bool accepts_events(const struct server_request *request)
{
    const char *accept = server_request_header(request, "Accept");
    return accept && (strstr(accept, "text/event-stream") || strstr(accept, "*/*"));
}

/* Hands the message on. False without memory. */
static bool receive(struct post *post, struct server_mcp_service *service)
{
    struct server_request *request = post->request;
    char url_base[300];
    find_url_base(request, url_base, sizeof url_base);
    const struct server_mcp_http http = {.protocol_version =
                                             server_request_header(request, "MCP-Protocol-Version"),
                                         .method = server_request_header(request, "Mcp-Method"),
                                         .name = server_request_header(request, "Mcp-Name"),
                                         .url_base = url_base};
    const bool was_initialized = server_mcp_client_is_initialized(post->client);
    post->exchange = server_mcp_receive(post->client, &http, request->text ? request->text : "",
                                        request->text_bytes, deliver, post);
    if (post->exchange && !was_initialized && server_mcp_client_is_initialized(post->client) &&
        !mcp_sessions_add(service->sessions, post->client, post->session))
        *post->session = '\0';
    return post->exchange != NULL;
}

static struct post *make_post(struct server_request *request, struct server_mcp_client *client)
{
    struct post *post = calloc(1, sizeof *post);
    if (!post)
        return NULL;
    post->request = request;
    post->client = client;
    post->takes_events = accepts_events(request);
    post->end = &post->first;
    post->said_ms = server_monotonic_ms();
    pthread_mutex_init(&post->mutex, NULL);
    request->own = post;
    request->free_own = free_post;
    return post;
}

static enum MHD_Result go_on(struct post *post)
{
    do {
        struct queued *last = take_reply(post, true);
        if (last) {
            const enum MHD_Result answered = answer_text(post, last->status, last->text);
            free_queued(last);
            return answered;
        }
        /* A stream shows within a while that the client is gone; a silent wait would not. */
        if (has_reply(post) ||
            (post->takes_events && server_monotonic_ms() - post->said_ms >= SILENCE_MS))
            return answer_stream(post);
        if (server_request_is_stopping(post->request))
            return answer_text(post, 503, NULL);
    } while (!server_request_wait(post->request));
    return MHD_YES;
}

enum MHD_Result server_handle_mcp(struct server_request *request)
{
    struct server_mcp_service *service = request->http->mcp;
    if (request->own)
        return go_on(request->own);
    const char *session = server_request_header(request, SESSION_HEADER);
    struct server_mcp_client *client = session ? mcp_sessions_find(service->sessions, session)
                                               : server_mcp_client_create(service->mcp);
    if (session && !client)
        return answer_session_gone(request);
    struct post *post = client ? make_post(request, client) : NULL;
    if (!post)
        server_mcp_client_release(client);
    return post && receive(post, service) ? go_on(post) : MHD_NO;
}

enum MHD_Result server_handle_mcp_delete(struct server_request *request)
{
    const char *session = server_request_header(request, SESSION_HEADER);
    if (!session) {
        server_fail(&request->problem, 405, "method-not-allowed",
                    "DELETE ends a session, and there is no %s", SESSION_HEADER);
        request->problem.allow = "POST, OPTIONS";
        return server_answer_problem(request, &request->problem);
    }
    if (!mcp_sessions_remove(request->http->mcp->sessions, session))
        return answer_session_gone(request);
    return server_answer_empty(request, 204);
}
