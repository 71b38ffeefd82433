/* SPDX-License-Identifier: MIT */
#include "server/mcp_paths.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool mcp_paths_allow(struct mcp_paths *paths, const char *folder, struct server_problem *problem)
{
    struct stat about;
    char *own = realpath(folder, NULL);
    if (!own || stat(own, &about) != 0 || !S_ISDIR(about.st_mode)) {
        const int reason = own ? ENOTDIR : errno;
        free(own);
        return server_fail(problem, 422, "folder", "--allow-dir: '%.200s': %s", folder,
                           strerror(reason));
    }
    char **folders = realloc(paths->folders, (paths->count + 1) * sizeof *folders);
    if (!folders) {
        free(own);
        return server_fail_memory(problem);
    }
    paths->folders = folders;
    paths->folders[paths->count++] = own;
    return true;
}

bool mcp_paths_allow_default(struct mcp_paths *paths, struct server_problem *problem)
{
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here) || strcmp(here, "/") == 0)
        return true;
    return mcp_paths_allow(paths, here, problem);
}

void mcp_paths_free(struct mcp_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->folders[i]);
    free(paths->folders);
    *paths = (struct mcp_paths){0};
}

/* Is the folder or file `own`, a name without links, in an allowed folder or one itself? */
static bool is_allowed(const struct mcp_paths *paths, const char *own)
{
    for (size_t i = 0; i < paths->count; i++) {
        const size_t length = strlen(paths->folders[i]);
        if (strcmp(paths->folders[i], "/") == 0 || (strncmp(own, paths->folders[i], length) == 0 &&
                                                    (own[length] == '/' || own[length] == '\0')))
            return true;
    }
    return false;
}

/* Says nothing of whether the file exists: that would tell clients of files outside. */
static char *refuse(const char *name, const struct mcp_paths *paths, struct server_problem *problem)
{
    server_fail(problem, 403, "folder",
                "'%.200s' is not in a folder that this server may use (allowed: %.150s%s)", name,
                paths->folders[0], paths->count > 1 ? " and others" : "");
    return NULL;
}

/* An absolute name; relative ones start in the first allowed folder. */
static char *absolute(const struct mcp_paths *paths, const char *name,
                      struct server_problem *problem)
{
    char *full = NULL;
    if (paths->count == 0) {
        server_fail(problem, 403, "folder",
                    "this server may use no folder; start it with --allow-dir, or upload the file");
        return NULL;
    }
    if (!*name || strlen(name) >= PATH_MAX) {
        server_fail(problem, 422, "folder", "the name of the file is empty or too long");
        return NULL;
    }
    if (*name == '/')
        full = strdup(name);
    else if (asprintf(&full, "%s/%s", paths->folders[0], name) < 0)
        full = NULL;
    if (!full)
        server_fail_memory(problem);
    return full;
}

/* A name that JSON cannot hold could not be told to the client. */
static bool is_text(const char *own, struct server_problem *problem)
{
    json_t *text = json_string(own);
    const bool valid = text != NULL;
    json_decref(text);
    return valid ? true : server_fail(problem, 422, "folder", "the file's name is not UTF-8");
}

/* For `full`, which does not exist: would it be in an allowed folder? Shortens `full`. */
static bool would_be_allowed(const struct mcp_paths *paths, char *full)
{
    char *own = NULL;
    for (char *slash; !own && (slash = strrchr(full, '/')) && slash != full;) {
        *slash = '\0';
        own = realpath(full, NULL);
    }
    const bool allowed = own && is_allowed(paths, own);
    free(own);
    return allowed;
}

char *mcp_paths_input(const struct mcp_paths *paths, const char *name,
                      struct server_problem *problem)
{
    char *full = absolute(paths, name, problem);
    if (!full)
        return NULL;
    char *own = realpath(full, NULL);
    const int reason = errno;
    struct stat about;
    if (!own) {
        if (would_be_allowed(paths, full))
            server_fail(problem, 422, "input", "'%.200s': %s", name, strerror(reason));
        else
            refuse(name, paths, problem);
    } else if (!is_allowed(paths, own)) {
        refuse(name, paths, problem);
    } else if (stat(own, &about) != 0 || !S_ISREG(about.st_mode)) {
        server_fail(problem, 422, "input", "'%.200s' is not a regular file", name);
    } else if (is_text(own, problem)) {
        free(full);
        return own;
    }
    free(own);
    free(full);
    return NULL;
}

/* Looks at the file that `own` names now, if there is one. */
static bool check_target(const struct mcp_paths *paths, const char *own, const char *name,
                         bool overwrite, struct server_problem *problem)
{
    struct stat link, about;
    if (lstat(own, &link) != 0)
        return errno == ENOENT
                   ? true
                   : server_fail(problem, 422, "output", "'%.200s': %s", name, strerror(errno));
    if (S_ISLNK(link.st_mode)) {
        char *end = realpath(own, NULL);
        const bool allowed = end && is_allowed(paths, end);
        free(end);
        if (!allowed)
            return refuse(name, paths, problem) != NULL;
    }
    if (stat(own, &about) != 0 || !S_ISREG(about.st_mode))
        return server_fail(problem, 422, "output", "'%.200s' is not a regular file", name);
    if (!overwrite)
        return server_fail(
            problem, 409, "output",
            "'%.200s' exists already; choose another output, or set force to true to "
            "overwrite it",
            name);
    return true;
}

char *mcp_paths_output(const struct mcp_paths *paths, const char *name, bool overwrite,
                       struct server_problem *problem)
{
    char *full = absolute(paths, name, problem);
    if (!full)
        return NULL;
    char *slash = strrchr(full, '/');
    const char *base = slash + 1;
    char *own = NULL;
    char parent[PATH_MAX + 2];
    snprintf(parent, sizeof parent, "%.*s", slash == full ? 1 : (int)(slash - full), full);
    char *folder = realpath(parent, NULL);
    if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
        server_fail(problem, 422, "output", "'%.200s' does not name a file", name);
    else if (folder && !is_allowed(paths, folder))
        refuse(name, paths, problem);
    else if (!folder && !would_be_allowed(paths, parent))
        refuse(name, paths, problem);
    else if (!folder)
        server_fail(problem, 422, "output", "the folder of '%.200s' does not exist", name);
    else if (asprintf(&own, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, base) < 0)
        own = NULL, server_fail_memory(problem);
    else if (!is_text(own, problem) || !check_target(paths, own, name, overwrite, problem))
        free(own), own = NULL;
    free(folder);
    free(full);
    return own;
}

char *mcp_paths_uri(const char *path)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    char *uri = malloc(sizeof "file://" + 3 * strlen(path));
    if (!uri)
        return NULL;
    char *end = stpcpy(uri, "file://");
    for (const char *c = path; *c; c++) {
        if (strchr(plain, *c))
            *end++ = *c;
        else
            end += sprintf(end, "%%%02X", (unsigned)(unsigned char)*c);
    }
    *end = '\0';
    return uri;
}
