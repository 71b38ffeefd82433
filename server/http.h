/* SPDX-License-Identifier: MIT
 *
 * The HTTP server: one thread of libmicrohttpd's serves all connections by epoll. A handler that
 * has to wait - for the disk, for a job - suspends its request and is called again when somebody
 * wakes it; so a slow client or a slow disk holds nobody else up.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/access.h"
#include "server/connections.h"
#include "server/jobs.h"
#include "server/mcp_http.h"
#include "server/pool.h"
#include "server/rate.h"
#include "server/upload.h"
#include "server/uploads.h"

enum { SERVER_MAX_LISTENERS = 8 };

struct server_http_settings {
    struct server_jobs *jobs;      /* outlives the server */
    struct server_access *access;  /* the same */
    const struct mcp_paths *paths; /* the same: folders that MCP clients may use */
    const int *listeners;          /* listening sockets; they become the server's */
    size_t n_listeners;
    const char *certificate, *private_key; /* PEM texts; NULL: no TLS */
};

struct server_request;

/* What a path means. */
struct server_route {
    const char *method; /* "GET" is for HEAD too */
    const char *path;   /* "{id}" stands for the id of a job or an upload */
    enum { SERVER_BODY_NONE, SERVER_BODY_FILE, SERVER_BODY_JSON } body;
    bool is_open; /* to those without the key */
    /* Called when the body is there, and again after each wake: it queues a response or suspends
     * the request. */
    enum MHD_Result (*handle)(struct server_request *request);
};

struct server_http {
    struct server_jobs *jobs;
    struct server_access *access;
    struct server_pool *pool;
    struct server_rates *rates;
    struct server_uploads *uploads;
    struct server_mcp_service *mcp;
    struct server_connections *connections;
    bool has_tls;
    struct MHD_Daemon *daemons[SERVER_MAX_LISTENERS];
    size_t n_daemons;
    int64_t started_ms; /* monotonic */
    const char *isa;    /* that jobs run on */
    char *models;       /* the answer to /v1/models */
    pthread_t ticker;
    bool ticker_runs;
    atomic_uint_fast64_t n_requests, n_refused;
    atomic_uint n_previews; /* that are being made */

    pthread_mutex_t mutex;           /* of everything below */
    pthread_cond_t ticked;           /* also when a request has ended */
    struct server_request *requests; /* all that have not ended */
    bool stopping;
};

struct server_request {
    struct server_http *http;
    struct MHD_Connection *connection;
    const char *method, *url; /* as long as the request lives */
    const struct server_route *route;
    char id[SERVER_ID_SIZE];
    bool started, refused, body_done;
    struct server_problem problem; /* of a refused one */
    char *idempotency_key;         /* NULL: none */
    char origin[256];              /* that may read the answer; "": none but our own page */
    struct server_upload upload;   /* of SERVER_BODY_FILE */
    char *text;                    /* of SERVER_BODY_JSON, with a 0 at its end */
    size_t text_bytes;
    void *own;                   /* a handler's, */
    void (*free_own)(void *own); /* and how to free it */

    struct server_request *next, *previous; /* http->requests */
    pthread_mutex_t mutex;
    bool suspended, woken;
    bool working, worked; /* for server_request_work() */
    void (*work)(struct server_request *request);
};

/* Starts to listen. False with a problem. */
bool server_http_open(const struct server_http_settings *settings, struct server_http **http,
                      struct server_problem *problem);

/* Answers what is being worked on, ends streams, closes all connections. NULL is allowed. */
void server_http_close(struct server_http *http);

/* ----------------------------------------------------------------------- waiting in a handler --
 */

/* Suspends the request until somebody wakes it. Returns at once; the caller returns, too. False
 * where it was woken already, or the server stops: then look again, and answer. */
bool server_request_wait(struct server_request *request);

/* Any thread, any number of times, as long as the request lives. */
void server_request_wake(struct server_request *request);

bool server_request_is_stopping(const struct server_request *request);

/* True once `work` has run, in another thread. Until then it has started it and suspended the
 * request, so the handler returns MHD_YES and is called again. `work` fills request->own or
 * request->problem. */
bool server_request_work(struct server_request *request,
                         void (*work)(struct server_request *request));

/* ------------------------------------------------------------------------------------ answers --
 */

/* Each queues a response. The JSON's reference is taken; NULL: out of memory. */
enum MHD_Result server_answer_json(struct server_request *request, unsigned status, json_t *body);
enum MHD_Result server_answer_problem(struct server_request *request,
                                      const struct server_problem *problem);
enum MHD_Result server_answer_text(struct server_request *request, unsigned status,
                                   const char *content_type, const char *text);
enum MHD_Result server_answer_empty(struct server_request *request, unsigned status);
/* Takes the response over, and adds what all answers have. */
enum MHD_Result server_answer(struct server_request *request, unsigned status,
                              struct MHD_Response *response);

/* A header of the request or an argument of its query; NULL: none. */
const char *server_request_header(const struct server_request *request, const char *name);
const char *server_request_argument(const struct server_request *request, const char *name);

#endif
