/* SPDX-License-Identifier: MIT
 *
 * Sessions of HTTP clients that begin with "initialize": an id that they send back, so that a
 * notification can cancel a call that came in another request. 2026-07-28 has none.
 */
#ifndef SERVER_MCP_SESSIONS_H
#define SERVER_MCP_SESSIONS_H

#include "server/folder.h"
#include "server/mcp.h"

struct mcp_sessions;

/* NULL without memory. */
struct mcp_sessions *mcp_sessions_open(void);

/* NULL is allowed. */
void mcp_sessions_close(struct mcp_sessions *sessions);

/* Keeps the client, with a reference of its own, under a new id. The session that was used the
 * longest time ago makes room. False without random numbers or memory. */
bool mcp_sessions_add(struct mcp_sessions *sessions, struct server_mcp_client *client,
                      char id[SERVER_ID_SIZE]);

/* The client of a session, to be released; NULL: there is no such session, or no more. */
struct server_mcp_client *mcp_sessions_find(struct mcp_sessions *sessions, const char *id);

/* Ends a session and its calls in progress. False if there is none. */
bool mcp_sessions_remove(struct mcp_sessions *sessions, const char *id);

#endif
