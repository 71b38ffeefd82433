/* SPDX-License-Identifier: MIT */
#include "server/mcp_revision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/mcp_base64.h"

#define META_VERSION      "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"

static const char modern_version[] = "2026-07-28";
/* Oldest first. */
static const char *const legacy_versions[] = {"2024-11-05", "2025-03-26", "2025-06-18",
                                              "2025-11-25"};
enum { LEGACY_VERSIONS = sizeof legacy_versions / sizeof *legacy_versions };
/* What HTTP without MCP-Protocol-Version means: that header came with the next one. */
static const char *const headerless_version = "2025-03-26";

const char *mcp_revision_find(const char *version)
{
    for (size_t i = 0; version && i < LEGACY_VERSIONS; i++)
        if (strcmp(version, legacy_versions[i]) == 0)
            return legacy_versions[i];
    return NULL;
}

const char *mcp_revision_newest_initialized(void)
{
    return legacy_versions[LEGACY_VERSIONS - 1];
}

json_t *mcp_revision_list(void)
{
    json_t *list = json_pack("[s]", modern_version);
    for (size_t i = LEGACY_VERSIONS; i-- > 0;)
        json_array_append_new(list, json_string(legacy_versions[i]));
    return list;
}

static json_t *unsupported(const json_t *id, const char *version)
{
    return mcp_error(
        id, MCP_UNSUPPORTED_VERSION,
        json_pack("{s:o, s:o}", "supported", mcp_revision_list(), "requested", mcp_text(version)),
        "Unsupported protocol version");
}

/* Is the header, without the spaces around it, this text? */
static bool is_text(const char *header, const char *text)
{
    if (!header)
        return false;
    header += strspn(header, " \t");
    const size_t length = strlen(text);
    return strncmp(header, text, length) == 0 &&
           header[length + strspn(header + length, " \t")] == '\0';
}

/* Is the header, maybe in the form "=?base64?...?=", what the body has? */
static bool is_encoded(const char *header, const char *value)
{
    char *encoded = mcp_base64((const unsigned char *)value, strlen(value)), *whole = NULL;
    if (!encoded || asprintf(&whole, "=?base64?%s?=", encoded) < 0)
        whole = NULL;
    const bool same = whole && is_text(header, whole);
    free(whole);
    free(encoded);
    /* A plain value that looks like an encoded one must be encoded, too. */
    return same || (strncmp(value, "=?base64?", 9) != 0 && is_text(header, value));
}

/* The name that Mcp-Name must repeat, NULL if the method has none. */
static const char *routed_name(const struct mcp_message *message)
{
    static const char *const by_id[] = {"tasks/get", "tasks/update", "tasks/cancel"};
    if (strcmp(message->method, "tools/call") == 0 || strcmp(message->method, "prompts/get") == 0)
        return mcp_string_at(message->params, "name");
    if (strcmp(message->method, "resources/read") == 0)
        return mcp_string_at(message->params, "uri");
    for (size_t i = 0; i < sizeof by_id / sizeof *by_id; i++)
        if (strcmp(message->method, by_id[i]) == 0)
            return mcp_string_at(message->params, "taskId");
    return NULL;
}

static json_t *check_headers(const struct mcp_request *request, const char *version)
{
    const struct server_mcp_http *http = request->http;
    const struct mcp_message *message = request->message;
    const char *name = routed_name(message), *wrong = NULL;
    if (!http)
        return NULL;
    if (!is_text(http->protocol_version, version))
        wrong = "MCP-Protocol-Version";
    else if (!is_text(http->method, message->method))
        wrong = "Mcp-Method";
    else if (name && !is_encoded(http->name, name))
        wrong = "Mcp-Name";
    if (!wrong)
        return NULL;
    return mcp_error(message->id, MCP_HEADER_MISMATCH, NULL,
                     "Header mismatch: the header %s is missing or not what the body says", wrong);
}

/* What is wrong with a request of 2026-07-28 as such, NULL: nothing. */
static json_t *check_modern(struct mcp_request *request)
{
    const struct mcp_message *message = request->message;
    const json_t *meta = json_object_get(message->params, "_meta");
    const json_t *version = json_object_get(meta, META_VERSION);
    const json_t *capabilities = json_object_get(meta, META_CAPABILITIES);
    request->dialect = (struct mcp_dialect){
        .modern = true,
        .structured = true,
        .http = request->http != NULL,
        .tasks = json_is_object(
            json_object_get(json_object_get(capabilities, "extensions"), MCP_TASKS_EXTENSION))};
    if (!json_is_object(meta) || !version || !capabilities)
        return mcp_error(message->id, MCP_INVALID_PARAMS, NULL, "params._meta must have %s and %s",
                         META_VERSION, META_CAPABILITIES);
    if (!json_is_string(version) || !json_is_object(capabilities))
        return mcp_error(message->id, MCP_INVALID_PARAMS, NULL,
                         "%s must be a string and %s an object", META_VERSION, META_CAPABILITIES);
    json_t *mismatch = check_headers(request, json_string_value(version));
    if (mismatch)
        return mismatch;
    return strcmp(json_string_value(version), modern_version) == 0
               ? NULL
               : unsupported(message->id, json_string_value(version));
}

/* The revision of a client that began with "initialize", or with nothing. */
static const char *legacy_version(const struct server_mcp_exchange *exchange,
                                  const struct server_mcp_http *http)
{
    struct server_mcp_client *client = exchange->client;
    pthread_mutex_lock(&client->mutex);
    const char *version = client->version;
    pthread_mutex_unlock(&client->mutex);
    if (http && http->protocol_version)
        version = mcp_revision_find(http->protocol_version);
    if (version)
        return version;
    return http ? headerless_version : mcp_revision_newest_initialized();
}

bool mcp_revision_has_batches(const struct server_mcp_exchange *exchange,
                              const struct server_mcp_http *http)
{
    const char *header = http ? http->protocol_version : NULL;
    return (!header || mcp_revision_find(header)) &&
           strcmp(legacy_version(exchange, http), "2025-03-26") <= 0;
}

static bool is_modern(const struct mcp_request *request)
{
    const struct mcp_message *message = request->message;
    const json_t *meta = json_object_get(message->params, "_meta");
    const char *header = request->http ? request->http->protocol_version : NULL;
    return json_object_get(meta, META_VERSION) || strcmp(message->method, "server/discover") == 0 ||
           (header && strcmp(header, modern_version) == 0 &&
            strcmp(message->method, "initialize") != 0);
}

json_t *mcp_revision_understand(struct mcp_request *request)
{
    if (is_modern(request))
        return check_modern(request);
    const char *header = request->http ? request->http->protocol_version : NULL;
    request->dialect = (struct mcp_dialect){
        .http = request->http != NULL,
        .structured = strcmp(legacy_version(request->exchange, request->http), "2025-06-18") >= 0};
    if (header && !mcp_revision_find(header) && strcmp(request->message->method, "initialize") != 0)
        return unsupported(request->message->id, header);
    return NULL;
}
