/* SPDX-License-Identifier: MIT */
#include "server/mcp_tools.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "pipersr.h"
#include "server/mcp_job.h"
#include "server/models.h"
#include "server/naming.h"

enum { WAIT_STEP_MS = 200, PROGRESS_INTERVAL_MS = 250 };

static const struct server_mcp_backend *backend_of(const struct mcp_call *call)
{
    return &call->exchange->client->mcp->backend;
}

static json_t *error_answer(const struct mcp_call *call, const char *text)
{
    return mcp_answer(&call->dialect, call->id, mcp_error_result(text));
}

static json_t *job_answer(const struct mcp_call *call, const json_t *document, bool failed_is_error)
{
    return mcp_answer(
        &call->dialect, call->id,
        mcp_job_result(document, call->url_base, call->dialect.structured, failed_is_error));
}

static json_t *no_such_job(const struct mcp_call *call, const char *id)
{
    char text[160];
    snprintf(text, sizeof text,
             "there is no job '%.60s'; it may have expired, or another server made it", id);
    return error_answer(call, text);
}

/* ------------------------------------------------------------------------------------- waiting --
 */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What was told of the progress: it must rise with each notification. */
struct told {
    json_int_t done; /* -1: nothing yet */
    int64_t at_ms;
};

/* Not too often, but for the last time: a quick job would have told nothing else. */
static void tell_progress(struct mcp_call *call, const json_t *document, struct told *told)
{
    const json_t *progress = json_object_get(document, "progress");
    const json_int_t done = json_integer_value(json_object_get(progress, "frame"));
    json_t *total = json_object_get(progress, "frames");
    const int64_t now = now_ms();
    if (!call->progress_token || done <= told->done ||
        (told->done >= 0 && now - told->at_ms < PROGRESS_INTERVAL_MS &&
         !mcp_job_has_ended(document)))
        return;
    char *summary = mcp_job_summary(document);
    json_t *params = json_pack("{s:O, s:I, s:o}", "progressToken", call->progress_token, "progress",
                               done, "message", mcp_text(summary));
    free(summary);
    if (json_is_integer(total))
        json_object_set(params, "total", total);
    mcp_call_notify(call, mcp_notification("notifications/progress", params));
    *told = (struct told){done, now};
}

/* The document of the job when it has ended, or after `limit_s` (0: no limit), or when the call is
 * over; NULL if there is no such job. */
static json_t *follow(struct mcp_call *call, const char *id, int limit_s)
{
    const struct server_mcp_backend *backend = backend_of(call);
    const int64_t end = now_ms() + (int64_t)limit_s * 1000;
    struct told told = {.done = -1};
    uint64_t sequence = 0;
    for (;;) {
        json_t *document = backend->document(backend->opaque, id);
        if (!document || mcp_call_is_over(call) || (limit_s && now_ms() >= end))
            return document;
        tell_progress(call, document, &told);
        if (mcp_job_has_ended(document))
            return document;
        json_decref(document);
        backend->wait(backend->opaque, id, &sequence, WAIT_STEP_MS);
    }
}

/* -------------------------------------------------------------------------------------- orders --
 */

/* Extensions under which results are written; others become the last. */
static const char *default_extension(enum server_job_kind kind, const char *own)
{
    static const char *const picture[] = {"jpg", "jpeg", "webp", "tif", "tiff", "gif", "png", NULL};
    static const char *const video[] = {"mkv", "mov", "webm", "avi", "m4v", "mp4", NULL};
    const char *const *list = kind == SERVER_JOB_VIDEO ? video : picture;
    for (; list[1]; list++)
        if (own && strcasecmp(own, list[0]) == 0)
            break;
    return *list;
}

/* "FOLDER/photo_2x.jpg" beside the input. */
static char *default_output(enum server_job_kind kind, const char *input, unsigned scale,
                            const char *format)
{
    const char *base = strrchr(input, '/') + 1;
    const char *extension = format ? format : default_extension(kind, server_name_extension(base));
    char *name = server_name_of_result(base, scale, extension), *path = NULL;
    if (!name || asprintf(&path, "%.*s%s", (int)(base - input), input, name) < 0)
        path = NULL;
    free(name);
    return path;
}

/* The format that the output's name asks for, where the call does not. */
static void add_format(json_t *options, const char *output)
{
    const char *extension = server_name_extension(strrchr(output, '/') + 1);
    char format[12] = "";
    if (!extension || strlen(extension) >= sizeof format || json_object_get(options, "format"))
        return;
    for (size_t i = 0; extension[i]; i++)
        format[i] = (char)tolower((unsigned char)extension[i]);
    json_object_set_new(options, "format", json_string(format));
}

/* That of the result, as far as the arguments are right. */
static unsigned scale_of(const json_t *arguments)
{
    const json_t *scale = json_object_get(arguments, "scale");
    const pipersr_built_in_model *model =
        pipersr_model_find_built_in(mcp_string_at(arguments, "model"));
    if (scale)
        return (unsigned)json_integer_value(scale);
    return model ? model->scale : 2;
}

struct prepared {
    char *input, *output;
    json_t *options;
};

static void free_prepared(struct prepared *prepared)
{
    free(prepared->input);
    free(prepared->output);
    json_decref(prepared->options);
}

static bool prepare_output(const struct mcp_call *call, const json_t *arguments,
                           enum server_job_kind kind, struct prepared *prepared,
                           struct server_problem *problem)
{
    const struct mcp_paths *paths = call->exchange->client->mcp->paths;
    const char *named = mcp_string_at(arguments, "output");
    char *chosen = NULL;
    if (!named && prepared->input) {
        chosen = default_output(kind, prepared->input, scale_of(arguments),
                                mcp_string_at(arguments, "format"));
        if (!chosen)
            return server_fail_memory(problem);
    }
    if (named || chosen) {
        prepared->output =
            mcp_paths_output(paths, named ? named : chosen,
                             json_is_true(json_object_get(arguments, "force")), problem);
        free(chosen);
        if (!prepared->output)
            return false;
        add_format(prepared->options, prepared->output);
    }
    if (prepared->input && prepared->output && strcmp(prepared->input, prepared->output) == 0)
        return server_fail(problem, 422, "output", "the output is the input; choose another name");
    return true;
}

static bool prepare(const struct mcp_call *call, const json_t *arguments, enum server_job_kind kind,
                    struct prepared *prepared, struct server_problem *problem)
{
    const char *input = mcp_string_at(arguments, "input"), *name;
    json_t *value;
    *prepared = (struct prepared){.options = json_object()};
    json_object_foreach((json_t *)arguments, name, value)
    {
        if (mcp_tool_is_option(name))
            json_object_set(prepared->options, name, value);
    }
    if (input) {
        prepared->input = mcp_paths_input(call->exchange->client->mcp->paths, input, problem);
        if (!prepared->input)
            return false;
    }
    return prepare_output(call, arguments, kind, prepared, problem);
}

static bool submit(const struct mcp_call *call, const json_t *arguments, enum server_job_kind kind,
                   char id[SERVER_ID_SIZE], struct server_problem *problem)
{
    const struct server_mcp_backend *backend = backend_of(call);
    struct prepared prepared;
    bool done = prepare(call, arguments, kind, &prepared, problem);
    if (done) {
        const struct server_mcp_order order = {
            .kind = kind,
            .input_path = prepared.input,
            .input_name = mcp_string_at(arguments, "input"),
            .upload = mcp_string_at(arguments, "upload"),
            .output_path = prepared.output,
            .overwrite = json_is_true(json_object_get(arguments, "force")),
            .options = prepared.options};
        done = backend->submit(backend->opaque, &order, id, problem);
    }
    free_prepared(&prepared);
    return done;
}

/* ---------------------------------------------------------------------------------------- tools --
 */

static json_t *task_answer(const struct mcp_call *call, const json_t *document)
{
    json_t *task = mcp_job_task(document, call->url_base, false);
    json_object_set_new(task, "resultType", json_string("task"));
    return mcp_answer(&call->dialect, call->id, task);
}

static json_t *upscale(struct mcp_call *call, const json_t *arguments, enum server_job_kind kind)
{
    const struct server_mcp_backend *backend = backend_of(call);
    struct server_problem problem = {0};
    char id[SERVER_ID_SIZE];
    if (!submit(call, arguments, kind, id, &problem))
        return error_answer(call, problem.detail);
    const bool wait = !json_is_false(json_object_get(arguments, "wait"));
    const bool follows = wait && !call->dialect.tasks;
    json_t *document = follows ? follow(call, id, call->progress_token ? 0 : MCP_MAX_WAIT_S)
                               : backend->document(backend->opaque, id);
    json_t *answer = NULL;
    if (mcp_call_is_cancelled(call))
        backend->cancel(backend->opaque, id);
    else if (!document)
        answer = no_such_job(call, id);
    else if (wait && call->dialect.tasks)
        answer = task_answer(call, document);
    else
        answer = job_answer(call, document, follows);
    json_decref(document);
    return answer;
}

static json_t *status(struct mcp_call *call, const json_t *arguments)
{
    const char *id = mcp_string_at(arguments, "id");
    const int wait_s = (int)json_integer_value(json_object_get(arguments, "wait_s"));
    const struct server_mcp_backend *backend = backend_of(call);
    json_t *document = wait_s ? follow(call, id, wait_s) : backend->document(backend->opaque, id);
    json_t *answer = document ? job_answer(call, document, false) : no_such_job(call, id);
    json_decref(document);
    return answer;
}

static json_t *cancel(struct mcp_call *call, const json_t *arguments)
{
    const char *id = mcp_string_at(arguments, "id");
    const struct server_mcp_backend *backend = backend_of(call);
    json_t *document =
        backend->cancel(backend->opaque, id) ? backend->document(backend->opaque, id) : NULL;
    json_t *answer = document ? job_answer(call, document, false) : no_such_job(call, id);
    json_decref(document);
    return answer;
}

json_t *mcp_tool_run(struct mcp_call *call)
{
    const json_t *arguments = json_object_get(call->params, "arguments");
    struct server_problem problem = {0};
    if (!mcp_tool_check(call->tool, arguments, backend_of(call)->has_uploads, &problem))
        return error_answer(call, problem.detail);
    switch (call->tool) {
    case MCP_VIDEO_UPSCALE:
        return upscale(call, arguments, SERVER_JOB_VIDEO);
    case MCP_IMAGE_UPSCALE:
        return upscale(call, arguments, SERVER_JOB_IMAGE);
    case MCP_UPSCALE_STATUS:
        return status(call, arguments);
    case MCP_UPSCALE_CANCEL:
        return cancel(call, arguments);
    default:
        return mcp_answer(&call->dialect, call->id,
                          mcp_structured_result(server_models_json(), call->dialect.structured));
    }
}

json_t *mcp_task_cancel(struct mcp_call *call)
{
    const struct server_mcp_backend *backend = backend_of(call);
    const char *id = mcp_string_at(call->params, "taskId");
    if (!backend->cancel(backend->opaque, id))
        return mcp_error(call->id, MCP_INVALID_PARAMS, NULL, "there is no task '%.60s'", id);
    return mcp_answer(&call->dialect, call->id, json_object());
}
