/* SPDX-License-Identifier: MIT
 *
 * The tools as clients see them: names, texts and JSON Schemas (2020-12), and the check of a call's
 * arguments against them.
 */
#ifndef SERVER_MCP_SCHEMA_H
#define SERVER_MCP_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

#include "server/problem.h"

enum mcp_tool {
    MCP_VIDEO_UPSCALE,
    MCP_IMAGE_UPSCALE,
    MCP_UPSCALE_STATUS,
    MCP_UPSCALE_CANCEL,
    MCP_MODELS_LIST,
    MCP_TOOLS
};

/* Seconds that a call waits at most for a client that gets no progress: many give up after 60. */
enum { MCP_MAX_WAIT_S = 50 };

/* False if no tool has this name. */
bool mcp_tool_find(const char *name, enum mcp_tool *tool);

/* The tools of tools/list, a new array. `structured`: with outputSchema and title, which revisions
 * before 2025-06-18 lack; `uploads`: with the argument "upload". */
json_t *mcp_tool_list(bool structured, bool uploads);

/* Is each argument one of the tool's, of its type, in its range, and none missing? False with a
 * problem, one line that a model can correct itself by. `arguments` may be NULL: none. */
bool mcp_tool_check(enum mcp_tool tool, const json_t *arguments, bool uploads,
                    struct server_problem *problem);

/* Is it an option of the job, not an argument of the call? */
bool mcp_tool_is_option(const char *argument);

#endif
