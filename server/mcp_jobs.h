/* SPDX-License-Identifier: MIT
 *
 * The job engine as the backend of the Model Context Protocol.
 */
#ifndef SERVER_MCP_JOBS_H
#define SERVER_MCP_JOBS_H

#include "server/jobs.h"
#include "server/mcp_backend.h"

/* `jobs` must outlive it. */
struct server_mcp_backend server_mcp_jobs_backend(struct server_jobs *jobs);

#endif
