/* SPDX-License-Identifier: MIT */
#include "server/mcp_call.h"

#include <stdlib.h>
#include <string.h>

#include "pipersr.h"

/* ------------------------------------------------------------------------------------ service --
 */

struct server_mcp *server_mcp_create(const struct server_mcp_backend *backend,
                                     const struct mcp_paths *paths)
{
    struct server_mcp *mcp = calloc(1, sizeof *mcp);
    if (!mcp)
        return NULL;
    mcp->backend = *backend;
    mcp->paths = paths;
    pthread_mutex_init(&mcp->mutex, NULL);
    pthread_cond_init(&mcp->idle, NULL);
    return mcp;
}

void server_mcp_stop(struct server_mcp *mcp)
{
    atomic_store(&mcp->stopping, true);
}

void server_mcp_free(struct server_mcp *mcp)
{
    if (!mcp)
        return;
    server_mcp_stop(mcp);
    pthread_mutex_lock(&mcp->mutex);
    while (mcp->n_calls > 0)
        pthread_cond_wait(&mcp->idle, &mcp->mutex);
    pthread_mutex_unlock(&mcp->mutex);
    pthread_cond_destroy(&mcp->idle);
    pthread_mutex_destroy(&mcp->mutex);
    free(mcp);
}

/* ------------------------------------------------------------------------------------ clients --
 */

struct server_mcp_client *server_mcp_client_create(struct server_mcp *mcp)
{
    struct server_mcp_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->mcp = mcp;
    atomic_init(&client->references, 1);
    pthread_mutex_init(&client->mutex, NULL);
    return client;
}

struct server_mcp_client *server_mcp_client_share(struct server_mcp_client *client)
{
    atomic_fetch_add(&client->references, 1);
    return client;
}

void server_mcp_client_release(struct server_mcp_client *client)
{
    if (!client || atomic_fetch_sub(&client->references, 1) != 1)
        return;
    pthread_mutex_destroy(&client->mutex);
    free(client);
}

void server_mcp_client_cancel_all(struct server_mcp_client *client)
{
    pthread_mutex_lock(&client->mutex);
    for (struct mcp_call *each = client->calls; each; each = each->next)
        atomic_store(&each->cancelled, true);
    pthread_mutex_unlock(&client->mutex);
}

bool server_mcp_client_is_initialized(struct server_mcp_client *client)
{
    pthread_mutex_lock(&client->mutex);
    const bool initialized = client->version != NULL;
    pthread_mutex_unlock(&client->mutex);
    return initialized;
}

void mcp_call_cancel(struct server_mcp_client *client, const json_t *id)
{
    pthread_mutex_lock(&client->mutex);
    for (struct mcp_call *each = client->calls; each; each = each->next)
        if (json_equal(each->id, id))
            atomic_store(&each->cancelled, true);
    pthread_mutex_unlock(&client->mutex);
}

/* ---------------------------------------------------------------------------------- exchanges --
 */

static void release(struct server_mcp_exchange *exchange)
{
    if (atomic_fetch_sub(&exchange->references, 1) != 1)
        return;
    json_decref(exchange->batch);
    pthread_mutex_destroy(&exchange->mutex);
    server_mcp_client_release(exchange->client);
    free(exchange);
}

void server_mcp_exchange_leave(struct server_mcp_exchange *exchange)
{
    release(exchange);
}

void server_mcp_exchange_close(struct server_mcp_exchange *exchange)
{
    struct server_mcp_client *client = exchange->client;
    pthread_mutex_lock(&exchange->mutex);
    exchange->closed = true;
    pthread_mutex_unlock(&exchange->mutex);
    pthread_mutex_lock(&client->mutex);
    for (struct mcp_call *each = client->calls; each; each = each->next)
        if (each->exchange == exchange && each->dialect.modern &&
            !atomic_load(&client->mcp->stopping))
            atomic_store(&each->cancelled, true);
    pthread_mutex_unlock(&client->mutex);
    release(exchange);
}

/* With the exchange's lock held. Takes `message` over; NULL: nothing to send. */
static void deliver(struct server_mcp_exchange *exchange, enum server_mcp_reply_kind kind,
                    json_t *message, unsigned status)
{
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    const struct server_mcp_reply reply = {.kind = text ? kind : SERVER_MCP_NOTHING,
                                           .text = text,
                                           .size = text ? strlen(text) : 0,
                                           .http_status = status};
    if (!exchange->closed)
        exchange->deliver(exchange->opaque, &reply);
    free(text);
    json_decref(message);
}

void mcp_exchange_answer(struct server_mcp_exchange *exchange, json_t *answer, unsigned status)
{
    pthread_mutex_lock(&exchange->mutex);
    exchange->pending--;
    if (!exchange->batch) {
        deliver(exchange, SERVER_MCP_ANSWER, answer, answer ? status : 202);
    } else {
        if (answer)
            json_array_append_new(exchange->batch, answer);
        if (exchange->pending == 0) {
            const bool any = json_array_size(exchange->batch) > 0;
            deliver(exchange, SERVER_MCP_ANSWER, any ? json_incref(exchange->batch) : NULL,
                    any ? 200 : 202);
        }
    }
    pthread_mutex_unlock(&exchange->mutex);
}

unsigned mcp_http_status(const struct mcp_dialect *dialect, const json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    if (!error)
        return 200;
    const json_int_t code = json_integer_value(json_object_get(error, "code"));
    if (code == MCP_PARSE_ERROR || code == MCP_INVALID_REQUEST || code == MCP_UNSUPPORTED_VERSION)
        return 400;
    if (!dialect->modern || code == MCP_INTERNAL_ERROR)
        return 200;
    return code == MCP_METHOD_NOT_FOUND ? 404 : 400;
}

json_t *mcp_answer(const struct mcp_dialect *dialect, const json_t *id, json_t *result)
{
    if (dialect->modern) {
        if (!json_object_get(result, "resultType"))
            json_object_set_new(result, "resultType", json_string("complete"));
        json_object_set_new(result, "_meta",
                            json_pack("{s:{s:s, s:s, s:s}}", "io.modelcontextprotocol/serverInfo",
                                      "name", "pipersr", "title", "PiperSR", "version",
                                      pipersr_version()));
    }
    return mcp_result(id, result);
}

/* -------------------------------------------------------------------------------------- calls --
 */

static void free_call(struct mcp_call *call)
{
    json_decref(call->id);
    json_decref(call->params);
    json_decref(call->progress_token);
    free(call->url_base);
    free(call);
}

bool mcp_call_is_cancelled(const struct mcp_call *call)
{
    return atomic_load(&call->cancelled);
}

bool mcp_call_is_over(const struct mcp_call *call)
{
    return mcp_call_is_cancelled(call) || atomic_load(&call->exchange->client->mcp->stopping);
}

void mcp_call_notify(struct mcp_call *call, json_t *notification)
{
    struct server_mcp_exchange *exchange = call->exchange;
    pthread_mutex_lock(&exchange->mutex);
    if (mcp_call_is_over(call))
        json_decref(notification);
    else
        deliver(exchange, SERVER_MCP_NOTIFICATION, notification, 200);
    pthread_mutex_unlock(&exchange->mutex);
}

static void leave_client(struct mcp_call *call)
{
    struct server_mcp_client *client = call->exchange->client;
    pthread_mutex_lock(&client->mutex);
    struct mcp_call **link = &client->calls;
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    pthread_mutex_unlock(&client->mutex);
}

static bool count_call(struct server_mcp *mcp, bool starts)
{
    pthread_mutex_lock(&mcp->mutex);
    const bool allowed = !starts || mcp->n_calls < MCP_MAX_CALLS;
    if (starts && allowed)
        mcp->n_calls++;
    else if (!starts && --mcp->n_calls == 0)
        pthread_cond_signal(&mcp->idle);
    pthread_mutex_unlock(&mcp->mutex);
    return allowed;
}

static void *run_call(void *opaque)
{
    struct mcp_call *call = opaque;
    struct server_mcp_exchange *exchange = call->exchange;
    struct server_mcp *mcp = exchange->client->mcp;
    json_t *answer = call->run(call);
    leave_client(call);
    if (mcp_call_is_cancelled(call)) {
        json_decref(answer);
        answer = NULL;
    }
    mcp_exchange_answer(exchange, answer, mcp_http_status(&call->dialect, answer));
    free_call(call);
    release(exchange);
    count_call(mcp, false);
    return NULL;
}

static struct mcp_call *make_call(const struct mcp_dialect *dialect,
                                  const struct mcp_message *message, const char *url_base)
{
    struct mcp_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    const json_t *token =
        json_object_get(json_object_get(message->params, "_meta"), "progressToken");
    call->dialect = *dialect;
    call->id = json_deep_copy(message->id);
    call->params = message->params ? json_deep_copy(message->params) : json_object();
    if (json_is_string(token) || json_is_integer(token))
        call->progress_token = json_deep_copy(token);
    call->url_base = url_base ? strdup(url_base) : NULL;
    atomic_init(&call->cancelled, false);
    if (call->id && call->params && (call->url_base || !url_base))
        return call;
    free_call(call);
    return NULL;
}

bool mcp_call_start(struct server_mcp_exchange *exchange, const struct mcp_dialect *dialect,
                    const struct mcp_message *message, const char *url_base, enum mcp_tool tool,
                    json_t *(*run)(struct mcp_call *call))
{
    struct server_mcp_client *client = exchange->client;
    if (!count_call(client->mcp, true))
        return false;
    struct mcp_call *call = make_call(dialect, message, url_base);
    pthread_attr_t attributes;
    pthread_t thread;
    bool started = false;
    if (call && pthread_attr_init(&attributes) == 0) {
        call->exchange = exchange;
        call->tool = tool;
        call->run = run;
        atomic_fetch_add(&exchange->references, 1);
        pthread_mutex_lock(&client->mutex);
        call->next = client->calls;
        client->calls = call;
        pthread_mutex_unlock(&client->mutex);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        started = pthread_create(&thread, &attributes, run_call, call) == 0;
        pthread_attr_destroy(&attributes);
        if (!started) {
            leave_client(call);
            release(exchange);
        }
    }
    if (!started) {
        if (call)
            free_call(call);
        count_call(client->mcp, false);
    }
    return started;
}
