/* SPDX-License-Identifier: MIT
 *
 * JSON-RPC 2.0 as the Model Context Protocol uses it: what a message is, and how answers look.
 */
#ifndef SERVER_MCP_MESSAGE_H
#define SERVER_MCP_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    MCP_PARSE_ERROR = -32700,
    MCP_INVALID_REQUEST = -32600,
    MCP_METHOD_NOT_FOUND = -32601,
    MCP_INVALID_PARAMS = -32602,
    MCP_INTERNAL_ERROR = -32603,
    MCP_RESOURCE_NOT_FOUND = -32002, /* revisions up to 2025-11-25 */
    /* Revision 2026-07-28. */
    MCP_HEADER_MISMATCH = -32020,
    MCP_MISSING_CAPABILITY = -32021,
    MCP_UNSUPPORTED_VERSION = -32022
};

enum mcp_message_type { MCP_REQUEST, MCP_NOTIFICATION, MCP_RESPONSE, MCP_MALFORMED };

/* Borrowed from the message. `params` is NULL where the message has none. A malformed message has
 * its id where that could be read, and `fault`, a constant, says what is wrong. */
struct mcp_message {
    enum mcp_message_type type;
    const json_t *id;
    const char *method;
    const json_t *params;
    const char *fault;
};

/* Reads one JSON value of `size` bytes; NULL, with one line in `fault`, if it is none. An object
 * that has a key twice is refused: two readers could take different values. */
json_t *mcp_parse(const char *text, size_t size, char *fault, size_t fault_size);

void mcp_classify(const json_t *value, struct mcp_message *message);

/* New references. `id` may be NULL: null. `result` and `data` are taken over; `data` may be NULL.
 */
json_t *mcp_result(const json_t *id, json_t *result);
json_t *mcp_error(const json_t *id, int code, json_t *data, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
json_t *mcp_notification(const char *method, json_t *params);

/* A string, or where `text` is no UTF-8 one with '?' in the place of such bytes. NULL: null. */
json_t *mcp_text(const char *text);

/* The string at `key` of `object` (may be NULL), or NULL. */
const char *mcp_string_at(const json_t *object, const char *key);

#endif
