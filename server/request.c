/* SPDX-License-Identifier: MIT */
#include "server/request.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/jobs_table.h"

enum {
    MAX_TEXT_BYTES = 1 << 20, /* of a JSON body */
    /* A refused body that is not longer is read and dropped before the answer: a client that is
     * still sending when the connection closes does not get to see the answer. */
    MAX_DRAINED_BYTES = 1 << 20
};

const char *server_request_header(const struct server_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *server_request_argument(const struct server_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* ---------------------------------------------------------------------------------- the client */

static void client_address(const struct server_request *request, char *text, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    snprintf(text, size, "local");
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
                  (socklen_t)size);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text,
                  (socklen_t)size);
}

static bool check_rate(struct server_request *request)
{
    char address[INET6_ADDRSTRLEN];
    int wait_s = 1;
    client_address(request, address, sizeof address);
    pthread_mutex_lock(&request->http->mutex);
    const bool allowed =
        server_rates_take(request->http->rates, address, server_monotonic_ms(), &wait_s);
    pthread_mutex_unlock(&request->http->mutex);
    return allowed ? true
                   : server_fail_for_now(&request->problem, 429, "too-many-requests", wait_s,
                                         "more than %u new jobs and uploads a minute (limit rate)",
                                         server_jobs_limits(request->http->jobs)->rate_per_min);
}

static struct server_credentials credentials_of(const struct server_request *request)
{
    return (struct server_credentials){
        .method = request->method,
        .host = server_request_header(request, "Host"),
        .origin = server_request_header(request, "Origin"),
        .fetch_site = server_request_header(request, "Sec-Fetch-Site"),
        .session_key = server_request_header(request, "X-Session-Key"),
        .authorization = server_request_header(request, "Authorization"),
        .cookie = server_request_header(request, "Cookie"),
    };
}

/* An EventSource can send no header of its own; nothing else takes the key from the address, which
 * ends up in histories and logs. */
static bool takes_query_key(const char *path)
{
    static const char events[] = "/events";
    const size_t length = strlen(path);
    return length >= sizeof events - 1 && strcmp(path + length - (sizeof events - 1), events) == 0;
}

/* ---------------------------------------------------------------------------------- admission --
 */

struct header_counts {
    unsigned hosts, lengths, encodings;
};

static enum MHD_Result count_header(void *opaque, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct header_counts *counts = opaque;
    (void)kind;
    (void)value;
    counts->hosts += strcasecmp(name, "Host") == 0;
    counts->lengths += strcasecmp(name, "Content-Length") == 0;
    counts->encodings += strcasecmp(name, "Transfer-Encoding") == 0;
    return MHD_YES;
}

/* A proxy in front may take another one of two than this server does, and then sees other requests
 * than it does: RFC 9112, sections 3.2 and 6.3. */
static bool is_unambiguous(struct server_request *request)
{
    struct header_counts counts = {0};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &counts);
    if (counts.hosts <= 1 && counts.lengths + counts.encodings <= 1)
        return true;
    return server_fail(&request->problem, 400, "bad-request", "the request has more than one %s",
                       counts.hosts > 1 ? "Host" : "Content-Length or Transfer-Encoding");
}

static bool find_route(struct server_request *request)
{
    const char *allow = NULL;
    request->route = server_route_find(request->method, request->url, request->id, &allow);
    if (request->route)
        return true;
    if (!allow)
        return server_fail(&request->problem, 404, "not-found", "there is nothing here");
    server_fail(&request->problem, 405, "method-not-allowed", "this path takes %s", allow);
    request->problem.allow = allow;
    return false;
}

/* The key is asked for before anything is said about paths; a browser's question what another page
 * may do, OPTIONS, comes without it. */
static bool admit(struct server_request *request)
{
    struct server_credentials credentials = credentials_of(request);
    bool is_foreign;
    if (takes_query_key(request->url))
        credentials.query_key = server_request_argument(request, "sk");
    if (!server_access_check_origin(request->http->access, &credentials, &is_foreign,
                                    &request->problem))
        return false;
    if (is_foreign)
        snprintf(request->origin, sizeof request->origin, "%s", credentials.origin);
    const bool found = find_route(request);
    if ((found && request->route->is_open) || strcmp(request->method, "OPTIONS") == 0)
        return found;
    const struct server_problem problem = request->problem;
    if (!server_access_check_key(request->http->access, &credentials, &request->problem))
        return false;
    request->problem = problem;
    return found;
}

/* One request at a time makes the job of a key. */
static bool claim_idempotency_key(struct server_request *request)
{
    const char *key = server_request_header(request, "Idempotency-Key");
    bool is_claimed = false;
    if (!key)
        return true;
    if (!*key || strlen(key) > 255)
        return server_fail(&request->problem, 400, "bad-argument",
                           "Idempotency-Key takes 1 to 255 characters");
    char *copy = strdup(key);
    if (!copy)
        return server_fail_memory(&request->problem);
    pthread_mutex_lock(&request->http->mutex);
    for (struct server_request *each = request->http->requests; each; each = each->next) {
        pthread_mutex_lock(&each->mutex);
        is_claimed = is_claimed || (each->idempotency_key && !each->worked &&
                                    strcmp(each->idempotency_key, key) == 0);
        pthread_mutex_unlock(&each->mutex);
    }
    if (!is_claimed)
        request->idempotency_key = copy;
    pthread_mutex_unlock(&request->http->mutex);
    if (!is_claimed)
        return true;
    free(copy);
    return server_fail_for_now(&request->problem, 409, "in-flight", 1,
                               "a request with this Idempotency-Key is on its way; wait for it");
}

static uint64_t announced_bytes(const struct server_request *request)
{
    const char *length = server_request_header(request, "Content-Length");
    return length ? strtoull(length, NULL, 10) : 0;
}

static bool begin_body(struct server_request *request)
{
    const struct server_limits *limits = server_jobs_limits(request->http->jobs);
    if (request->route->body == SERVER_BODY_NONE)
        return true;
    if (request->route->body == SERVER_BODY_JSON)
        return announced_bytes(request) <= MAX_TEXT_BYTES
                   ? true
                   : server_fail(&request->problem, 413, "body-too-large",
                                 "a body of JSON may have %d bytes", MAX_TEXT_BYTES);
    if (!claim_idempotency_key(request) || !check_rate(request))
        return false;
    /* A form has some bytes around the file. */
    if (announced_bytes(request) > limits->upload_bytes + MAX_DRAINED_BYTES)
        return server_fail(&request->problem, 413, "upload-too-large",
                           "the input is larger than %" PRIu64 " bytes (limit upload size)",
                           limits->upload_bytes);
    return server_upload_begin(&request->upload, request->http->jobs, request->connection,
                               server_request_header(request, "Idempotency-Key") != NULL,
                               &request->problem);
}

static bool has_body(const struct server_request *request)
{
    return announced_bytes(request) > 0 || server_request_header(request, "Transfer-Encoding");
}

enum MHD_Result server_request_begin(struct server_request *request)
{
    atomic_fetch_add(&request->http->n_requests, 1);
    const bool is_clear = is_unambiguous(request);
    request->refused = !is_clear || !admit(request) || !begin_body(request);
    if (!request->refused)
        return MHD_YES;
    atomic_fetch_add(&request->http->n_refused, 1);
    if (is_clear && has_body(request) && !server_request_header(request, "Expect") &&
        announced_bytes(request) > 0 && announced_bytes(request) <= MAX_DRAINED_BYTES)
        return MHD_YES;
    return server_answer_problem(request, &request->problem);
}

/* --------------------------------------------------------------------------------------- body --
 */

static bool take_text(struct server_request *request, const char *data, size_t size)
{
    if (request->text_bytes + size > MAX_TEXT_BYTES)
        return server_fail(&request->problem, 413, "body-too-large",
                           "a body of JSON may have %d bytes", MAX_TEXT_BYTES);
    char *text = realloc(request->text, request->text_bytes + size + 1);
    if (!text)
        return server_fail_memory(&request->problem);
    memcpy(text + request->text_bytes, data, size);
    request->text = text;
    request->text_bytes += size;
    text[request->text_bytes] = '\0';
    return true;
}

void server_request_take_body(struct server_request *request, const char *data, size_t size)
{
    if (request->refused)
        return;
    if (request->route->body == SERVER_BODY_FILE)
        request->refused = !server_upload_take(&request->upload, data, size, &request->problem);
    else if (request->route->body == SERVER_BODY_JSON)
        request->refused = !take_text(request, data, size);
}

enum MHD_Result server_request_handle(struct server_request *request)
{
    if (!request->refused && !request->body_done && request->route->body == SERVER_BODY_FILE)
        request->refused = !server_upload_end(&request->upload, &request->problem);
    request->body_done = true;
    return request->refused ? server_answer_problem(request, &request->problem)
                            : request->route->handle(request);
}
