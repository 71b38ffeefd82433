/* SPDX-License-Identifier: MIT */
#include "server/connections.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "server/jobs_table.h"

enum {
    HEADERS_MS = 30000,      /* for a request's headers, from the connection's or the last answer */
    BODY_GRACE_MS = 30000,   /* before the rate of a body counts */
    BODY_BYTES_PER_S = 1000, /* on average */
};

enum phase { PHASE_HEADERS, PHASE_BODY, PHASE_ANSWER };

struct connection {
    struct connection *next, *previous;
    int fd;
    enum phase phase;
    int64_t since_ms; /* monotonic */
    uint64_t body_bytes;
};

struct server_connections {
    pthread_mutex_t mutex;
    struct connection *first;
};

struct server_connections *server_connections_open(void)
{
    struct server_connections *connections = calloc(1, sizeof *connections);
    if (connections)
        pthread_mutex_init(&connections->mutex, NULL);
    return connections;
}

void server_connections_free(struct server_connections *connections)
{
    if (!connections)
        return;
    pthread_mutex_destroy(&connections->mutex);
    free(connections);
}

static void add(struct server_connections *connections, struct connection *connection)
{
    pthread_mutex_lock(&connections->mutex);
    connection->next = connections->first;
    if (connection->next)
        connection->next->previous = connection;
    connections->first = connection;
    pthread_mutex_unlock(&connections->mutex);
}

/* Before its descriptor is closed, and may be another's. */
static void take_out(struct server_connections *connections, struct connection *connection)
{
    pthread_mutex_lock(&connections->mutex);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        connections->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    pthread_mutex_unlock(&connections->mutex);
    free(connection);
}

void server_connections_notify(void *opaque, struct MHD_Connection *connection,
                               void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    struct server_connections *connections = opaque;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context)
            take_out(connections, *socket_context);
        *socket_context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *made = calloc(1, sizeof *made);
    *socket_context = made;
    if (!made)
        return;
    made->fd = info ? info->connect_fd : -1;
    made->since_ms = server_monotonic_ms();
    add(connections, made);
}

static struct connection *find(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void set(struct server_connections *connections, struct MHD_Connection *connection,
                enum phase phase, int64_t now_ms)
{
    struct connection *found = find(connection);
    if (!found)
        return;
    pthread_mutex_lock(&connections->mutex);
    found->phase = phase;
    found->since_ms = now_ms;
    found->body_bytes = 0;
    pthread_mutex_unlock(&connections->mutex);
}

void server_connections_begin_request(struct server_connections *connections,
                                      struct MHD_Connection *connection, int64_t now_ms)
{
    set(connections, connection, PHASE_BODY, now_ms);
}

void server_connections_add_body(struct server_connections *connections,
                                 struct MHD_Connection *connection, uint64_t bytes)
{
    struct connection *found = find(connection);
    if (!found)
        return;
    pthread_mutex_lock(&connections->mutex);
    found->body_bytes += bytes;
    pthread_mutex_unlock(&connections->mutex);
}

void server_connections_end_body(struct server_connections *connections,
                                 struct MHD_Connection *connection)
{
    set(connections, connection, PHASE_ANSWER, 0);
}

void server_connections_end_request(struct server_connections *connections,
                                    struct MHD_Connection *connection, int64_t now_ms)
{
    set(connections, connection, PHASE_HEADERS, now_ms);
}

static bool is_slow(const struct connection *connection, int64_t now_ms)
{
    const int64_t elapsed_ms = now_ms - connection->since_ms;
    switch (connection->phase) {
    case PHASE_HEADERS:
        return elapsed_ms > HEADERS_MS;
    case PHASE_BODY:
        return elapsed_ms > BODY_GRACE_MS &&
               connection->body_bytes < (uint64_t)elapsed_ms * BODY_BYTES_PER_S / 1000;
    case PHASE_ANSWER:
        break;
    }
    return false;
}

void server_connections_end_slow(struct server_connections *connections, int64_t now_ms)
{
    pthread_mutex_lock(&connections->mutex);
    for (struct connection *each = connections->first; each; each = each->next)
        if (is_slow(each, now_ms) && each->fd >= 0)
            shutdown(each->fd, SHUT_RDWR);
    pthread_mutex_unlock(&connections->mutex);
}
