/* SPDX-License-Identifier: MIT */
#include "server/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 256, FIRST_INHERITED = 3 };

bool server_listener_is_loopback(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, address, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, address, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return strcmp(address, "localhost") == 0;
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static int listen_at(const struct addrinfo *where)
{
    const int one = 1;
    const int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, where->ai_addr, where->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    const int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

int server_listener_tcp(const char *address, unsigned *port, struct server_problem *problem)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *where = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", *port);
    const int failure = getaddrinfo(address, service, &hints, &where);
    if (failure) {
        server_fail(problem, 500, "internal", "--listen %s: %s", address, gai_strerror(failure));
        return -1;
    }
    const int fd = listen_at(where);
    if (fd >= 0)
        *port = port_of(fd);
    else
        server_fail(problem, 500, "internal", "cannot listen on %s port %u: %s", address, *port,
                    strerror(errno));
    freeaddrinfo(where);
    return fd;
}

/* A server that was killed leaves its socket behind. */
static void remove_stale(const struct sockaddr_un *address)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat about;
    if (fd < 0)
        return;
    if (lstat(address->sun_path, &about) == 0 && S_ISSOCK(about.st_mode) &&
        connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

int server_listener_unix(const char *path, struct server_problem *problem)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        server_fail(problem, 500, "internal", "--unix %s: the path is too long", path);
        return -1;
    }
    strcpy(address.sun_path, path);
    remove_stale(&address);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* No one else may connect, from the first moment on. */
    const mode_t mask = umask(0177);
    const bool listens = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                         listen(fd, BACKLOG) == 0;
    const int reason = errno;
    umask(mask);
    if (listens)
        return fd;
    server_fail(problem, 500, "internal", "cannot listen on %s: %s", path, strerror(reason));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A socket on which clients can be waited for, of a family that the rest knows. */
static bool is_usable(int fd)
{
    int type = 0, listens = 0, family = 0;
    socklen_t size = sizeof(int);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
           (family == AF_INET || family == AF_INET6 || family == AF_UNIX);
}

static void forget_environment(void)
{
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

bool server_listener_inherited(int *fds, size_t maximum, size_t *found,
                               struct server_problem *problem)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    *found = 0;
    if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid())
        return true;
    const long n = strtol(count, NULL, 10);
    forget_environment();
    if (n < 0 || (size_t)n > maximum)
        return server_fail(problem, 500, "internal", "LISTEN_FDS is %ld, not 0 to %zu", n, maximum);
    for (long i = 0; i < n; i++) {
        const int fd = FIRST_INHERITED + (int)i;
        if (!is_usable(fd) || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
            fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
            return server_fail(problem, 500, "internal",
                               "descriptor %d is no listening socket; systemd's unit has to say "
                               "ListenStream and Accept=no",
                               fd);
        fds[(*found)++] = fd;
    }
    return true;
}

void server_listener_where(int fd, struct server_listener_place *place)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    *place = (struct server_listener_place){"", 0, false};
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return;
    if (address.ss_family == AF_UNIX) {
        const struct sockaddr_un *local = (const void *)&address;
        /* One of no path is of Linux' abstract names. */
        snprintf(place->address, sizeof place->address, "%.*s", (int)sizeof local->sun_path,
                 local->sun_path);
        place->is_local = true;
        return;
    }
    const void *number = address.ss_family == AF_INET6
                             ? (const void *)&((struct sockaddr_in6 *)&address)->sin6_addr
                             : (const void *)&((struct sockaddr_in *)&address)->sin_addr;
    inet_ntop(address.ss_family, number, place->address, sizeof place->address);
    place->port = port_of(fd);
    place->is_local = server_listener_is_loopback(place->address);
}
