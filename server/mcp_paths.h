/* SPDX-License-Identifier: MIT
 *
 * The folders that clients of the Model Context Protocol may name files in. A name is followed to
 * the file that it stands for, through "..", links and all, before it is judged; what is handed on
 * is that file's own name. Somebody who can change folders inside the allowed ones between the look
 * and the use is trusted: he could put any file there anyhow.
 */
#ifndef SERVER_MCP_PATHS_H
#define SERVER_MCP_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/problem.h"

/* Zeroed: no folder. */
struct mcp_paths {
    char **folders; /* absolute, without links; [0] is where relative names start */
    size_t count;
};

/* False with a problem if it is no folder that can be read. */
bool mcp_paths_allow(struct mcp_paths *paths, const char *folder, struct server_problem *problem);

/* The current folder, unless that is the root of the file system: a service is often started there,
 * and would hand out the whole machine. */
bool mcp_paths_allow_default(struct mcp_paths *paths, struct server_problem *problem);

void mcp_paths_free(struct mcp_paths *paths);

/* The own name of an existing regular file in an allowed folder, malloc'd; NULL with a problem. */
char *mcp_paths_input(const struct mcp_paths *paths, const char *name,
                      struct server_problem *problem);

/* The name to write a file under: its folder exists and is allowed, and the name is free, or with
 * `overwrite` that of an allowed regular file. Malloc'd; NULL with a problem. */
char *mcp_paths_output(const struct mcp_paths *paths, const char *name, bool overwrite,
                       struct server_problem *problem);

/* "file://" and the name, percent-encoded; malloc'd, NULL without memory. */
char *mcp_paths_uri(const char *path);

#endif
