/* SPDX-License-Identifier: MIT */
#include "media/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Paths of the temporary files in progress, for the signal handler: a fixed table, as a handler may
 * neither lock nor allocate. A slot owns its copy of the path. A removed copy is freed only by the
 * thread that took it out of the table, so the handler can at worst unlink a name that is gone. */
enum { MAX_OUTPUTS_IN_PROGRESS = 256 };
static _Atomic(char *) in_progress[MAX_OUTPUTS_IN_PROGRESS];
/* Set by the handler: from then on no path is freed, since it may be reading it. */
static atomic_bool unlinking;

static bool remember(char *path)
{
    for (size_t i = 0; i < MAX_OUTPUTS_IN_PROGRESS; i++) {
        char *empty = NULL;
        if (atomic_compare_exchange_strong(&in_progress[i], &empty, path))
            return true;
    }
    return false;
}

static void forget(const char *path)
{
    for (size_t i = 0; i < MAX_OUTPUTS_IN_PROGRESS; i++) {
        char *known = atomic_load(&in_progress[i]);
        if (known == path)
            atomic_compare_exchange_strong(&in_progress[i], &known, NULL);
    }
}

void media_output_unlink_all(void)
{
    atomic_store(&unlinking, true);
    for (size_t i = 0; i < MAX_OUTPUTS_IN_PROGRESS; i++) {
        char *path = atomic_load(&in_progress[i]);
        if (path)
            unlink(path);
    }
}

static void end(struct media_output *output)
{
    if (output->temporary_path) {
        forget(output->temporary_path);
        if (!atomic_load(&unlinking))
            free(output->temporary_path);
    }
    free(output->target_path);
    *output = (struct media_output){0};
}

/* The name that a rename must replace: what a chain of symbolic links ends at (which need not exist
 * yet), so that a link stays a link. Malloc'd; NULL with errno. */
static char *follow_links(const char *path)
{
    char *resolved = realpath(path, NULL);
    if (resolved || errno != ENOENT)
        return resolved;

    /* Missing, or a link to a missing file: follow by hand. */
    char *current = strdup(path);
    for (int hops = 0; current && hops < 40; hops++) {
        char link[PATH_MAX];
        ssize_t length = readlink(current, link, sizeof(link) - 1);
        if (length < 0)
            return current;
        link[length] = '\0';
        const char *slash = strrchr(current, '/');
        int folder = link[0] == '/' || !slash ? 0 : (int)(slash - current + 1);
        char *next = NULL;
        if (asprintf(&next, "%.*s%s", folder, current, link) < 0)
            next = NULL;
        free(current);
        current = next;
    }
    free(current);
    errno = current ? ELOOP : ENOMEM;
    return NULL;
}

/* The part of a name that a temporary name keeps: its last extension, with the dot, or "". */
static const char *extension(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name && strlen(dot) <= 16 ? dot : "";
}

/* The random part of a temporary name. */
enum { MARK_LENGTH = 6 };
static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

static char *temporary_name(const char *target)
{
    const char *slash = strrchr(target, '/');
    const char *name = slash ? slash + 1 : target;
    const char *dot = extension(name);
    int folder_length = (int)(name - target);
    int stem_length = (int)(strlen(name) - strlen(dot));
    /* A name may have 255 bytes; room for the dots, the random part and the extension. */
    if (stem_length > 200)
        stem_length = 200;

    unsigned char random[MARK_LENGTH];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return NULL;
    char mark[sizeof(random) + 1] = "";
    for (size_t i = 0; i < sizeof(random); i++)
        mark[i] = letters[random[i] % (sizeof(letters) - 1)];

    char *path = NULL;
    if (asprintf(&path, "%.*s.%.*s.%s%s", folder_length, target, stem_length, name, mark, dot) < 0)
        return NULL;
    return path;
}

static enum media_status fail_create(struct media_error *error, const char *path, int reason)
{
    const char *advice = "";
    if (reason == ENOENT || reason == ENOTDIR)
        advice = "; the folder does not exist, create it first";
    else if (reason == EACCES || reason == EPERM || reason == EROFS)
        advice = "; choose a folder that you may write to";
    else if (reason == ENOSPC || reason == EDQUOT)
        advice = "; free some space or choose another folder";
    return media_fail(error, MEDIA_ERROR_OUTPUT, "cannot write '%s': %s%s", path, strerror(reason),
                      advice);
}

static enum media_status create_temporary(struct media_output *output, struct media_error *error)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        char *path = temporary_name(output->target_path);
        if (!path)
            return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory for the output's name");
        /* Remembered before it exists: a signal between the two must not leave it behind. */
        if (!remember(path)) {
            free(path);
            return media_fail(error, MEDIA_ERROR_INTERNAL, "more than %d outputs at once",
                              MAX_OUTPUTS_IN_PROGRESS);
        }
        output->temporary_path = path;
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            close(fd);
            return MEDIA_OK;
        }
        int reason = errno;
        forget(path);
        if (!atomic_load(&unlinking))
            free(path);
        output->temporary_path = NULL;
        if (reason != EEXIST)
            return fail_create(error, output->target_path, reason);
    }
    return fail_create(error, output->target_path, EEXIST);
}

static enum media_status fail_exists(struct media_error *error, const char *path)
{
    return media_fail(error, MEDIA_ERROR_OUTPUT,
                      "'%s' exists already; use --force to overwrite it or -o for another name",
                      path);
}

static enum media_status check_target(const char *path, bool overwrite, struct media_error *error)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return errno == ENOENT ? MEDIA_OK : fail_create(error, path, errno);
    if (S_ISDIR(status.st_mode))
        return media_fail(error, MEDIA_ERROR_OUTPUT,
                          "cannot write '%s': it is a folder; name a file in it", path);
    if (!S_ISREG(status.st_mode))
        return media_fail(error, MEDIA_ERROR_OUTPUT,
                          "cannot write '%s': it is not an ordinary file; use -o - for a pipe",
                          path);
    return overwrite ? MEDIA_OK : fail_exists(error, path);
}

enum media_status media_output_begin(struct media_output *output, const char *target_path,
                                     bool overwrite, struct media_error *error)
{
    *output = (struct media_output){.overwrite = overwrite};
    size_t length = strlen(target_path);
    if (length == 0 || target_path[length - 1] == '/')
        return media_fail(error, MEDIA_ERROR_OUTPUT,
                          "'%s' does not name a file; give the output a file name", target_path);

    enum media_status status = check_target(target_path, overwrite, error);
    if (status != MEDIA_OK)
        return status;
    output->target_path = follow_links(target_path);
    if (!output->target_path)
        return fail_create(error, target_path, errno);
    status = create_temporary(output, error);
    if (status != MEDIA_OK)
        end(output);
    return status;
}

/* Data must be on the disk before the name is: otherwise a power cut could leave an empty file in
 * the place of a good one. */
static int flush_to_disk(const char *path)
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

/* And the new name, before anything that the output was made of is removed. */
static void flush_folder(const char *path)
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

static int publish(const struct media_output *output)
{
    if (output->overwrite)
        return rename(output->temporary_path, output->target_path) < 0 ? errno : 0;

#ifdef RENAME_NOREPLACE
    if (renameat2(AT_FDCWD, output->temporary_path, AT_FDCWD, output->target_path,
                  RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
#endif
    /* link() fails on an existing name too; some file systems have neither. */
    if (link(output->temporary_path, output->target_path) == 0) {
        unlink(output->temporary_path);
        return 0;
    }
    if (errno != EPERM && errno != ENOSYS && errno != EOPNOTSUPP && errno != EMLINK)
        return errno;
    if (access(output->target_path, F_OK) == 0)
        return EEXIST;
    return rename(output->temporary_path, output->target_path) < 0 ? errno : 0;
}

enum media_status media_output_commit(struct media_output *output, struct media_error *error)
{
    int reason = flush_to_disk(output->temporary_path);
    if (!reason) {
        /* An overwritten file keeps its permissions. */
        struct stat old;
        if (output->overwrite && stat(output->target_path, &old) == 0)
            (void)!chmod(output->temporary_path, old.st_mode & 0777);
        reason = publish(output);
        if (!reason)
            flush_folder(output->target_path);
    }
    enum media_status status = MEDIA_OK;
    if (reason == EEXIST)
        status = fail_exists(error, output->target_path);
    else if (reason)
        status = fail_create(error, output->target_path, reason);

    if (status != MEDIA_OK)
        unlink(output->temporary_path);
    end(output);
    return status;
}

/* Are these names alike but for their marks, of which the first begins at `mark`? */
static bool is_of_same_target(const char *own, const char *other, size_t mark)
{
    return strlen(own) == strlen(other) && strncmp(own, other, mark) == 0 &&
           strspn(other + mark, letters) == MARK_LENGTH &&
           strcmp(own + mark + MARK_LENGTH, other + mark + MARK_LENGTH) == 0 &&
           strcmp(own, other) != 0;
}

void media_output_remove_stale(const char *temporary_path)
{
    const char *slash = strrchr(temporary_path, '/');
    const char *name = slash ? slash + 1 : temporary_path;
    size_t end = strlen(name) - strlen(extension(name));
    char *path = slash ? strndup(temporary_path, (size_t)(name - temporary_path)) : strdup(".");
    DIR *folder = path && end > MARK_LENGTH ? opendir(path) : NULL;
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)) != NULL)
        if (is_of_same_target(name, entry->d_name, end - MARK_LENGTH))
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    free(path);
}

void media_output_abort(struct media_output *output)
{
    if (output->temporary_path)
        unlink(output->temporary_path);
    end(output);
}
