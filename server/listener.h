/* SPDX-License-Identifier: MIT
 *
 * Sockets to listen on.
 */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "server/problem.h"

/* Is it 127.0.0.0/8, ::1 or "localhost"? */
bool server_listener_is_loopback(const char *address);

/* A TCP socket at the numeric address or the name, listening; *port gets the one that it has.
 * -1 with a problem. */
int server_listener_tcp(const char *address, unsigned *port, struct server_problem *problem);

/* A socket in the file system, mode 0600, in the place of one that nobody listens on any more. -1
 * with a problem. */
int server_listener_unix(const char *path, struct server_problem *problem);

/* The sockets that systemd has opened for this process (sd_listen_fds(3)), and their number, which
 * may be 0. False with a problem if there are more, or one is no listening socket. */
bool server_listener_inherited(int *fds, size_t maximum, size_t *found,
                               struct server_problem *problem);

/* Where a socket listens. */
struct server_listener_place {
    char address[256]; /* a number, or the path of a socket in the file system */
    unsigned port;     /* 0: it is no TCP socket */
    bool is_local;     /* other machines do not reach it */
};
void server_listener_where(int fd, struct server_listener_place *place);

#endif
