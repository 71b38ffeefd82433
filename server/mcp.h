/* SPDX-License-Identifier: MIT
 *
 * The Model Context Protocol, whatever carries its messages: what comes in is JSON text, what goes
 * out too. Both eras are spoken, side by side: revisions 2024-11-05 to 2025-11-25, which begin with
 * "initialize", and 2026-07-28, whose every request says all that there is to know.
 *
 * Any thread may call. Nothing here waits for the disk or for a job: what may, runs in a thread of
 * its own.
 */
#ifndef SERVER_MCP_H
#define SERVER_MCP_H

#include <stdbool.h>
#include <stddef.h>

#include "server/mcp_backend.h"
#include "server/mcp_paths.h"

/* Bytes of one message at most. */
enum { SERVER_MCP_MAX_MESSAGE = 1 << 20 };

struct server_mcp;

/* `paths` is borrowed until server_mcp_free(). NULL without memory. */
struct server_mcp *server_mcp_create(const struct server_mcp_backend *backend,
                                     const struct mcp_paths *paths);

/* Calls in progress end soon, without an answer; their jobs go on. */
void server_mcp_stop(struct server_mcp *mcp);

/* Stops, and waits for the threads of the calls. All exchanges must
 * have been closed or left, and all clients released. NULL is allowed. */
void server_mcp_free(struct server_mcp *mcp);

/* Who settled on a revision by "initialize", and whose "notifications/cancelled" may end what: the
 * process at the other end of standard input, or a session of HTTP. */
struct server_mcp_client;

/* NULL without memory. */
struct server_mcp_client *server_mcp_client_create(struct server_mcp *mcp);
/* The same with a reference more. */
struct server_mcp_client *server_mcp_client_share(struct server_mcp_client *client);
/* Calls in progress go on. NULL is allowed. */
void server_mcp_client_release(struct server_mcp_client *client);
/* Ends all its calls in progress, which get no answer. */
void server_mcp_client_cancel_all(struct server_mcp_client *client);
/* Has it sent an "initialize" that was answered? */
bool server_mcp_client_is_initialized(struct server_mcp_client *client);

/* What HTTP says beside the message; header values, NULL where the header is missing. */
struct server_mcp_http {
    const char *protocol_version; /* MCP-Protocol-Version */
    const char *method;           /* Mcp-Method */
    const char *name;             /* Mcp-Name */
    const char *url_base;         /* "http://127.0.0.1:9998": goes before results' "/v1/..." */
};

enum server_mcp_reply_kind {
    SERVER_MCP_NOTIFICATION, /* more follows; only for requests that asked for progress */
    SERVER_MCP_ANSWER,       /* the last */
    SERVER_MCP_NOTHING       /* the last, and there is nothing to send */
};

struct server_mcp_reply {
    enum server_mcp_reply_kind kind;
    const char *text; /* JSON on one line, without a line feed; valid during the call only */
    size_t size;
    unsigned http_status; /* of an answer or nothing: 200, 202, 400, 404 */
};

/* Takes what the server sends, in any thread, during server_mcp_receive() too. One call at a time
 * for an exchange; must not call server_mcp_exchange_close(). */
typedef void server_mcp_deliver(void *opaque, const struct server_mcp_reply *reply);

/* A message that came in, until all that answers it is out. */
struct server_mcp_exchange;

/* Takes a message (or a batch of them) from a client. `http` is NULL on standard input, and read
 * during the call only. NULL without memory: nothing is delivered. The exchange is given back by
 * one of the two functions below. */
struct server_mcp_exchange *server_mcp_receive(struct server_mcp_client *client,
                                               const struct server_mcp_http *http, const char *text,
                                               size_t size, server_mcp_deliver *deliver,
                                               void *opaque);

/* The way back is gone, or all is delivered: when this returns nothing is delivered any more. A
 * call of revision 2026-07-28 that was in progress is cancelled with its job; one of an earlier
 * revision goes on, as those say. */
void server_mcp_exchange_close(struct server_mcp_exchange *exchange);

/* Deliveries go on until the last; nobody will close the exchange. */
void server_mcp_exchange_leave(struct server_mcp_exchange *exchange);

#endif
