/* SPDX-License-Identifier: MIT
 *
 * The state folder of one `pipersr mcp`, which goes when it ends.
 */
#ifndef SERVER_MCP_SCRATCH_H
#define SERVER_MCP_SCRATCH_H

/* Makes one in TMPDIR, else in /var/tmp, and removes those that killed processes of this user left
 * there. Malloc'd; NULL with errno. */
char *mcp_scratch_make(void);

#endif
