/* SPDX-License-Identifier: MIT */
#include "server/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RANDOM_BYTES = 64, MAX_DEPTH = 16 };

bool server_random_hex(char *text, size_t n_bytes)
{
    unsigned char bytes[MAX_RANDOM_BYTES];
    if (n_bytes > sizeof bytes || getrandom(bytes, n_bytes, 0) != (ssize_t)n_bytes)
        return false;
    for (size_t i = 0; i < n_bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

bool server_is_id(const char *text)
{
    return strlen(text) == SERVER_ID_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == SERVER_ID_SIZE - 1;
}

char *server_path_join(const char *first, ...)
{
    char *path = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&path, &size);
    if (!stream)
        return NULL;
    va_list parts;
    va_start(parts, first);
    fputs(first, stream);
    for (const char *part; (part = va_arg(parts, const char *));)
        fprintf(stream, "/%s", part);
    va_end(parts);
    if (fclose(stream) == 0)
        return path;
    free(path);
    return NULL;
}

bool server_folder_make(const char *path, struct server_problem *problem)
{
    char *copy = strdup(path);
    if (!copy)
        return server_fail_memory(problem);
    int reason = 0;
    for (char *end = copy + 1; !reason; end++) {
        if (*end != '/' && *end != '\0')
            continue;
        const bool is_last = *end == '\0';
        *end = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            reason = errno;
        if (is_last)
            break;
        *end = '/';
    }
    struct stat about;
    if (!reason && stat(copy, &about) == 0 && !S_ISDIR(about.st_mode))
        reason = ENOTDIR;
    free(copy);
    return reason ? server_fail_errno(problem, reason, path) : true;
}

bool server_folder_open(const char *path, int *lock_fd, struct server_problem *problem)
{
    static const char *const parts[] = {"incoming", "uploads", "jobs"};
    *lock_fd = -1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *part = server_path_join(path, parts[i], NULL);
        const bool made = part && server_folder_make(part, problem);
        free(part);
        if (!made)
            return part ? false : server_fail_memory(problem);
    }
    char *lock = server_path_join(path, "lock", NULL);
    if (!lock)
        return server_fail_memory(problem);
    const int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    const int reason = errno;
    free(lock);
    if (fd < 0)
        return server_fail_errno(problem, reason, path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return server_fail(problem, 500, "in-use",
                           "%s is used by another server; stop it, or give --state another folder",
                           path);
    }
    *lock_fd = fd;
    return true;
}

bool server_folder_sync(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool synced = fsync(fd) == 0 || errno == EINVAL;
    close(fd);
    return synced;
}

/* Calls `visit` for each name in the folder; a folder is visited after what is in it. */
static void walk(int folder_fd, unsigned depth,
                 void (*visit)(int folder_fd, const char *name, const struct stat *about,
                               void *opaque),
                 void *opaque)
{
    DIR *folder = fdopendir(folder_fd);
    if (!folder) {
        close(folder_fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(dirfd(folder), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(about.st_mode) && depth < MAX_DEPTH) {
            const int inner = openat(dirfd(folder), entry->d_name,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner >= 0)
                walk(inner, depth + 1, visit, opaque);
        }
        visit(dirfd(folder), entry->d_name, &about, opaque);
    }
    closedir(folder);
}

static void remove_entry(int folder_fd, const char *name, const struct stat *about, void *opaque)
{
    (void)opaque;
    unlinkat(folder_fd, name, S_ISDIR(about->st_mode) ? AT_REMOVEDIR : 0);
}

void server_folder_empty(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        walk(fd, 0, remove_entry, NULL);
}

void server_folder_remove(const char *path)
{
    server_folder_empty(path);
    if (rmdir(path) != 0)
        unlink(path);
}

void server_folder_keep(const char *path, bool (*wanted)(void *opaque, const char *name),
                        void *opaque)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            wanted(opaque, entry->d_name))
            continue;
        char *inner = server_path_join(path, entry->d_name, NULL);
        if (inner)
            server_folder_remove(inner);
        free(inner);
    }
    if (folder)
        closedir(folder);
}

static void add_bytes(int folder_fd, const char *name, const struct stat *about, void *opaque)
{
    (void)folder_fd;
    (void)name;
    if (S_ISREG(about->st_mode))
        *(uint64_t *)opaque += (uint64_t)about->st_size;
}

uint64_t server_folder_bytes(const char *path)
{
    uint64_t bytes = 0;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        walk(fd, 0, add_bytes, &bytes);
    return bytes;
}
