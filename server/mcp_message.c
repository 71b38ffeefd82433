/* SPDX-License-Identifier: MIT */
#include "server/mcp_message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *mcp_parse(const char *text, size_t size, char *fault, size_t fault_size)
{
    json_error_t error;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value)
        snprintf(fault, fault_size, "this is no JSON: %s (byte %d)", error.text, error.position);
    return value;
}

static void malformed(struct mcp_message *message, const char *fault)
{
    message->type = MCP_MALFORMED;
    message->fault = fault;
}

void mcp_classify(const json_t *value, struct mcp_message *message)
{
    *message = (struct mcp_message){.type = MCP_REQUEST};
    if (!json_is_object(value)) {
        malformed(message, "a message is a JSON object");
        return;
    }
    const json_t *id = json_object_get(value, "id");
    if (json_is_string(id) || json_is_integer(id))
        message->id = id;
    const char *version = mcp_string_at(value, "jsonrpc");
    const json_t *method = json_object_get(value, "method");
    const json_t *params = json_object_get(value, "params");
    if (!version || strcmp(version, "2.0") != 0) {
        malformed(message, "\"jsonrpc\" is not \"2.0\"");
    } else if (!method && (json_object_get(value, "result") || json_object_get(value, "error"))) {
        message->type = MCP_RESPONSE;
    } else if (!json_is_string(method)) {
        malformed(message, "\"method\" is not a string");
    } else if (id && !message->id) {
        malformed(message, "\"id\" is neither a string nor a whole number");
    } else if (params && !json_is_object(params)) {
        malformed(message, "\"params\" is not an object");
    } else {
        message->method = json_string_value(method);
        message->params = params;
        message->type = id ? MCP_REQUEST : MCP_NOTIFICATION;
    }
}

static json_t *copy_id(const json_t *id)
{
    return id ? json_deep_copy(id) : json_null();
}

json_t *mcp_result(const json_t *id, json_t *result)
{
    return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", copy_id(id), "result", result);
}

json_t *mcp_error(const json_t *id, int code, json_t *data, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    json_t *error = json_pack("{s:i, s:o}", "code", code, "message",
                              text ? mcp_text(text) : json_string("out of memory"));
    free(text);
    if (data)
        json_object_set_new(error, "data", data);
    return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", copy_id(id), "error", error);
}

json_t *mcp_notification(const char *method, json_t *params)
{
    return json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params);
}

json_t *mcp_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *string = json_string(text);
    if (string)
        return string;
    char *copy = strdup(text);
    if (!copy)
        return json_null();
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    string = json_string(copy);
    free(copy);
    return string;
}

const char *mcp_string_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}
