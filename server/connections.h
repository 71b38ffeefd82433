/* SPDX-License-Identifier: MIT
 *
 * Clients that take their time on purpose: libmicrohttpd ends a connection on which nothing moves;
 * this ends one on which so little moves that a request never comes to its end.
 */
#ifndef SERVER_CONNECTIONS_H
#define SERVER_CONNECTIONS_H

#include <microhttpd.h>
#include <stdint.h>

struct server_connections;

/* NULL without memory. */
struct server_connections *server_connections_open(void);
/* When no connection is left. NULL is allowed. */
void server_connections_free(struct server_connections *connections);

/* For MHD_OPTION_NOTIFY_CONNECTION; `opaque` is the connections. */
void server_connections_notify(void *opaque, struct MHD_Connection *connection,
                               void **socket_context, enum MHD_ConnectionNotificationCode code);

/* A request's headers are there. Then each piece of its body; then the body's end. */
void server_connections_begin_request(struct server_connections *connections,
                                      struct MHD_Connection *connection, int64_t now_ms);
void server_connections_add_body(struct server_connections *connections,
                                 struct MHD_Connection *connection, uint64_t bytes);
void server_connections_end_body(struct server_connections *connections,
                                 struct MHD_Connection *connection);
/* The answer is out: the next request's headers may come. */
void server_connections_end_request(struct server_connections *connections,
                                    struct MHD_Connection *connection, int64_t now_ms);

/* Ends those that are too slow. */
void server_connections_end_slow(struct server_connections *connections, int64_t now_ms);

#endif
