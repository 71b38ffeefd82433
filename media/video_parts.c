/* SPDX-License-Identifier: MIT */
#include "media/video_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/output.h"

enum { MAX_TEXT_BYTES = 1 << 28 };

static const char manifest_name[] = "manifest.json";

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

/* A new folder's name must be on the disk before anything in it counts as kept. */
static void sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL   ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    int fd = parent != NULL ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    free(parent);
}

static enum media_status make_folder(const char *path, struct media_error *error)
{
    if (mkdir(path, 0777) == 0) {
        sync_parent(path);
        return MEDIA_OK;
    }
    if (errno == EEXIST) {
        return MEDIA_OK;
    }
    return media_fail(error, MEDIA_ERROR_OUTPUT, "cannot make the folder '%s': %s", path,
                      strerror(errno));
}

static enum media_status lock_folder(const struct media_parts *parts, enum media_parts_lock lock,
                                     struct media_error *error)
{
    int operation = lock == MEDIA_PARTS_EXCLUSIVE ? LOCK_EX : LOCK_SH;
    /* Some network file systems have no locks: there it is up to the user. */
    if (flock(parts->fd, operation | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
        return MEDIA_OK;
    }
    return media_fail(error, MEDIA_ERROR_OUTPUT, "another process is at work in '%s'", parts->path);
}

enum media_status media_parts_open(struct media_parts *parts, const char *path, bool create,
                                   enum media_parts_lock lock, struct media_error *error)
{
    *parts = (struct media_parts){.fd = -1};
    enum media_status status = create ? make_folder(path, error) : MEDIA_OK;
    if (status != MEDIA_OK) {
        return status;
    }
    parts->path = strdup(path);
    if (parts->path == NULL) {
        return fail_memory(error);
    }
    /* One slash at the end is as good as none. */
    size_t length = strlen(parts->path);
    if (length > 1 && parts->path[length - 1] == '/') {
        parts->path[length - 1] = '\0';
    }
    parts->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parts->fd < 0) {
        return media_fail(error, create ? MEDIA_ERROR_OUTPUT : MEDIA_ERROR_INPUT,
                          "cannot open the folder '%s': %s", path, strerror(errno));
    }
    return lock_folder(parts, lock, error);
}

void media_parts_close(struct media_parts *parts)
{
    if (parts->path != NULL && parts->fd >= 0) {
        close(parts->fd);
    }
    free(parts->path);
    *parts = (struct media_parts){.fd = -1};
}

void media_parts_segment_name(char name[MEDIA_PARTS_NAME_BYTES], uint64_t number,
                              const char *extension)
{
    snprintf(name, MEDIA_PARTS_NAME_BYTES, "%06" PRIu64 ".%s", number, extension);
}

char *media_parts_file(const struct media_parts *parts, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", parts->path, name) >= 0 ? path : NULL;
}

bool media_parts_has(const struct media_parts *parts, const char *name)
{
    return faccessat(parts->fd, name, F_OK, 0) == 0;
}

enum media_status media_parts_sync(const struct media_parts *parts, struct media_error *error)
{
    if (fsync(parts->fd) == 0 || errno == EINVAL || errno == ENOSYS) {
        return MEDIA_OK;
    }
    return media_fail(error, MEDIA_ERROR_OUTPUT, "cannot write to '%s': %s", parts->path,
                      strerror(errno));
}

static enum media_status write_all(const char *path, const char *text, struct media_error *error)
{
    size_t left = strlen(text);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    int reason = fd < 0 ? errno : 0;
    while (reason == 0 && left > 0) {
        ssize_t n_written = write(fd, text, left);
        if (n_written >= 0) {
            text += n_written;
            left -= (size_t)n_written;
        } else if (errno != EINTR) {
            reason = errno;
        }
    }
    if (fd >= 0 && close(fd) != 0 && reason == 0) {
        reason = errno;
    }
    return reason == 0 ? MEDIA_OK
                       : media_fail(error, MEDIA_ERROR_OUTPUT, "cannot write '%s': %s", path,
                                    strerror(reason));
}

enum media_status media_parts_write(const struct media_parts *parts, const char *name,
                                    const char *text, struct media_error *error)
{
    struct media_output output = {0};
    char *path = media_parts_file(parts, name);
    enum media_status status =
        path != NULL ? media_output_begin(&output, path, true, error) : fail_memory(error);
    free(path);
    if (status == MEDIA_OK) {
        status = write_all(output.temporary_path, text, error);
    }
    if (status != MEDIA_OK) {
        media_output_abort(&output);
        return status;
    }
    status = media_output_commit(&output, error);
    return status == MEDIA_OK ? media_parts_sync(parts, error) : status;
}

static enum media_status read_all(int fd, const char *name, char **text, struct media_error *error)
{
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > MAX_TEXT_BYTES) {
        return media_fail(error, MEDIA_ERROR_INPUT, "'%s' is not a file of this program", name);
    }
    size_t size = (size_t)about.st_size, n_done = 0;
    char *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return fail_memory(error);
    }
    while (n_done < size) {
        ssize_t n_read = read(fd, bytes + n_done, size - n_done);
        if (n_read > 0) {
            n_done += (size_t)n_read;
        } else if (n_read == 0 || errno != EINTR) {
            int reason = n_read == 0 ? EIO : errno;
            free(bytes);
            return media_fail(error, MEDIA_ERROR_INPUT, "cannot read '%s': %s", name,
                              strerror(reason));
        }
    }
    bytes[size] = '\0';
    *text = bytes;
    return MEDIA_OK;
}

enum media_status media_parts_read(const struct media_parts *parts, const char *name, char **text,
                                   struct media_error *error)
{
    *text = NULL;
    int fd = openat(parts->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? MEDIA_OK
                               : media_fail(error, MEDIA_ERROR_INPUT, "cannot read '%s/%s': %s",
                                            parts->path, name, strerror(errno));
    }
    enum media_status status = read_all(fd, name, text, error);
    close(fd);
    return status;
}

/* ---------------------------------------------------------------------------------- removal -- */

/* "000012", or what the two files about the whole job begin with */
static bool is_own_stem(const char *name)
{
    size_t length = strcspn(name, ".");
    return (length >= 6 && strspn(name, "0123456789") == length) ||
           (length == 8 && strncmp(name, "manifest", length) == 0) ||
           (length == 6 && strncmp(name, "output", length) == 0);
}

static bool is_temporary(const char *name)
{
    return name[0] == '.' && is_own_stem(name + 1);
}

static bool is_own(const char *name)
{
    const char *dot = strrchr(name, '.');
    return is_own_stem(name) && dot != NULL &&
           (strcmp(dot, ".json") == 0 || strcmp(dot, ".nut") == 0);
}

static void delete_files(int fd, bool (*matches)(const char *name))
{
    int own_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = own_fd >= 0 ? fdopendir(own_fd) : NULL;
    if (folder == NULL) {
        if (own_fd >= 0) {
            close(own_fd);
        }
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (matches(entry->d_name)) {
            unlinkat(fd, entry->d_name, 0);
        }
    }
    closedir(folder);
}

void media_parts_delete_temporaries(const struct media_parts *parts)
{
    delete_files(parts->fd, is_temporary);
}

/* Without its manifest the rest counts for nothing, so that a crash in between is harmless. */
static void clear(int fd)
{
    unlinkat(fd, manifest_name, 0);
    delete_files(fd, is_own);
    delete_files(fd, is_temporary);
}

void media_parts_clear(const struct media_parts *parts)
{
    clear(parts->fd);
}

bool media_parts_has_job(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool has = fd >= 0 && faccessat(fd, manifest_name, F_OK, 0) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return has;
}

void media_parts_remove(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        clear(fd);
        close(fd);
        rmdir(path);
    }
}
