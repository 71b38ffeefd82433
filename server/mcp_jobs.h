/* SPDX-License-Identifier: MIT
 *
 * The job engine as the backend of the Model Context Protocol.
 */
#ifndef SERVER_MCP_JOBS_H
#define SERVER_MCP_JOBS_H

#include "server/mcp_backend.h"
#include "server/uploads.h"

struct server_mcp_jobs {
    struct server_jobs *jobs;
    struct server_uploads *uploads; /* NULL: there are none */
};

/* `jobs`, and what it points to, must outlive it. */
struct server_mcp_backend server_mcp_jobs_backend(struct server_mcp_jobs *jobs);

#endif
