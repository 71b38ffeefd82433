/* SPDX-License-Identifier: MIT */
#include "cli/destination.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/sequence.h"

/* One spelling for each file: "a.png", "./a.png" and "x/../a.png" are the same. Malloc'd or NULL.
 */
static char *resolved_name(const char *target)
{
    const char *slash = strrchr(target, '/');
    char *folder = slash ? strndup(target, (size_t)(slash - target) + 1) : strdup(".");
    if (!folder)
        return NULL;
    char *absolute = realpath(folder, NULL);
    char *name = NULL;
    if (asprintf(&name, "%s/%s", absolute ? absolute : folder, slash ? slash + 1 : target) < 0)
        name = NULL;
    free(absolute);
    free(folder);
    return name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

enum media_status cli_destination_claim(struct cli_destinations *destinations, const char *target,
                                        struct media_error *error)
{
    char *name = resolved_name(target);
    char **entry = name ? tsearch(name, &destinations->claimed, compare_names) : NULL;
    if (!entry) {
        free(name);
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    if (*entry == name)
        return MEDIA_OK;
    free(name);
    return media_fail(error, MEDIA_ERROR_OUTPUT,
                      "its output %s is already that of an earlier input; upscale it on its own "
                      "with -o",
                      target);
}

static bool remember_folder(struct cli_destinations *destinations, const char *folder)
{
    if (destinations->folder_count == destinations->folder_capacity) {
        size_t capacity = destinations->folder_capacity ? 2 * destinations->folder_capacity : 8;
        char **folders = reallocarray(destinations->folders, capacity, sizeof *folders);
        if (!folders)
            return false;
        destinations->folders = folders;
        destinations->folder_capacity = capacity;
    }
    char *copy = strdup(folder);
    if (!copy)
        return false;
    destinations->folders[destinations->folder_count++] = copy;
    return true;
}

static enum media_status make_folder(struct cli_destinations *destinations, const char *folder,
                                     struct media_error *error)
{
    if (mkdir(folder, 0777) == 0) {
        if (remember_folder(destinations, folder))
            return MEDIA_OK;
        rmdir(folder);
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    int failure = errno;
    struct stat about;
    if (failure == EEXIST && stat(folder, &about) == 0 && S_ISDIR(about.st_mode))
        return MEDIA_OK;
    return media_fail(error, MEDIA_ERROR_OUTPUT, "the folder %s cannot be made: %s", folder,
                      strerror(failure));
}

enum media_status cli_destination_make_folders(struct cli_destinations *destinations,
                                               const char *folder, const char *target,
                                               struct media_error *error)
{
    char *path = strdup(target);
    if (!path)
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    enum media_status status = make_folder(destinations, folder, error);
    char *next = path + strlen(folder);
    while (status == MEDIA_OK && (next = strchr(next, '/')) != NULL) {
        *next = '\0';
        if (*path)
            status = make_folder(destinations, path, error);
        *next++ = '/';
    }
    free(path);
    return status;
}

void cli_destinations_end(struct cli_destinations *destinations)
{
    /* Children were made after their parents. rmdir() refuses a folder with something in it. */
    while (destinations->folder_count > 0) {
        char *folder = destinations->folders[--destinations->folder_count];
        rmdir(folder);
        free(folder);
    }
    free(destinations->folders);
    while (destinations->claimed) {
        char *name = *(char **)destinations->claimed;
        tdelete(name, &destinations->claimed, compare_names);
        free(name);
    }
    *destinations = (struct cli_destinations){0};
}

bool cli_destination_is_same_file(const char *a, const char *b)
{
    struct stat about_a, about_b;
    return stat(a, &about_a) == 0 && stat(b, &about_b) == 0 && about_a.st_dev == about_b.st_dev &&
           about_a.st_ino == about_b.st_ino;
}

bool cli_destination_is_same_sequence(const char *input, const uint64_t *start, const char *output)
{
    struct media_sequence_extent extent;
    if (media_sequence_find(input, start, &extent, NULL) != MEDIA_OK)
        return false;
    bool same = false;
    for (uint64_t i = 0; i < extent.count && !same; i++) {
        char *from = media_sequence_name(input, extent.first + i);
        char *to = media_sequence_name(output, extent.first + i);
        same = from && to && cli_destination_is_same_file(from, to);
        free(from);
        free(to);
    }
    return same;
}
