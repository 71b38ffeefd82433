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
    const bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    const int reason = errno;
    umask(mask);
    if (bound && listen(fd, BACKLOG) == 0)
        return fd;
    server_fail(problem, 500, "internal", "cannot listen on %s: %s", path, strerror(reason));
    if (fd >= 0)
        close(fd);
    return -1;
}

size_t server_listener_inherited(int *fds, size_t maximum)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    const long n = strtol(count, NULL, 10);
    size_t found = 0;
    for (long i = 0; i < n && found < maximum; i++) {
        const int fd = FIRST_INHERITED + (int)i;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
            fds[found++] = fd;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    return found;
}
