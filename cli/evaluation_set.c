/* SPDX-License-Identifier: MIT */
#include "cli/evaluation_set.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/exit_status.h"
#include "cli/message.h"
#include "cli/naming.h"

static int out_of_memory(void)
{
    cli_error("out of memory");
    return CLI_EXIT_MEMORY;
}

static char *join(const char *folder, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* -------------------------------------------------------------------------------- file names -- */

/* Length of "x2", "2x", "LR" or "HR" at the end of the first `length` characters, with a separator
 * before it if there is one; 0 if there is none of these. */
static size_t suffix_length(const char *name, size_t length)
{
    if (length < 3)
        return 0;
    const char *last = name + length - 2;
    int first = tolower((unsigned char)last[0]), second = tolower((unsigned char)last[1]);
    bool scale = (first == 'x' && isdigit(second)) || (isdigit(first) && second == 'x');
    bool size = (first == 'l' || first == 'h') && second == 'r';
    bool separated = strchr("_-.", last[-1]) != NULL;
    if (!scale && !(size && separated))
        return 0;
    return separated && length > 3 ? 3 : 2;
}

/* Malloc'd. */
static char *picture_name(const char *file)
{
    const char *extension = cli_name_extension(file);
    size_t length = extension ? (size_t)(extension - file) - 1 : strlen(file);
    size_t suffix;
    while ((suffix = suffix_length(file, length)) > 0)
        length -= suffix;
    return strndup(file, length);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void free_entries(struct dirent **entries, int count)
{
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

/* -------------------------------------------------------------------------------------- pairs --
 */

/* The entry whose picture is called `name`, or NULL; a file with the very same name comes first. */
static const char *partner_of(const char *file, const char *name, struct dirent **entries,
                              int count)
{
    const char *found = NULL;
    for (int i = 0; i < count; i++) {
        if (strcmp(entries[i]->d_name, file) == 0)
            return entries[i]->d_name;
        char *other = picture_name(entries[i]->d_name);
        if (other && !found && strcmp(other, name) == 0)
            found = entries[i]->d_name;
        free(other);
    }
    return found;
}

static int make_pair(struct cli_evaluation_pair *pair, const char *low_folder,
                     const char *high_folder, const char *file, struct dirent **high,
                     int high_count)
{
    pair->name = picture_name(file);
    pair->low_path = join(low_folder, file);
    if (!pair->name || !pair->low_path)
        return out_of_memory();
    const char *partner = partner_of(file, pair->name, high, high_count);
    if (!partner) {
        cli_error("%s: no picture in %s has the same name", pair->low_path, high_folder);
        return CLI_EXIT_INPUT;
    }
    pair->high_path = join(high_folder, partner);
    return pair->high_path ? CLI_EXIT_OK : out_of_memory();
}

static int make_pairs(struct cli_evaluation_set *set, const char *low_folder,
                      const char *high_folder, struct dirent **low, int low_count,
                      struct dirent **high, int high_count)
{
    if (low_count == 0) {
        cli_error("%s: no picture in this folder", low_folder);
        return CLI_EXIT_INPUT;
    }
    if (low_count != high_count) {
        cli_error("%s has %d files and %s %d; each picture must be in both", low_folder, low_count,
                  high_folder, high_count);
        return CLI_EXIT_INPUT;
    }
    set->pairs = calloc((size_t)low_count, sizeof *set->pairs);
    if (!set->pairs)
        return out_of_memory();
    int status = CLI_EXIT_OK;
    for (int i = 0; i < low_count && status == CLI_EXIT_OK; i++)
        status = make_pair(&set->pairs[set->count++], low_folder, high_folder, low[i]->d_name, high,
                           high_count);
    return status;
}

static int list_folder(const char *folder, struct dirent ***entries, int *count)
{
    *count = scandir(folder, entries, visible, by_name);
    if (*count >= 0)
        return CLI_EXIT_OK;
    cli_error("%s: the folder cannot be read: %s", folder, strerror(errno));
    return CLI_EXIT_INPUT;
}

static int open_folders(struct cli_evaluation_set *set, const char *low_folder,
                        const char *high_folder)
{
    struct dirent **low, **high;
    int low_count, high_count;
    int status = list_folder(low_folder, &low, &low_count);
    if (status != CLI_EXIT_OK)
        return status;
    status = list_folder(high_folder, &high, &high_count);
    if (status == CLI_EXIT_OK) {
        status = make_pairs(set, low_folder, high_folder, low, low_count, high, high_count);
        free_entries(high, high_count);
    }
    free_entries(low, low_count);
    return status;
}

/* --------------------------------------------------------------------------------------- sets --
 */

static bool is_set(const char *folder)
{
    char *low = join(folder, "LR"), *high = join(folder, "HR");
    bool both = low && high && is_folder(low) && is_folder(high);
    free(low);
    free(high);
    return both;
}

static int add_set(struct cli_evaluation_sets *sets, const char *folder, const char *name)
{
    struct cli_evaluation_set *items =
        reallocarray(sets->items, sets->count + 1, sizeof *sets->items);
    if (!items)
        return out_of_memory();
    sets->items = items;
    struct cli_evaluation_set *set = &items[sets->count++];
    *set = (struct cli_evaluation_set){.name = strdup(name)};
    char *low = join(folder, "LR"), *high = join(folder, "HR");
    int status = set->name && low && high ? open_folders(set, low, high) : out_of_memory();
    free(low);
    free(high);
    return status;
}

static int add_subfolders(struct cli_evaluation_sets *sets, const char *folder)
{
    struct dirent **entries;
    int count;
    int status = list_folder(folder, &entries, &count);
    if (status != CLI_EXIT_OK)
        return status;
    for (int i = 0; i < count && status == CLI_EXIT_OK; i++) {
        char *path = join(folder, entries[i]->d_name);
        if (!path)
            status = out_of_memory();
        else if (is_set(path))
            status = add_set(sets, path, entries[i]->d_name);
        free(path);
    }
    free_entries(entries, count);
    if (status == CLI_EXIT_OK && sets->count == 0) {
        cli_error("%s: no HR and LR in this folder or in a folder in it", folder);
        return CLI_EXIT_INPUT;
    }
    return status;
}

int cli_evaluation_sets_open(const char *folder, struct cli_evaluation_sets *sets)
{
    *sets = (struct cli_evaluation_sets){0};
    return is_set(folder) ? add_set(sets, folder, folder) : add_subfolders(sets, folder);
}

void cli_evaluation_sets_close(struct cli_evaluation_sets *sets)
{
    for (size_t s = 0; s < sets->count; s++) {
        struct cli_evaluation_set *set = &sets->items[s];
        for (size_t i = 0; i < set->count; i++) {
            free(set->pairs[i].name);
            free(set->pairs[i].low_path);
            free(set->pairs[i].high_path);
        }
        free(set->pairs);
        free(set->name);
    }
    free(sets->items);
    *sets = (struct cli_evaluation_sets){0};
}
