/* SPDX-License-Identifier: MIT */
#include "media/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/output_pending.h"
#include "media/output_publish.h"
#include "media/sequence.h"

static void end(struct media_output *output)
{
    if (output->temporary_path)
        media_pending_release(output->temporary_path);
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

static bool create(const char *path, bool is_folder)
{
    if (is_folder)
        return mkdir(path, 0777) == 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static enum media_status create_temporary(struct media_output *output, struct media_error *error)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        char *path = temporary_name(output->target_path);
        if (!path)
            return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory for the output's name");
        /* Remembered before it exists: a signal between the two must not leave it behind. */
        if (!media_pending_add(path)) {
            free(path);
            return media_fail(error, MEDIA_ERROR_INTERNAL, "too many outputs at once");
        }
        output->temporary_path = path;
        if (create(path, output->is_sequence))
            return MEDIA_OK;
        int reason = errno;
        media_pending_release(path);
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

static enum media_status fail_publish(struct media_error *error, const char *path, int reason)
{
    return reason == EEXIST ? fail_exists(error, path) : fail_create(error, path, reason);
}

enum media_status media_output_commit(struct media_output *output, struct media_error *error)
{
    int reason = media_publish_flush(output->temporary_path);
    if (!reason)
        reason = media_publish(output->temporary_path, output->target_path, output->overwrite);
    enum media_status status = MEDIA_OK;
    if (reason) {
        status = fail_publish(error, output->target_path, reason);
        unlink(output->temporary_path);
    } else {
        media_publish_flush_folder(output->target_path);
    }
    end(output);
    return status;
}

/* ----------------------------------------------------------------------------- numbered files --
 */

enum media_status media_output_begin_sequence(struct media_output *output, const char *pattern,
                                              bool overwrite, struct media_error *error)
{
    *output = (struct media_output){.overwrite = overwrite, .is_sequence = true};
    char *present = NULL;
    if (!overwrite && media_sequence_any(pattern, &present)) {
        enum media_status status =
            media_fail(error, MEDIA_ERROR_OUTPUT,
                       "'%s' exists already; use --force to overwrite, or -o for other names",
                       present ? present : pattern);
        free(present);
        return status;
    }
    output->target_path = strdup(pattern);
    if (!output->target_path)
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory for the output's name");
    enum media_status status = create_temporary(output, error);
    if (status != MEDIA_OK)
        end(output);
    return status;
}

/* The names of one file before and after. Both malloc'd; false where memory runs out. */
static bool name_file(const struct media_output *output, uint64_t index, uint64_t number,
                      char **from, char **to)
{
    *to = media_sequence_name(output->target_path, number);
    if (asprintf(from, "%s/%" PRIu64, output->temporary_path, index) < 0)
        *from = NULL;
    return *from && *to;
}

static enum media_status publish_file(const struct media_output *output, uint64_t index,
                                      uint64_t number, struct media_error *error)
{
    char *from, *to;
    enum media_status status = MEDIA_OK;
    if (!name_file(output, index, number, &from, &to)) {
        status = media_fail(error, MEDIA_ERROR_MEMORY, "out of memory for the output's name");
    } else {
        int reason = media_publish(from, to, output->overwrite);
        if (reason)
            status = fail_publish(error, to, reason);
    }
    free(from);
    free(to);
    return status;
}

static void take_back(const struct media_output *output, uint64_t number)
{
    char *path = media_sequence_name(output->target_path, number);
    if (path)
        unlink(path);
    free(path);
}

static enum media_status flush_files(const struct media_output *output, uint64_t count,
                                     struct media_error *error)
{
    for (uint64_t i = 1; i <= count; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/%" PRIu64, output->temporary_path, i) < 0)
            return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory for the output's name");
        int reason = media_publish_flush(path);
        free(path);
        if (reason)
            return fail_create(error, output->target_path, reason);
    }
    return MEDIA_OK;
}

enum media_status media_output_commit_sequence(struct media_output *output, uint64_t first_number,
                                               uint64_t count, struct media_error *error)
{
    enum media_status status = flush_files(output, count, error);
    /* From the last on: what is left is numbered from 1 on at any time, as its removal expects. */
    uint64_t left = count;
    while (status == MEDIA_OK && left > 0) {
        status = publish_file(output, left, first_number + left - 1, error);
        left -= status == MEDIA_OK;
    }
    if (status == MEDIA_OK)
        media_publish_flush_folder(output->target_path);
    for (uint64_t i = left; status != MEDIA_OK && !output->overwrite && i < count; i++)
        take_back(output, first_number + i);
    media_output_abort(output);
    return status;
}

/* ------------------------------------------------------------------------------------- the end --
 */

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
    while (folder && (entry = readdir(folder)) != NULL) {
        char *stale = NULL;
        if (is_of_same_target(name, entry->d_name, end - MARK_LENGTH) &&
            asprintf(&stale, "%s/%s", path, entry->d_name) >= 0) {
            media_pending_remove(stale);
            free(stale);
        }
    }
    if (folder)
        closedir(folder);
    free(path);
}

void media_output_abort(struct media_output *output)
{
    if (output->temporary_path)
        media_pending_remove(output->temporary_path);
    end(output);
}
