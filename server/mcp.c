/* SPDX-License-Identifier: MIT */
#include "server/mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipersr.h"
#include "server/mcp_job.h"
#include "server/mcp_revision.h"
#include "server/mcp_tools.h"

/* Messages of a batch at most. */
enum { MAX_BATCH = 100 };

/* ------------------------------------------------------------------------------ what is asked --
 */

static json_t *server_info(void)
{
    return json_pack("{s:s, s:s, s:s}", "name", "pipersr", "title", "PiperSR", "version",
                     pipersr_version());
}

static json_t *instructions(const struct server_mcp *mcp)
{
    const struct mcp_paths *paths = mcp->paths;
    char *text = NULL;
    if (asprintf(
            &text,
            "Enlarges photos and videos on this machine. %s%s%s. Outputs never overwrite a file "
            "without force. Videos take long: start them with wait=false and poll "
            "upscale_status, or ask for progress.",
            paths->count ? "Files are named by their paths, in " : "Files must be uploaded",
            paths->count ? paths->folders[0] : "",
            paths->count > 1 ? " and other allowed folders" : "") < 0)
        return json_null();
    json_t *instructions = mcp_text(text);
    free(text);
    return instructions;
}

static json_t *initialize(const struct mcp_request *request)
{
    const struct mcp_message *message = request->message;
    struct server_mcp_client *client = request->exchange->client;
    const char *wanted = mcp_string_at(message->params, "protocolVersion");
    if (!wanted)
        return mcp_error(message->id, MCP_INVALID_PARAMS, NULL,
                         "initialize needs params.protocolVersion");
    if (request->exchange->batch)
        return mcp_error(message->id, MCP_INVALID_REQUEST, NULL,
                         "initialize must not be part of a batch");
    const char *version = mcp_revision_find(wanted);
    if (!version)
        version = mcp_revision_newest_initialized();
    pthread_mutex_lock(&client->mutex);
    client->version = version;
    pthread_mutex_unlock(&client->mutex);
    return mcp_result(message->id,
                      json_pack("{s:s, s:{s:{}, s:{}}, s:o, s:o}", "protocolVersion", version,
                                "capabilities", "tools", "resources", "serverInfo", server_info(),
                                "instructions", instructions(client->mcp)));
}

/* What clients may keep, and for how long; lists of one server do not change while it runs. */
static json_t *with_lifetime(const struct mcp_request *request, json_t *result, int ttl_ms,
                             const char *scope)
{
    if (request->dialect.modern) {
        json_object_set_new(result, "ttlMs", json_integer(ttl_ms));
        json_object_set_new(result, "cacheScope", json_string(scope));
    }
    return mcp_answer(&request->dialect, request->message->id, result);
}

enum { LIST_TTL_MS = 300000 };

static json_t *discover(const struct mcp_request *request)
{
    const struct server_mcp *mcp = request->exchange->client->mcp;
    return with_lifetime(request,
                         json_pack("{s:o, s:{s:{}, s:{}, s:{s:{}}}, s:o, s:o}", "supportedVersions",
                                   mcp_revision_list(), "capabilities", "tools", "resources",
                                   "extensions", MCP_TASKS_EXTENSION, "serverInfo", server_info(),
                                   "instructions", instructions(mcp)),
                         LIST_TTL_MS, "private");
}

static json_t *list(const struct mcp_request *request, const char *what)
{
    const struct server_mcp_backend *backend = &request->exchange->client->mcp->backend;
    if (json_object_get(request->message->params, "cursor"))
        return mcp_error(request->message->id, MCP_INVALID_PARAMS, NULL,
                         "there is no such cursor: lists come whole");
    if (strcmp(what, "tools") == 0)
        return with_lifetime(
            request,
            json_pack("{s:o}", what,
                      mcp_tool_list(request->dialect.structured, backend->has_uploads)),
            LIST_TTL_MS, "public");
    const char *url_base = request->http ? request->http->url_base : NULL;
    const bool templates = strcmp(what, "resourceTemplates") == 0;
    return with_lifetime(
        request,
        json_pack("{s:o}", what, templates ? json_array() : mcp_resource_list(backend, url_base)),
        templates ? LIST_TTL_MS : 0, "private");
}

/* ------------------------------------------------------------------------------ what is done -- */

/* Goes on in a thread of its own: NULL, or an error if it cannot. */
static json_t *start(const struct mcp_request *request, enum mcp_tool tool,
                     json_t *(*run)(struct mcp_call *call))
{
    if (mcp_call_start(request->exchange, &request->dialect, request->message,
                       request->http ? request->http->url_base : NULL, tool, run))
        return NULL;
    return mcp_error(request->message->id, MCP_INTERNAL_ERROR, NULL,
                     "too many calls are in progress; try again, or call with wait=false");
}

static json_t *call_tool(const struct mcp_request *request)
{
    const struct mcp_message *message = request->message;
    const char *name = mcp_string_at(message->params, "name");
    const json_t *arguments = json_object_get(message->params, "arguments");
    enum mcp_tool tool;
    if (!name)
        return mcp_error(message->id, MCP_INVALID_PARAMS, NULL, "tools/call needs params.name");
    if (!mcp_tool_find(name, &tool))
        return mcp_error(message->id, MCP_INVALID_PARAMS, NULL, "Unknown tool: %.100s", name);
    if (arguments && !json_is_object(arguments))
        return mcp_error(message->id, MCP_INVALID_PARAMS, NULL, "arguments is not an object");
    return start(request, tool, mcp_tool_run);
}

static json_t *read_resource(const struct mcp_request *request)
{
    if (!mcp_string_at(request->message->params, "uri"))
        return mcp_error(request->message->id, MCP_INVALID_PARAMS, NULL,
                         "resources/read needs params.uri");
    return start(request, MCP_TOOLS, mcp_resource_read);
}

static json_t *task(const struct mcp_request *request, const char *what)
{
    const struct mcp_message *message = request->message;
    const struct server_mcp_backend *backend = &request->exchange->client->mcp->backend;
    const char *id = mcp_string_at(message->params, "taskId");
    if (!request->dialect.tasks)
        return mcp_error(
            message->id, MCP_MISSING_CAPABILITY,
            json_pack("{s:{s:{s:{}}}}", "requiredCapabilities", "extensions", MCP_TASKS_EXTENSION),
            "Missing required client capability");
    json_t *document = id ? backend->document(backend->opaque, id) : NULL;
    if (!document)
        return mcp_error(message->id, MCP_INVALID_PARAMS, NULL, "there is no task '%.60s'",
                         id ? id : "");
    json_t *answer = NULL;
    if (strcmp(what, "cancel") == 0)
        answer = start(request, MCP_TOOLS, mcp_task_cancel);
    else if (strcmp(what, "get") == 0)
        answer = mcp_answer(
            &request->dialect, message->id,
            mcp_job_task(document, request->http ? request->http->url_base : NULL, true));
    else /* no task ever asks for input: there is nothing to take */
        answer = mcp_answer(&request->dialect, message->id, json_object());
    json_decref(document);
    return answer;
}

/* The answer, or NULL: it comes later. */
static json_t *dispatch(const struct mcp_request *request)
{
    const char *method = request->message->method;
    const bool modern = request->dialect.modern;
    if (strcmp(method, "tools/call") == 0)
        return call_tool(request);
    if (strcmp(method, "tools/list") == 0)
        return list(request, "tools");
    if (strcmp(method, "resources/list") == 0)
        return list(request, "resources");
    if (strcmp(method, "resources/templates/list") == 0)
        return list(request, "resourceTemplates");
    if (strcmp(method, "resources/read") == 0)
        return read_resource(request);
    if (modern && strcmp(method, "server/discover") == 0)
        return discover(request);
    if (modern && (strcmp(method, "tasks/get") == 0 || strcmp(method, "tasks/update") == 0 ||
                   strcmp(method, "tasks/cancel") == 0))
        return task(request, method + sizeof "tasks/" - 1);
    if (!modern && strcmp(method, "initialize") == 0)
        return initialize(request);
    if (!modern && strcmp(method, "ping") == 0)
        return mcp_result(request->message->id, json_object());
    return mcp_error(request->message->id, MCP_METHOD_NOT_FOUND, NULL, "Method not found: %.100s",
                     method);
}

/* ------------------------------------------------------------------------------------ messages --
 */

static void take_notification(struct server_mcp_client *client, const struct mcp_message *message)
{
    const json_t *id = json_object_get(message->params, "requestId");
    if (strcmp(message->method, "notifications/cancelled") == 0 && id)
        mcp_call_cancel(client, id);
}

/* Of a request or a malformed message. */
static void take_request(struct server_mcp_exchange *exchange, const struct server_mcp_http *http,
                         const struct mcp_message *message)
{
    struct mcp_request request = {.exchange = exchange, .http = http, .message = message};
    json_t *answer = NULL;
    if (message->type == MCP_MALFORMED)
        answer = mcp_error(message->id, MCP_INVALID_REQUEST, NULL, "%s", message->fault);
    else if (!(answer = mcp_revision_understand(&request)) && !(answer = dispatch(&request)))
        return;
    mcp_exchange_answer(exchange, answer, mcp_http_status(&request.dialect, answer));
}

static const char *refuse_batch(const struct server_mcp_exchange *exchange,
                                const struct server_mcp_http *http, const json_t *batch)
{
    if (!mcp_revision_has_batches(exchange, http))
        return "this revision of the protocol has no batches";
    if (json_array_size(batch) == 0)
        return "the batch is empty";
    return json_array_size(batch) > MAX_BATCH ? "the batch has more than 100 messages" : NULL;
}

static bool is_answered(const json_t *value)
{
    struct mcp_message message;
    mcp_classify(value, &message);
    return message.type == MCP_REQUEST || message.type == MCP_MALFORMED;
}

static void take(struct server_mcp_exchange *exchange, const struct server_mcp_http *http,
                 const json_t *value)
{
    struct mcp_message message;
    mcp_classify(value, &message);
    if (message.type == MCP_NOTIFICATION)
        take_notification(exchange->client, &message);
    else if (message.type != MCP_RESPONSE)
        take_request(exchange, http, &message);
}

static void take_batch(struct server_mcp_exchange *exchange, const struct server_mcp_http *http,
                       const json_t *batch)
{
    const char *fault = refuse_batch(exchange, http, batch);
    size_t i;
    json_t *each;
    if (fault) {
        exchange->pending = 1;
        mcp_exchange_answer(exchange, mcp_error(NULL, MCP_INVALID_REQUEST, NULL, "%s", fault), 400);
        return;
    }
    exchange->batch = json_array();
    /* One more than there are, so that nothing ends before all are taken. */
    exchange->pending = 1;
    json_array_foreach(batch, i, each)
    {
        exchange->pending += is_answered(each);
    }
    json_array_foreach(batch, i, each)
    {
        take(exchange, http, each);
    }
    mcp_exchange_answer(exchange, NULL, 202);
}

struct server_mcp_exchange *server_mcp_receive(struct server_mcp_client *client,
                                               const struct server_mcp_http *http, const char *text,
                                               size_t size, server_mcp_deliver *deliver,
                                               void *opaque)
{
    struct server_mcp_exchange *exchange = calloc(1, sizeof *exchange);
    char fault[200];
    if (!exchange)
        return NULL;
    /* One for whoever called, one for this function. */
    atomic_init(&exchange->references, 2);
    pthread_mutex_init(&exchange->mutex, NULL);
    exchange->client = server_mcp_client_share(client);
    exchange->deliver = deliver;
    exchange->opaque = opaque;
    json_t *value =
        size <= SERVER_MCP_MAX_MESSAGE ? mcp_parse(text, size, fault, sizeof fault) : NULL;
    exchange->pending = 1;
    if (size > SERVER_MCP_MAX_MESSAGE)
        mcp_exchange_answer(
            exchange, mcp_error(NULL, MCP_INVALID_REQUEST, NULL, "the message has more than 1 MiB"),
            400);
    else if (!value)
        mcp_exchange_answer(exchange, mcp_error(NULL, MCP_PARSE_ERROR, NULL, "%s", fault), 400);
    else if (json_is_array(value))
        take_batch(exchange, http, value);
    else if (is_answered(value))
        take(exchange, http, value);
    else
        take(exchange, http, value), mcp_exchange_answer(exchange, NULL, 202);
    json_decref(value);
    server_mcp_exchange_leave(exchange);
    return exchange;
}
