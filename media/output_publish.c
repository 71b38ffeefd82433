/* SPDX-License-Identifier: MIT */
#include "media/output_publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int media_publish_flush(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int reason = 0;
    if (fsync(fd) < 0 && errno != EINVAL && errno != ENOSYS)
        reason = errno;
    if (close(fd) < 0 && !reason)
        reason = errno;
    return reason;
}

void media_publish_flush_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    free(folder);
}

int media_publish(const char *temporary_path, const char *target_path, bool overwrite)
{
    if (overwrite) {
        /* An overwritten file keeps its permissions. */
        struct stat old;
        if (stat(target_path, &old) == 0)
            (void)!chmod(temporary_path, old.st_mode & 0777);
        return rename(temporary_path, target_path) < 0 ? errno : 0;
    }

#ifdef RENAME_NOREPLACE
    if (renameat2(AT_FDCWD, temporary_path, AT_FDCWD, target_path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
#endif
    /* link() fails on an existing name too; some file systems have neither. */
    if (link(temporary_path, target_path) == 0) {
        unlink(temporary_path);
        return 0;
    }
    if (errno != EPERM && errno != ENOSYS && errno != EOPNOTSUPP && errno != EMLINK)
        return errno;
    if (access(target_path, F_OK) == 0)
        return EEXIST;
    return rename(temporary_path, target_path) < 0 ? errno : 0;
}
