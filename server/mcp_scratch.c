/* SPDX-License-Identifier: MIT */
#include "server/mcp_scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/folder.h"

/* Younger ones may be without a lock because they are being made. */
enum { LEAST_AGE_S = 60 };

static const char prefix[] = "pipersr-mcp-";

/* Is it this user's, and does no process hold its lock? */
static bool is_left_over(const char *folder)
{
    struct stat about;
    char *lock = server_path_join(folder, "lock", NULL);
    bool left = false;
    if (lock && lstat(folder, &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == geteuid() &&
        time(NULL) - about.st_mtime > LEAST_AGE_S) {
        const int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        left = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (fd >= 0)
            close(fd);
    }
    free(lock);
    return left;
}

static void remove_left_overs(const char *place)
{
    DIR *names = opendir(place);
    for (const struct dirent *each; names && (each = readdir(names));) {
        if (strncmp(each->d_name, prefix, sizeof prefix - 1) != 0)
            continue;
        char *folder = server_path_join(place, each->d_name, NULL);
        if (folder && is_left_over(folder))
            server_folder_remove(folder);
        free(folder);
    }
    if (names)
        closedir(names);
}

char *mcp_scratch_make(void)
{
    const char *place = getenv("TMPDIR");
    char *folder = NULL;
    if (!place || *place != '/')
        place = "/var/tmp";
    remove_left_overs(place);
    if (asprintf(&folder, "%s/%sXXXXXX", place, prefix) < 0) {
        errno = ENOMEM;
        return NULL;
    }
    if (mkdtemp(folder))
        return folder;
    const int reason = errno;
    free(folder);
    errno = reason;
    return NULL;
}
