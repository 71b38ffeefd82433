/* SPDX-License-Identifier: MIT
 *
 * Answers, with what all of them have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http.h"

static void add_common_headers(const struct server_request *request, struct MHD_Response *response)
{
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    if (!MHD_get_response_header(response, "Cache-Control"))
        MHD_add_response_header(response, "Cache-Control", "no-store");
    if (!MHD_get_response_header(response, "Content-Security-Policy"))
        MHD_add_response_header(response, "Content-Security-Policy",
                                "default-src 'none'; frame-ancestors 'none'");
    if (!*request->origin)
        return;
    MHD_add_response_header(response, "Access-Control-Allow-Origin", request->origin);
    MHD_add_response_header(response, "Access-Control-Expose-Headers",
                            "Location, Retry-After, ETag, Content-Disposition, Mcp-Session-Id");
    MHD_add_response_header(response, "Vary", "Origin");
}

enum MHD_Result server_answer(struct server_request *request, unsigned status,
                              struct MHD_Response *response)
{
    if (!response)
        return MHD_NO;
    add_common_headers(request, response);
    const enum MHD_Result queued = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static struct MHD_Response *response_of_text(char *text, const char *content_type)
{
    struct MHD_Response *response =
        text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) : NULL;
    if (response)
        MHD_add_response_header(response, "Content-Type", content_type);
    else
        free(text);
    return response;
}

enum MHD_Result server_answer_json(struct server_request *request, unsigned status, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    struct MHD_Response *response = response_of_text(text, "application/json");
    char place[SERVER_ID_SIZE + 32];
    if (response && (status == 201 || status == 202)) {
        snprintf(place, sizeof place, "/v1/%s/%s", status == 202 ? "jobs" : "uploads", request->id);
        MHD_add_response_header(response, "Location", place);
    }
    return server_answer(request, status, response);
}

enum MHD_Result server_answer_problem(struct server_request *request,
                                      const struct server_problem *problem)
{
    json_t *body = server_problem_json(problem, request->url);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    struct MHD_Response *response = response_of_text(text, "application/problem+json");
    char seconds[16];
    if (response && problem->retry_after_s) {
        snprintf(seconds, sizeof seconds, "%d", problem->retry_after_s);
        MHD_add_response_header(response, "Retry-After", seconds);
    }
    if (response && problem->allow)
        MHD_add_response_header(response, "Allow", problem->allow);
    if (response && problem->wants_key)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"pipersr\"");
    return server_answer(request, (unsigned)problem->status, response);
}

enum MHD_Result server_answer_text(struct server_request *request, unsigned status,
                                   const char *content_type, const char *text)
{
    return server_answer(request, status, response_of_text(strdup(text), content_type));
}

enum MHD_Result server_answer_empty(struct server_request *request, unsigned status)
{
    return server_answer(request, status,
                         MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}
