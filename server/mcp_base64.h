/* SPDX-License-Identifier: MIT
 *
 * Base64 (RFC 4648, section 4).
 */
#ifndef SERVER_MCP_BASE64_H
#define SERVER_MCP_BASE64_H

#include <stddef.h>

/* With padding, malloc'd; NULL without memory. */
char *mcp_base64(const unsigned char *bytes, size_t size);

#endif
