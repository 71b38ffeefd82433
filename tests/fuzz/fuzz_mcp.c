/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: any bytes as a message of the Model Context Protocol, over standard input or,
 * by the first byte, over HTTP with one of a few headers; on a stand-in for the job engine.
 */
#include <stdlib.h>
#include <unistd.h>

#include "server/mcp.h"
#include "tests/unit/mcp_stand_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *opaque, const struct server_mcp_reply *reply)
{
    int *last = opaque;
    json_t *value = reply->text ? json_loadb(reply->text, reply->size, 0, NULL) : NULL;
    /* What is sent is JSON on one line, and nothing follows the last. */
    if (*last || (reply->text && (!value || memchr(reply->text, '\n', reply->size))))
        __builtin_trap();
    *last = reply->kind != SERVER_MCP_NOTIFICATION;
    json_decref(value);
}

static struct mcp_paths paths;
static char input[64];

static void remove_folder(void)
{
    unlink(input);
    rmdir(paths.folders[0]);
    mcp_paths_free(&paths);
}

/* One allowed folder, with a file in it, for all inputs; gone at the end. */
static const struct mcp_paths *allowed(void)
{
    char folder[] = "/tmp/pipersr-fuzz-XXXXXX";
    if (paths.count > 0)
        return &paths;
    if (!mkdtemp(folder) || !mcp_paths_allow(&paths, folder, NULL))
        abort();
    snprintf(input, sizeof input, "%s/in.png", folder);
    FILE *file = fopen(input, "w");
    if (!file || fclose(file) != 0 || atexit(remove_folder) != 0)
        abort();
    return &paths;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct server_mcp_http headers[] = {
        {NULL, NULL, NULL, "http://127.0.0.1:9998"},
        {"2025-06-18", NULL, NULL, "http://127.0.0.1:9998"},
        {"2026-07-28", "tools/call", "image_upscale", "http://127.0.0.1:9998"},
        {"2026-07-28", "tasks/get", "job0", "http://127.0.0.1:9998"}};
    if (size == 0)
        return 0;
    const unsigned kind = data[0] % 6;
    struct stand_in work = {.mutex = PTHREAD_MUTEX_INITIALIZER, .steps = 1};
    const struct server_mcp_backend backend = stand_in_backend(&work, data[0] & 64);
    struct server_mcp *mcp = server_mcp_create(&backend, allowed());
    struct server_mcp_client *client = server_mcp_client_create(mcp);
    if (!client)
        abort();
    int last = 0;
    struct server_mcp_exchange *exchange = server_mcp_receive(
        client, kind < 4 ? &headers[kind] : NULL, (const char *)data + 1, size - 1, take, &last);
    if (!exchange)
        abort();
    if (data[0] & 128)
        server_mcp_exchange_close(exchange);
    else
        server_mcp_exchange_leave(exchange);
    server_mcp_client_release(client);
    server_mcp_free(mcp);
    return 0;
}
