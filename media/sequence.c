/* SPDX-License-Identifier: MIT */
#include "media/sequence.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DIGITS = 9 }; /* of MEDIA_SEQUENCE_MOST */

/* A pattern taken apart. */
struct pattern {
    const char *name;    /* behind the folders, in the text given */
    char before[256];    /* the number; %% is one percent sign by now */
    char after[256];     /* it */
    unsigned min_digits; /* at least 1 */
};

/* What follows a percent sign: *length of a %d or %0Nd without it, 0 if it is none. */
static size_t number_length(const char *text, unsigned *min_digits)
{
    size_t length = 0;
    unsigned digits = 0;
    while (length <= 2 && isdigit((unsigned char)text[length]))
        digits = 10 * digits + (unsigned)(text[length++] - '0');
    if (text[length] != 'd' || digits > MOST_DIGITS)
        return 0;
    *min_digits = digits > 0 ? digits : 1;
    return length + 1;
}

static bool take_apart(const char *path, struct pattern *pattern)
{
    const char *slash = strrchr(path, '/');
    *pattern = (struct pattern){.name = slash ? slash + 1 : path};
    char *to = pattern->before;
    size_t length = 0;
    if (strlen(pattern->name) >= sizeof pattern->before)
        return false;
    for (const char *at = pattern->name; *at; at++) {
        if (at[0] == '%' && at[1] != '%') {
            size_t taken = number_length(at + 1, &pattern->min_digits);
            if (taken == 0 || to == pattern->after)
                return false;
            to = pattern->after;
            length = 0;
            at += taken;
            continue;
        }
        at += *at == '%';
        to[length++] = *at;
    }
    return to == pattern->after;
}

bool media_sequence_is_pattern(const char *path)
{
    struct pattern pattern;
    return take_apart(path, &pattern);
}

bool media_sequence_is_input(const char *path)
{
    struct stat about;
    return media_sequence_is_pattern(path) && lstat(path, &about) != 0;
}

char *media_sequence_name(const char *pattern, uint64_t number)
{
    struct pattern parts;
    char *name = NULL;
    if (!take_apart(pattern, &parts) ||
        asprintf(&name, "%.*s%s%0*" PRIu64 "%s", (int)(parts.name - pattern), pattern, parts.before,
                 (int)parts.min_digits, number, parts.after) < 0)
        return NULL;
    return name;
}

static bool parse_name(const struct pattern *pattern, const char *name, uint64_t *number)
{
    size_t before = strlen(pattern->before), after = strlen(pattern->after), length = strlen(name);
    if (length < before + pattern->min_digits + after ||
        strncmp(name, pattern->before, before) != 0 ||
        strcmp(name + length - after, pattern->after) != 0)
        return false;
    const char *digits = name + before;
    size_t count = length - before - after;
    if (count > MOST_DIGITS || strspn(digits, "0123456789") < count ||
        (count > pattern->min_digits && digits[0] == '0'))
        return false;
    *number = 0;
    for (size_t i = 0; i < count; i++)
        *number = 10 * *number + (uint64_t)(digits[i] - '0');
    return true;
}

bool media_sequence_number(const char *pattern, const char *path, uint64_t *number)
{
    struct pattern parts;
    const char *slash = strrchr(path, '/');
    return take_apart(pattern, &parts) && parse_name(&parts, slash ? slash + 1 : path, number);
}

/* The folder of the pattern, opened; NULL with errno. */
static DIR *open_folder(const char *pattern, const char *name)
{
    if (name == pattern)
        return opendir(".");
    char *folder = strndup(pattern, (size_t)(name - pattern));
    DIR *opened = folder ? opendir(folder) : NULL;
    int reason = folder ? errno : ENOMEM;
    free(folder);
    errno = reason;
    return opened;
}

bool media_sequence_any(const char *pattern, char **name)
{
    struct pattern parts;
    *name = NULL;
    DIR *folder = take_apart(pattern, &parts) ? open_folder(pattern, parts.name) : NULL;
    const struct dirent *entry;
    uint64_t number;
    bool found = false;
    while (folder && !found && (entry = readdir(folder)) != NULL)
        found = parse_name(&parts, entry->d_name, &number);
    if (folder)
        closedir(folder);
    if (found)
        *name = media_sequence_name(pattern, number);
    return found;
}

/* The first number from `first` on that no file has. */
static enum media_status fail_gap(const char *pattern, uint64_t first, uint64_t last,
                                  struct media_error *error)
{
    uint64_t number = first;
    char *name = NULL;
    do {
        free(name);
        name = media_sequence_name(pattern, number++);
    } while (name && access(name, F_OK) == 0);
    enum media_status status = media_fail(
        error, MEDIA_ERROR_INPUT, "%s is missing; the numbers go from %" PRIu64 " to %" PRIu64,
        name ? name : pattern, first, last);
    free(name);
    return status;
}

enum media_status media_sequence_find(const char *pattern, const uint64_t *start,
                                      struct media_sequence_extent *extent,
                                      struct media_error *error)
{
    struct pattern parts;
    *extent = (struct media_sequence_extent){0};
    DIR *folder = take_apart(pattern, &parts) ? open_folder(pattern, parts.name) : NULL;
    if (!folder)
        return media_fail(error, MEDIA_ERROR_INPUT, "cannot open the folder of %s: %s", pattern,
                          strerror(errno));
    uint64_t number, lowest = UINT64_MAX, highest = 0, count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (!parse_name(&parts, entry->d_name, &number) || (start && number < *start))
            continue;
        lowest = number < lowest ? number : lowest;
        highest = number > highest ? number : highest;
        count++;
    }
    closedir(folder);
    if (start && (count == 0 || lowest != *start))
        return fail_gap(pattern, *start, count > 0 ? highest : *start, error);
    if (count == 0)
        return media_fail(error, MEDIA_ERROR_INPUT, "no file has a name like %s", pattern);
    if (highest - lowest + 1 != count)
        return fail_gap(pattern, lowest, highest, error);
    *extent = (struct media_sequence_extent){.first = lowest, .count = count};
    return MEDIA_OK;
}
