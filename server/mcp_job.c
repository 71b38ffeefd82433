/* SPDX-License-Identifier: MIT */
#include "server/mcp_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/mcp_message.h"
#include "server/mcp_paths.h"

static bool is_in(const json_t *document, const char *state)
{
    const char *own = mcp_string_at(document, "state");
    return own && strcmp(own, state) == 0;
}

bool mcp_job_has_ended(const json_t *document)
{
    return is_in(document, "done") || is_in(document, "failed") || is_in(document, "cancelled");
}

static const char *error_text(const json_t *document)
{
    const json_t *error = json_object_get(document, "error");
    const char *detail = mcp_string_at(error, "detail");
    return detail ? detail : mcp_string_at(error, "title");
}

char *mcp_job_summary(const json_t *document)
{
    const json_t *progress = json_object_get(document, "progress");
    const json_t *total = json_object_get(progress, "frames");
    const json_t *left = json_object_get(progress, "eta_s");
    const char *unit = mcp_string_at(progress, "unit");
    const double per_s = json_number_value(json_object_get(progress, "fps"));
    char of[32] = "", speed[48] = "", rest[32] = "";
    char *text = NULL;
    if (!is_in(document, "running")) {
        const char *error = error_text(document);
        const bool told = is_in(document, "failed") && error;
        if (asprintf(&text, "%s%s%s", mcp_string_at(document, "state"), told ? ": " : "",
                     told ? error : "") < 0)
            return NULL;
        return text;
    }
    if (json_is_integer(total))
        snprintf(of, sizeof of, " of %" JSON_INTEGER_FORMAT, json_integer_value(total));
    if (per_s > 0)
        snprintf(speed, sizeof speed, ", %.3g %s/s", per_s, unit ? unit : "");
    if (json_is_number(left))
        snprintf(rest, sizeof rest, ", %.0f s left", json_number_value(left));
    if (asprintf(&text, "%s %" JSON_INTEGER_FORMAT "%s%s%s",
                 unit && strcmp(unit, "rows") == 0 ? "row" : "frame",
                 json_integer_value(json_object_get(progress, "frame")), of, speed, rest) < 0)
        return NULL;
    return text;
}

/* Where the result is: a file of this machine, or the server's URL. */
static json_t *uri_json(const json_t *result, const char *url_base)
{
    const char *path = mcp_string_at(result, "path"), *url = mcp_string_at(result, "url");
    char *uri = NULL;
    if (path)
        uri = mcp_paths_uri(path);
    else if (asprintf(&uri, "%s%s", url_base ? url_base : "", url ? url : "") < 0)
        uri = NULL;
    json_t *text = mcp_text(uri);
    free(uri);
    return text;
}

static json_t *result_json(const json_t *document, const char *url_base)
{
    static const char *const kept[] = {"name",     "path",      "bytes", "content_type",
                                       "width_px", "height_px", "frames"};
    const json_t *result = json_object_get(document, "result");
    if (!json_is_object(result))
        return json_null();
    json_t *own = json_pack("{s:o}", "uri", uri_json(result, url_base));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        json_t *value = json_object_get(result, kept[i]);
        if (value && !json_is_null(value))
            json_object_set(own, kept[i], value);
    }
    /* With a path, its last part is the name that people know the result by. */
    const char *path = mcp_string_at(result, "path");
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (slash)
        json_object_set_new(own, "name", mcp_text(slash + 1));
    return own;
}

static json_t *copy_of(const json_t *document, const char *key)
{
    const json_t *value = json_object_get(document, key);
    return value ? json_deep_copy(value) : json_null();
}

static json_t *structure(const json_t *document, const char *url_base)
{
    json_t *own = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
        copy_of(document, "id"), "kind", copy_of(document, "kind"), "state",
        copy_of(document, "state"), "input",
        mcp_text(mcp_string_at(json_object_get(document, "input"), "name")), "options",
        copy_of(document, "options"), "progress", copy_of(document, "progress"), "result",
        result_json(document, url_base), "notes", copy_of(document, "notes"), "error",
        mcp_text(error_text(document)), "created", copy_of(document, "created"), "started",
        copy_of(document, "started"), "finished", copy_of(document, "finished"));
    return own;
}

static json_t *text_block(const char *text)
{
    return json_pack("{s:s, s:o}", "type", "text", "text", mcp_text(text));
}

json_t *mcp_error_result(const char *text)
{
    return json_pack("{s:[o], s:b}", "content", text_block(text), "isError", 1);
}

json_t *mcp_structured_result(json_t *structured_content, bool structured)
{
    char *text = json_dumps(structured_content, JSON_COMPACT);
    json_t *result =
        json_pack("{s:[o], s:b}", "content", text_block(text ? text : ""), "isError", 0);
    free(text);
    if (structured)
        json_object_set(result, "structuredContent", structured_content);
    json_decref(structured_content);
    return result;
}

json_t *mcp_job_resource(const json_t *document, const char *url_base)
{
    const json_t *result = json_object_get(document, "result");
    if (!is_in(document, "done") || !json_is_object(result))
        return NULL;
    json_t *own = result_json(document, url_base);
    json_t *resource =
        json_pack("{s:o, s:o, s:o, s:o}", "uri", copy_of(own, "uri"), "name", copy_of(own, "name"),
                  "mimeType", copy_of(own, "content_type"), "size", copy_of(own, "bytes"));
    json_decref(own);
    return resource;
}

json_t *mcp_job_result(const json_t *document, const char *url_base, bool structured,
                       bool failed_is_error)
{
    json_t *result = mcp_structured_result(structure(document, url_base), structured);
    json_t *content = json_object_get(result, "content");
    if (failed_is_error && is_in(document, "failed")) {
        const char *text = error_text(document);
        json_object_set_new(result, "isError", json_true());
        json_array_insert_new(content, 0, text_block(text ? text : "the job failed"));
    }
    json_t *link = structured ? mcp_job_resource(document, url_base) : NULL;
    if (link) {
        json_object_set_new(link, "type", json_string("resource_link"));
        json_array_append_new(content, link);
    }
    return result;
}

/* -------------------------------------------------------------------------------------- tasks --
 */

static json_t *time_json(void)
{
    const time_t now = time(NULL);
    struct tm parts;
    char text[32];
    gmtime_r(&now, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return json_string(text);
}

/* Milliseconds since 1970 of "2026-07-28T01:02:03.456Z"; -1 for anything else. */
static json_int_t milliseconds(const char *text)
{
    struct tm parts = {0};
    int thousandths = 0;
    if (!text ||
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
               &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &thousandths) < 6)
        return -1;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    return (json_int_t)timegm(&parts) * 1000 + thousandths;
}

/* From its creation to the time when it is removed; null while that is not known. */
static json_t *lifetime(const json_t *document)
{
    const json_int_t created = milliseconds(mcp_string_at(document, "created")),
                     expires = milliseconds(mcp_string_at(document, "expires"));
    return created >= 0 && expires > created ? json_integer(expires - created) : json_null();
}

json_t *mcp_job_task(const json_t *document, const char *url_base, bool detailed)
{
    enum { POLL_INTERVAL_MS = 1000 };
    const bool cancelled = is_in(document, "cancelled"), ended = mcp_job_has_ended(document);
    json_t *finished = json_object_get(document, "finished");
    char *summary = mcp_job_summary(document);
    json_t *task = json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:i}", "taskId", copy_of(document, "id"), "status",
        cancelled ? "cancelled"
        : ended   ? "completed"
                  : "working",
        "statusMessage", mcp_text(summary), "createdAt", copy_of(document, "created"),
        "lastUpdatedAt", json_is_string(finished) ? json_incref(finished) : time_json(), "ttlMs",
        lifetime(document), "pollIntervalMs", POLL_INTERVAL_MS);
    free(summary);
    if (detailed && ended && !cancelled) {
        json_t *result = mcp_job_result(document, url_base, true, true);
        json_object_set_new(result, "resultType", json_string("complete"));
        json_object_set_new(task, "result", result);
    }
    return task;
}
