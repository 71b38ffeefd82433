/* SPDX-License-Identifier: MIT
 *
 * The Model Context Protocol at /mcp: each message is a POST; its answer is JSON, or a stream of
 * events where progress comes before it.
 */
#ifndef SERVER_MCP_HTTP_H
#define SERVER_MCP_HTTP_H

#include "server/mcp_paths.h"
#include "server/uploads.h"

struct server_request;

/* What /mcp needs; a member of struct server_http. */
struct server_mcp_service;

/* All of them are borrowed. NULL without memory. */
struct server_mcp_service *server_mcp_service_open(struct server_jobs *jobs,
                                                   struct server_uploads *uploads,
                                                   const struct mcp_paths *paths);

/* Calls in progress end without an answer; their jobs go on. */
void server_mcp_service_stop(struct server_mcp_service *service);

/* No request may be in progress any more. NULL is allowed. */
void server_mcp_service_close(struct server_mcp_service *service);

#endif
