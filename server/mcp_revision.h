/* SPDX-License-Identifier: MIT
 *
 * Which revision of the protocol a request speaks, and whether it says all that this one demands.
 */
#ifndef SERVER_MCP_REVISION_H
#define SERVER_MCP_REVISION_H

#include "server/mcp_call.h"

#define MCP_TASKS_EXTENSION "io.modelcontextprotocol/tasks"

/* A request on its way to its answer. */
struct mcp_request {
    struct server_mcp_exchange *exchange;
    const struct server_mcp_http *http; /* NULL: none */
    const struct mcp_message *message;
    struct mcp_dialect dialect;
};

/* The constant for a revision that begins with "initialize"; NULL for any other text, or NULL. */
const char *mcp_revision_find(const char *version);

/* The newest of those. */
const char *mcp_revision_newest_initialized(void);

/* All that are spoken, newest first: a new array. */
json_t *mcp_revision_list(void);

/* Fills request->dialect. An error if the request cannot be taken, else NULL. */
json_t *mcp_revision_understand(struct mcp_request *request);

/* May the client send batches? 2025-03-26 has them and, as plain JSON-RPC, the revision before. */
bool mcp_revision_has_batches(const struct server_mcp_exchange *exchange,
                              const struct server_mcp_http *http);

#endif
