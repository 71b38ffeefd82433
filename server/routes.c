/* SPDX-License-Identifier: MIT
 *
 * All paths of the server.
 */
#include <string.h>

#include "server/handlers.h"
#include "server/request.h"
#include "server/web.h"

static const struct server_route routes[] = {
    {"POST", "/v1/video/upscale", SERVER_BODY_FILE, false, server_handle_video_upscale},
    {"POST", "/v1/image/upscale", SERVER_BODY_FILE, false, server_handle_image_upscale},
    {"GET", "/v1/jobs", SERVER_BODY_NONE, false, server_handle_jobs},
    {"GET", "/v1/jobs/{id}", SERVER_BODY_NONE, false, server_handle_job},
    {"DELETE", "/v1/jobs/{id}", SERVER_BODY_NONE, false, server_handle_job_delete},
    {"POST", "/v1/jobs/{id}/cancel", SERVER_BODY_NONE, false, server_handle_job_cancel},
    {"GET", "/v1/jobs/{id}/events", SERVER_BODY_NONE, false, server_handle_job_events},
    {"GET", "/v1/jobs/{id}/result", SERVER_BODY_NONE, false, server_handle_job_result},
    {"GET", "/v1/jobs/{id}/input", SERVER_BODY_NONE, false, server_handle_job_input},
    {"GET", "/v1/jobs/{id}/preview", SERVER_BODY_NONE, false, server_handle_job_preview},
    {"POST", "/v1/uploads", SERVER_BODY_FILE, false, server_handle_uploads},
    {"GET", "/v1/uploads/{id}", SERVER_BODY_NONE, false, server_handle_upload},
    {"DELETE", "/v1/uploads/{id}", SERVER_BODY_NONE, false, server_handle_upload_delete},
    {"GET", "/v1/uploads/{id}/preview", SERVER_BODY_NONE, false, server_handle_upload_preview},
    {"GET", "/v1/events", SERVER_BODY_NONE, false, server_handle_events},
    {"GET", "/v1/status", SERVER_BODY_NONE, false, server_handle_status},
    {"GET", "/v1/openapi.json", SERVER_BODY_NONE, true, server_handle_openapi},
    {"GET", "/v1/models", SERVER_BODY_NONE, false, server_handle_models},
    {"POST", "/mcp", SERVER_BODY_JSON, false, server_handle_mcp},
    {"DELETE", "/mcp", SERVER_BODY_NONE, false, server_handle_mcp_delete},
    {"GET", "/metrics", SERVER_BODY_NONE, false, server_handle_metrics},
    {"GET", "/", SERVER_BODY_NONE, true, server_handle_page},
    /* Older documents name these two without a version. */
    {"GET", "/status", SERVER_BODY_NONE, false, server_handle_status},
    {"GET", "/events", SERVER_BODY_NONE, false, server_handle_events},
};
enum { ROUTES = sizeof routes / sizeof *routes };

/* For the files of the page, whatever they are called. */
static const struct server_route page_file = {"GET", "*", SERVER_BODY_NONE, true,
                                              server_handle_page_file};

/* For any path, when the browser asks what another page may do. */
static const struct server_route preflight = {"OPTIONS", "*", SERVER_BODY_NONE, true,
                                              server_handle_preflight};

/* Does the path fit the pattern? Then `id` has what stands in place of "{id}". */
static bool fits(const char *pattern, const char *path, char id[SERVER_ID_SIZE])
{
    static const char place[] = "{id}";
    const char *in_pattern = strstr(pattern, place);
    if (!in_pattern)
        return strcmp(pattern, path) == 0;
    const size_t before = (size_t)(in_pattern - pattern), length = SERVER_ID_SIZE - 1;
    if (strncmp(pattern, path, before) != 0 || strlen(path) < before + length ||
        strcmp(path + before + length, in_pattern + sizeof place - 1) != 0)
        return false;
    memcpy(id, path + before, length);
    id[length] = '\0';
    return server_is_id(id);
}

static bool is_method(const struct server_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* All pairs that a path of ours has. */
static const char *allow_of(bool gets, bool posts, bool deletes)
{
    if (gets && deletes)
        return "GET, HEAD, DELETE, OPTIONS";
    if (gets)
        return "GET, HEAD, OPTIONS";
    if (posts && deletes)
        return "POST, DELETE, OPTIONS";
    return posts ? "POST, OPTIONS" : deletes ? "DELETE, OPTIONS" : NULL;
}

const struct server_route *server_route_find(const char *method, const char *path,
                                             char id[SERVER_ID_SIZE], const char **other_methods)
{
    bool gets = false, posts = false, deletes = false;
    for (size_t i = 0; i < ROUTES; i++) {
        if (!fits(routes[i].path, path, id))
            continue;
        if (is_method(&routes[i], method))
            return &routes[i];
        gets = gets || strcmp(routes[i].method, "GET") == 0;
        posts = posts || strcmp(routes[i].method, "POST") == 0;
        deletes = deletes || strcmp(routes[i].method, "DELETE") == 0;
    }
    struct server_web_file file;
    if (server_web_find(path, &file)) {
        if (is_method(&page_file, method))
            return &page_file;
        gets = true;
    }
    *other_methods = allow_of(gets, posts, deletes);
    if (*other_methods && strcmp(method, "OPTIONS") == 0)
        return &preflight;
    return NULL;
}
