/* SPDX-License-Identifier: MIT
 *
 * The Model Context Protocol without a transport and without work: server/mcp on a stand-in for the
 * job engine.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "mcp_stand_in.h"
#include "server/mcp.h"

#define META                                                                                       \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define META_TASKS                                                                                 \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{\"extensions\":"                              \
    "{\"io.modelcontextprotocol/tasks\":{}}}}"
#define UPSCALE(id, arguments, meta)                                                               \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"tools/call\",\"params\":{\"name\":"           \
    "\"image_upscale\",\"arguments\":{" arguments "}" meta "}}"

static struct stand_in work = {.mutex = PTHREAD_MUTEX_INITIALIZER, .steps = 3, .step_ms = 1};
static struct mcp_paths paths;

/* What came back for one message. */
struct answer {
    pthread_mutex_t mutex;
    pthread_cond_t over;
    bool ended;
    unsigned status;
    int notifications;
    json_int_t progress; /* the last one that was told */
    bool rises;
    json_t *value; /* NULL: nothing */
};

static void take(void *opaque, const struct server_mcp_reply *reply)
{
    struct answer *answer = opaque;
    json_t *value = reply->text ? json_loadb(reply->text, reply->size, 0, NULL) : NULL;
    pthread_mutex_lock(&answer->mutex);
    if (reply->kind == SERVER_MCP_NOTIFICATION) {
        const json_int_t progress =
            json_integer_value(json_object_get(json_object_get(value, "params"), "progress"));
        answer->rises = answer->rises && (!answer->notifications || progress > answer->progress);
        answer->progress = progress;
        answer->notifications++;
        json_decref(value);
    } else {
        CHECK(!answer->ended, "two last replies");
        answer->value = value;
        answer->status = reply->http_status;
        answer->ended = true;
        pthread_cond_signal(&answer->over);
    }
    pthread_mutex_unlock(&answer->mutex);
}

static void begin(struct answer *answer)
{
    *answer = (struct answer){
        .mutex = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER, .rises = true};
}

static void finish(struct answer *answer)
{
    pthread_mutex_lock(&answer->mutex);
    while (!answer->ended)
        pthread_cond_wait(&answer->over, &answer->mutex);
    pthread_mutex_unlock(&answer->mutex);
}

/* Sends a message and waits for all that answers it. */
static struct answer ask(struct server_mcp_client *client, const struct server_mcp_http *http,
                         const char *text)
{
    struct answer answer;
    begin(&answer);
    struct server_mcp_exchange *exchange =
        server_mcp_receive(client, http, text, strlen(text), take, &answer);
    finish(&answer);
    server_mcp_exchange_close(exchange);
    return answer;
}

static const json_t *at(const json_t *value, const char *first, const char *second)
{
    const json_t *found = json_object_get(value, first);
    return second ? json_object_get(found, second) : found;
}

static int code_of(const struct answer *answer)
{
    return (int)json_integer_value(at(answer->value, "error", "code"));
}

static const char *text_at(const json_t *value, const char *first, const char *second)
{
    const char *text = json_string_value(at(value, first, second));
    return text ? text : "";
}

static bool is_error(const struct answer *answer)
{
    return json_is_true(at(answer->value, "result", "isError"));
}

static void free_answer(struct answer *answer)
{
    json_decref(answer->value);
}

/* ----------------------------------------------------------------------------------- the tests --
 */

static void test_malformed(struct server_mcp_client *client)
{
    static const struct {
        const char *text;
        int code;
        unsigned status;
    } cases[] = {
        {"{", -32700, 400},
        {"", -32700, 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", -32700, 400},
        {"7", -32600, 400},
        {"{\"id\":1,\"method\":\"ping\"}", -32600, 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", -32600, 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", -32600, 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", -32600, 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[]}", -32600, 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nope\"}", -32601, 200},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nope\",\"params\":{" META "}}", -32601, 404},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{" META "}}", -32601,
         404},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\"}", -32602, 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"x\"}}",
         -32602, 200},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"cursor\":\"x\"}}",
         -32602, 200},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"_meta\":{"
         "\"io.modelcontextprotocol/protocolVersion\":\"1900-01-01\","
         "\"io.modelcontextprotocol/clientCapabilities\":{}}}}",
         -32022, 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tasks/"
         "get\",\"params\":{\"taskId\":\"job0\"," META "}}",
         -32021, 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tasks/"
         "get\",\"params\":{\"taskId\":\"no\"," META_TASKS "}}",
         -32602, 400},
        {"[]", -32600, 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = ask(client, NULL, cases[i].text);
        CHECK(code_of(&answer) == cases[i].code, "%s: code %d", cases[i].text, code_of(&answer));
        CHECK(answer.status == cases[i].status, "%s: status %u", cases[i].text, answer.status);
        free_answer(&answer);
    }
}

static void test_silent(struct server_mcp_client *client)
{
    static const char *const texts[] = {
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":9}}",
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct answer answer = ask(client, NULL, texts[i]);
        CHECK(!answer.value && answer.status == 202, "%s", texts[i]);
        free_answer(&answer);
    }
}

/* The answer names the revision that was asked for, or the newest that begins like this. */
static void test_initialize(struct server_mcp *mcp)
{
    static const char *const asked[][2] = {
        {"2024-11-05", "2024-11-05"}, {"2025-03-26", "2025-03-26"}, {"2025-06-18", "2025-06-18"},
        {"2025-11-25", "2025-11-25"}, {"2026-07-28", "2025-11-25"}, {"1.0", "2025-11-25"}};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct server_mcp_client *client = server_mcp_client_create(mcp);
        char text[200];
        snprintf(text, sizeof text,
                 "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"initialize\",\"params\":"
                 "{\"protocolVersion\":\"%s\"}}",
                 asked[i][0]);
        struct answer answer = ask(client, NULL, text);
        CHECK(strcmp(text_at(answer.value, "result", "protocolVersion"), asked[i][1]) == 0, "%s",
              asked[i][0]);
        CHECK(server_mcp_client_is_initialized(client), "%s", asked[i][0]);
        free_answer(&answer);
        answer = ask(client, NULL,
                     "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},"
                     "{\"jsonrpc\":\"2.0\",\"method\":\"x\"},"
                     "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\","
                     "\"params\":{\"name\":\"models_list\"}}]");
        if (strcmp(asked[i][1], "2025-03-26") <= 0)
            CHECK(json_array_size(answer.value) == 2, "a batch of %s", asked[i][1]);
        else
            CHECK(code_of(&answer) == -32600, "a batch of %s", asked[i][1]);
        free_answer(&answer);
        answer = ask(client, NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}");
        const json_t *tool = json_array_get(at(answer.value, "result", "tools"), 0);
        CHECK(!json_object_get(tool, "outputSchema") == (strcmp(asked[i][1], "2025-06-18") < 0),
              "schemas of %s", asked[i][1]);
        free_answer(&answer);
        server_mcp_client_release(client);
    }
}

static void test_discover(struct server_mcp_client *client)
{
    struct answer answer =
        ask(client, NULL,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{" META "}}");
    const json_t *result = at(answer.value, "result", NULL);
    CHECK(strcmp(text_at(result, "resultType", NULL), "complete") == 0, "resultType");
    CHECK(json_is_integer(at(result, "ttlMs", NULL)), "ttlMs");
    CHECK(json_array_size(at(result, "supportedVersions", NULL)) == 5, "versions");
    CHECK(json_is_object(at(result, "capabilities", "extensions")), "extensions");
    CHECK(json_is_object(at(result, "_meta", "io.modelcontextprotocol/serverInfo")), "server");
    free_answer(&answer);
}

static void test_headers(struct server_mcp_client *client)
{
    static const char call[] = UPSCALE("1", "\"input\":\"in.png\",\"wait\":false", "," META);
    static const struct {
        struct server_mcp_http http;
        int code;
    } cases[] = {
        {{"2026-07-28", "tools/call", "image_upscale", NULL}, 0},
        {{" 2026-07-28", "tools/call ", "\timage_upscale ", NULL}, 0},
        {{"2026-07-28", "tools/call", "=?base64?aW1hZ2VfdXBzY2FsZQ==?=", NULL}, 0},
        {{"2026-07-28", "tools/call", "=?base64?aW1hZ2VfdXBzY2FsZQ?=", NULL}, -32020},
        {{"2026-07-28", "tools/call", NULL, NULL}, -32020},
        {{"2026-07-28", "tools/list", "image_upscale", NULL}, -32020},
        {{"2025-11-25", "tools/call", "image_upscale", NULL}, -32020},
        {{NULL, "tools/call", "image_upscale", NULL}, -32020},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = ask(client, &cases[i].http, call);
        CHECK(code_of(&answer) == cases[i].code, "case %zu: %d", i, code_of(&answer));
        free_answer(&answer);
    }
    const struct server_mcp_http unknown = {"2099-01-01", NULL, NULL, NULL};
    struct answer answer =
        ask(client, &unknown, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
    CHECK(code_of(&answer) == -32022 && answer.status == 400, "an unknown header");
    free_answer(&answer);
}

static void test_arguments(struct server_mcp_client *client)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {UPSCALE("1", "", ""), "input"},
        {UPSCALE("1", "\"input\":7", ""), "input takes a string"},
        {UPSCALE("1", "\"input\":\"in.png\",\"crf\":3", ""), "no argument 'crf'"},
        {UPSCALE("1", "\"input\":\"in.png\",\"scale\":3", ""), "scale takes one of: 2, 4"},
        {UPSCALE("1", "\"input\":\"in.png\",\"quality\":101", ""), "1 to 100"},
        {UPSCALE("1", "\"input\":\"in.png\",\"quality\":\"9\"", ""), "whole number"},
        {UPSCALE("1", "\"input\":\"in.png\",\"force\":1", ""), "true or false"},
        {UPSCALE("1", "\"input\":\"in.png\",\"model\":\"/etc/passwd\"", ""), "pipersr-x2"},
        {UPSCALE("1", "\"upload\":\"x\"", ""), "no argument 'upload'"},
        {UPSCALE("1", "\"input\":\"none.png\"", ""), "No such file"},
        {UPSCALE("1", "\"input\":\"/etc/passwd\"", ""), "allowed"},
        {UPSCALE("1", "\"input\":\"/etc/no-such-file\"", ""), "allowed"},
        {UPSCALE("1", "\"input\":\"../in.png\"", ""), "allowed"},
        {UPSCALE("1", "\"input\":\"away.png\"", ""), "allowed"},
        {UPSCALE("1", "\"input\":\"folder\"", ""), "regular file"},
        {UPSCALE("1", "\"input\":\"fifo\"", ""), "regular file"},
        {UPSCALE("1", "\"input\":\"in.png\",\"output\":\"in.png\"", ""), "force"},
        {UPSCALE("1", "\"input\":\"in.png\",\"output\":\"in.png\",\"force\":true", ""),
         "the output is the input"},
        {UPSCALE("1", "\"input\":\"in.png\",\"output\":\"/etc/x.png\"", ""), "allowed"},
        {UPSCALE("1", "\"input\":\"in.png\",\"output\":\"/no/such/x.png\"", ""), "allowed"},
        {UPSCALE("1", "\"input\":\"in.png\",\"output\":\"none/x.png\"", ""), "does not exist"},
        {UPSCALE("1", "\"input\":\"in.png\",\"output\":\"out/x.png\"", ""), "allowed"},
        {UPSCALE("1", "\"input\":\"in.png\",\"output\":\"away.png\",\"force\":true", ""),
         "allowed"},
        {UPSCALE("1", "\"input\":\"in.png\",\"output\":\"lost.png\",\"force\":true", ""),
         "allowed"},
        {UPSCALE("1", "\"input\":\"in.png\",\"output\":\"folder/..\"", ""), "name a file"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
         "\"upscale_status\",\"arguments\":{\"id\":\"x\"}}}",
         "there is no job"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
         "\"upscale_cancel\"}}",
         "needs the argument id"},
    };
    const int before = work.count;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = ask(client, NULL, cases[i].text);
        const json_t *block = json_array_get(at(answer.value, "result", "content"), 0);
        const char *text = text_at(block, "text", NULL);
        CHECK(is_error(&answer) && strstr(text, cases[i].word), "%s: '%s'", cases[i].text, text);
        free_answer(&answer);
    }
    CHECK(work.count == before, "a job was made");
}

static void test_call(struct server_mcp_client *client)
{
    work.steps = 3;     /* and the end is told too */
    work.step_ms = 300; /* more than the time between two notifications */
    struct answer answer = ask(
        client, NULL, UPSCALE("1", "\"input\":\"in.png\"", ",\"_meta\":{\"progressToken\":\"t\"}"));
    const json_t *result = at(answer.value, "result", NULL);
    const json_t *content = at(result, "content", NULL);
    CHECK(answer.notifications == 4 && answer.rises, "%d notifications", answer.notifications);
    CHECK(!is_error(&answer) && json_array_size(content) == 2, "content");
    CHECK(strcmp(text_at(result, "structuredContent", "state"), "done") == 0, "state");
    json_t *same = json_loads(text_at(json_array_get(content, 0), "text", NULL), 0, NULL);
    CHECK(json_equal(same, at(result, "structuredContent", NULL)), "text and structure differ");
    json_decref(same);
    const json_t *link = json_array_get(content, 1);
    CHECK(strcmp(text_at(link, "type", NULL), "resource_link") == 0, "link");
    CHECK(strncmp(text_at(link, "uri", NULL), "file:///", 8) == 0 &&
              strstr(text_at(link, "uri", NULL), "/in_2x.png"),
          "%s", text_at(link, "uri", NULL));
    free_answer(&answer);

    work.step_ms = 1;
    answer = ask(client, NULL, UPSCALE("1", "\"input\":\"in.png\"", ""));
    CHECK(answer.notifications == 0 && !is_error(&answer), "progress without a token");
    free_answer(&answer);

    work.fails = true;
    answer = ask(client, NULL, UPSCALE("1", "\"input\":\"in.png\"", ""));
    CHECK(is_error(&answer), "a failed job");
    CHECK(strcmp(text_at(json_array_get(at(answer.value, "result", "content"), 0), "text", NULL),
                 "it went wrong") == 0,
          "its message");
    free_answer(&answer);
    work.fails = false;
}

static void test_cancel(struct server_mcp *mcp, struct server_mcp_client *client)
{
    static const char call[] = UPSCALE("77", "\"input\":\"in.png\"", "");
    static const char modern[] = UPSCALE("78", "\"input\":\"in.png\"", "," META);
    struct answer answer;
    work.step_ms = -1;
    int before = work.cancels;
    begin(&answer);
    struct server_mcp_exchange *exchange =
        server_mcp_receive(client, NULL, call, strlen(call), take, &answer);
    struct answer cancelled =
        ask(client, NULL,
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":"
            "{\"requestId\":77}}");
    free_answer(&cancelled);
    finish(&answer);
    CHECK(!answer.value, "a cancelled call was answered");
    CHECK(work.cancels == before + 1, "its job goes on");
    server_mcp_exchange_close(exchange);
    free_answer(&answer);

    /* Closing the stream is the same for 2026-07-28; earlier revisions' calls go on. */
    struct server_mcp_client *other = server_mcp_client_create(mcp);
    for (int i = 0; i < 2; i++) {
        before = work.cancels;
        begin(&answer);
        exchange = server_mcp_receive(other, NULL, i ? modern : call,
                                      i ? sizeof modern - 1 : sizeof call - 1, take, &answer);
        server_mcp_exchange_close(exchange);
        for (int waited = 0; waited < 500 && work.cancels == before; waited += 10)
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        CHECK(work.cancels == before + i, "closing: %d", i);
        CHECK(!answer.ended, "delivered after closing");
    }
    server_mcp_client_cancel_all(other);
    server_mcp_client_release(other);
}

static void test_tasks(struct server_mcp_client *client)
{
    work.step_ms = 1;
    struct answer answer = ask(client, NULL, UPSCALE("1", "\"input\":\"in.png\"", "," META_TASKS));
    const json_t *result = at(answer.value, "result", NULL);
    CHECK(strcmp(text_at(result, "resultType", NULL), "task") == 0, "resultType");
    CHECK(strcmp(text_at(result, "status", NULL), "working") == 0, "status");
    CHECK(json_integer_value(at(result, "ttlMs", NULL)) == 60000, "ttlMs");
    char id[64], text[400];
    snprintf(id, sizeof id, "%s", text_at(result, "taskId", NULL));
    free_answer(&answer);

    uint64_t sequence = 0;
    for (int i = 0; i < 5; i++)
        stand_in_wait(&work, id, &sequence, 0);
    static const char *const methods[] = {"get", "update", "cancel"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(text, sizeof text,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tasks/%s\",\"params\":{\"taskId\":"
                 "\"%s\",\"inputResponses\":{}," META_TASKS "}}",
                 methods[i], id);
        answer = ask(client, NULL, text);
        CHECK(strcmp(text_at(answer.value, "result", "resultType"), "complete") == 0, "%s",
              methods[i]);
        const json_t *inner = at(at(answer.value, "result", NULL), "result", "structuredContent");
        if (i == 0)
            CHECK(strcmp(text_at(answer.value, "result", "status"), "completed") == 0 && inner,
                  "get");
        else
            CHECK(json_object_size(at(answer.value, "result", NULL)) == 2, "%s", methods[i]);
        free_answer(&answer);
    }
}

static void test_resources(struct server_mcp_client *client)
{
    struct answer answer =
        ask(client, NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/list\"}");
    const json_t *first = json_array_get(at(answer.value, "result", "resources"), 0);
    char text[600], path[400];
    snprintf(path, sizeof path, "%s/in_2x.png", paths.folders[0]);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, "abcd", 4) == 4, "%s", path);
    close(fd);
    snprintf(text, sizeof text,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/read\",\"params\":{\"uri\":"
             "\"%s\"}}",
             text_at(first, "uri", NULL));
    struct answer read = ask(client, NULL, text);
    const json_t *content = json_array_get(at(read.value, "result", "contents"), 0);
    CHECK(strcmp(text_at(content, "blob", NULL), "YWJjZA==") == 0, "%s",
          text_at(content, "blob", NULL));
    free_answer(&read);
    CHECK(truncate(path, 2 << 20) == 0, "%s", path);
    read = ask(client, NULL, text);
    CHECK(code_of(&read) == -32602, "a large one");
    free_answer(&read);
    free_answer(&answer);
    unlink(path);
    read = ask(client, NULL,
               "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/read\",\"params\":{\"uri\":"
               "\"file:///etc/passwd\"}}");
    CHECK(code_of(&read) == -32002, "a file that is no result");
    free_answer(&read);
}

/* A folder with what names may stand for. */
static void make_folder(char *folder)
{
    char command[1200];
    CHECK(mkdtemp(folder) != NULL, "%s", folder);
    snprintf(
        command, sizeof command,
        "cd %s && echo x > in.png && mkdir folder && mkfifo fifo && ln -s /etc/passwd away.png "
        "&& ln -s /etc out && ln -s /etc/no/such lost.png",
        folder);
    CHECK(system(command) == 0, "%s", command);
    CHECK(mcp_paths_allow(&paths, folder, NULL), "%s", folder);
}

int main(void)
{
    char folder[] = "/tmp/pipersr-mcp-XXXXXX", command[64];
    make_folder(folder);
    const struct server_mcp_backend backend = stand_in_backend(&work, false);
    struct server_mcp *mcp = server_mcp_create(&backend, &paths);
    struct server_mcp_client *client = server_mcp_client_create(mcp);
    test_malformed(client);
    test_silent(client);
    test_initialize(mcp);
    test_discover(client);
    test_headers(client);
    test_arguments(client);
    test_call(client);
    test_cancel(mcp, client);
    test_tasks(client);
    test_resources(client);
    server_mcp_client_release(client);
    server_mcp_free(mcp);
    mcp_paths_free(&paths);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0, "%s", command);
    return check_result();
}
