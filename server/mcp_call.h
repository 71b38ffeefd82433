/* SPDX-License-Identifier: MIT
 *
 * Inside server/mcp: exchanges, clients and the calls that are in progress, each in its thread.
 */
#ifndef SERVER_MCP_CALL_H
#define SERVER_MCP_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/mcp.h"
#include "server/mcp_message.h"
#include "server/mcp_schema.h"

/* In one thread for each call in progress: more would take too many threads. */
enum { MCP_MAX_CALLS = 200 };

struct server_mcp {
    struct server_mcp_backend backend;
    const struct mcp_paths *paths;
    pthread_mutex_t mutex;
    pthread_cond_t idle; /* n_calls fell */
    size_t n_calls;
    atomic_bool stopping;
};

struct server_mcp_client {
    struct server_mcp *mcp;
    atomic_size_t references;
    pthread_mutex_t mutex;
    const char *version; /* settled on by "initialize", a constant; NULL: none yet */
    struct mcp_call *calls;
};

struct server_mcp_exchange {
    struct server_mcp_client *client;
    atomic_size_t references;
    pthread_mutex_t mutex; /* of all below, and held while something is delivered */
    server_mcp_deliver *deliver;
    void *opaque;
    bool closed;
    size_t pending;  /* requests without an answer */
    json_t *batch;   /* answers so far; NULL: the message is no batch */
    unsigned status; /* of HTTP, where nothing is sent */
};

/* How a request is to be understood and answered. */
struct mcp_dialect {
    bool modern;     /* 2026-07-28 */
    bool structured; /* 2025-06-18 or later */
    bool http;
    bool tasks; /* the client knows the extension io.modelcontextprotocol/tasks */
};

/* A request in progress. Owns its copies. */
struct mcp_call {
    struct mcp_call *next; /* of the client */
    struct server_mcp_exchange *exchange;
    struct mcp_dialect dialect;
    json_t *id, *params;
    json_t *progress_token; /* NULL: no progress is wanted */
    char *url_base;         /* NULL: none */
    enum mcp_tool tool;
    json_t *(*run)(struct mcp_call *call);
    atomic_bool cancelled;
};

/* Runs `run` in a thread of its own and answers with the message that it returns, or if the call
 * was cancelled not at all. False if too many run already, or without memory. */
bool mcp_call_start(struct server_mcp_exchange *exchange, const struct mcp_dialect *dialect,
                    const struct mcp_message *message, const char *url_base, enum mcp_tool tool,
                    json_t *(*run)(struct mcp_call *call));

/* Cancels the client's call with this id. */
void mcp_call_cancel(struct server_mcp_client *client, const json_t *id);

/* Has the client cancelled it? */
bool mcp_call_is_cancelled(const struct mcp_call *call);

/* Is it cancelled, or does the service stop? Then nobody waits for it. */
bool mcp_call_is_over(const struct mcp_call *call);

/* A message on the way to the answer. `notification` is taken over. */
void mcp_call_notify(struct mcp_call *call, json_t *notification);

/* The answer to one request of the exchange, taken over; NULL: it gets none. */
void mcp_exchange_answer(struct server_mcp_exchange *exchange, json_t *answer, unsigned status);

/* The status of HTTP for an answer in this dialect. */
unsigned mcp_http_status(const struct mcp_dialect *dialect, const json_t *answer);

/* A result with what every result of the dialect has. `result` is taken over. */
json_t *mcp_answer(const struct mcp_dialect *dialect, const json_t *id, json_t *result);

#endif
