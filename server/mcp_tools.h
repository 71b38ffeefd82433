/* SPDX-License-Identifier: MIT
 *
 * What the tools do. Each function runs in the call's thread, waits where it must, and returns the
 * message that answers the call.
 */
#ifndef SERVER_MCP_TOOLS_H
#define SERVER_MCP_TOOLS_H

#include "server/mcp_call.h"

/* tools/call of call->tool, whose params have been looked at. */
json_t *mcp_tool_run(struct mcp_call *call);

/* tasks/cancel of a task that is there. */
json_t *mcp_task_cancel(struct mcp_call *call);

/* resources/read. */
json_t *mcp_resource_read(struct mcp_call *call);

/* The results of the newest jobs, as resources/list tells them: a new array. */
json_t *mcp_resource_list(const struct server_mcp_backend *backend, const char *url_base);

#endif
