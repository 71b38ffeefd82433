/* SPDX-License-Identifier: MIT */
#include "server/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/folder.h"

bool server_key_write(const char *path, const char *key, struct server_problem *problem)
{
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.new", path) < 0)
        return server_fail_memory(problem);
    unlink(temporary);
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool done = fd >= 0 && dprintf(fd, "%s\n", key) > 0 && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (done && rename(temporary, path) != 0) {
        reason = errno;
        done = false;
    }
    if (!done && fd >= 0)
        unlink(temporary);
    free(temporary);
    return done ? true : server_fail_errno(problem, reason, path);
}

static bool make(const char *path, char key[SERVER_MAX_KEY_SIZE], struct server_problem *problem)
{
    if (!server_random_hex(key, (SERVER_KEY_SIZE - 1) / 2))
        return server_fail(problem, 500, "internal", "the system gives no random numbers");
    return server_key_write(path, key, problem);
}

bool server_key_read(const char *path, char key[SERVER_MAX_KEY_SIZE],
                     struct server_problem *problem)
{
    struct stat about;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? make(path, key, problem) : server_fail_errno(problem, errno, path);
    char text[SERVER_MAX_KEY_SIZE + 1]; /* a key and the end of its line */
    const ssize_t length = read(fd, text, sizeof text - 1);
    const bool known = fstat(fd, &about) == 0;
    close(fd);
    if (!known || length < 0)
        return server_fail(problem, 500, "internal", "%s cannot be read", path);
    if (about.st_mode & 077)
        return server_fail(problem, 500, "internal",
                           "%s may be read by others than its owner; chmod 600 it", path);
    text[length] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    const size_t size = strlen(text);
    const bool is_key = size >= 16 && size < SERVER_MAX_KEY_SIZE;
    if (is_key)
        memcpy(key, text, size + 1);
    gnutls_memset(text, 0, sizeof text);
    return is_key ? true
                  : server_fail(problem, 500, "internal",
                                "%s holds no key: one line of 16 to %d characters", path,
                                SERVER_MAX_KEY_SIZE - 1);
}
