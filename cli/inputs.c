/* SPDX-License-Identifier: MIT */
#include "cli/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/naming.h"

struct walk {
    struct cli_inputs *inputs;
    size_t root_length; /* of the typed folder with its slash */
    bool has_excluded;
    dev_t excluded_device;
    ino_t excluded_inode;
};

/* Takes `path` over, on failure too. */
static bool append(struct cli_inputs *inputs, char *path, size_t relative, bool from_folder,
                   int failure)
{
    if (path && inputs->count == inputs->capacity) {
        size_t capacity = inputs->capacity ? 2 * inputs->capacity : 16;
        struct cli_input *items = reallocarray(inputs->items, capacity, sizeof *items);
        if (items) {
            inputs->items = items;
            inputs->capacity = capacity;
        }
    }
    if (!path || inputs->count == inputs->capacity) {
        free(path);
        return false;
    }
    inputs->items[inputs->count++] = (struct cli_input){
        .path = path, .relative = path + relative, .from_folder = from_folder, .failure = failure};
    return true;
}

static bool walk_folder(struct walk *walk, const char *folder);

/* Segments of an unfinished video are no inputs. */
static bool is_parts_folder(const char *path)
{
    static const char ending[] = ".parts";
    size_t length = strlen(path), ending_length = sizeof ending - 1;
    return length > ending_length && strcmp(path + length - ending_length, ending) == 0;
}

static bool visit(struct walk *walk, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    char *path = NULL;
    if (asprintf(&path, "%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name) < 0)
        return false;
    struct stat link, target;
    bool ok = true;
    if (lstat(path, &link) == 0 && S_ISDIR(link.st_mode)) {
        bool excluded = walk->has_excluded && link.st_dev == walk->excluded_device &&
                        link.st_ino == walk->excluded_inode;
        ok = excluded || is_parts_folder(path) || walk_folder(walk, path);
    } else if (stat(path, &target) == 0 && S_ISREG(target.st_mode)) {
        if (!cli_name_is_upscaled(path))
            return append(walk->inputs, path, walk->root_length, true, 0);
        walk->inputs->already_upscaled++;
    }
    free(path);
    return ok;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Not alphasort(): the order should not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool walk_folder(struct walk *walk, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, visible, by_name);
    if (count < 0) {
        int failure = errno;
        return failure != ENOMEM && append(walk->inputs, strdup(folder), 0, true, failure);
    }
    bool ok = true;
    for (int i = 0; i < count; i++) {
        ok = ok && visit(walk, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

bool cli_inputs_add(struct cli_inputs *inputs, const char *path, bool recursive,
                    const char *excluded)
{
    struct stat about;
    if (recursive && strcmp(path, "-") != 0 && stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
        size_t length = strlen(path);
        struct walk walk = {.inputs = inputs,
                            .root_length = length + (path[length - 1] == '/' ? 0 : 1)};
        struct stat output;
        if (excluded && stat(excluded, &output) == 0 &&
            !(output.st_dev == about.st_dev && output.st_ino == about.st_ino)) {
            walk.has_excluded = true;
            walk.excluded_device = output.st_dev;
            walk.excluded_inode = output.st_ino;
        }
        return walk_folder(&walk, path);
    }
    const char *slash = strrchr(path, '/');
    size_t relative = slash && slash[1] ? (size_t)(slash + 1 - path) : 0;
    return append(inputs, strdup(path), relative, false, 0);
}

void cli_inputs_free(struct cli_inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        free(inputs->items[i].path);
    free(inputs->items);
    *inputs = (struct cli_inputs){0};
}
