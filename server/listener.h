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

/* The sockets that systemd has opened for this process (sd_listen_fds(3)); their number. */
size_t server_listener_inherited(int *fds, size_t maximum);

#endif
