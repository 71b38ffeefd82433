/* SPDX-License-Identifier: MIT
 *
 * The page, open to everyone who may connect, and the link that is printed at the start: it gives
 * the browser a cookie and leads on without the token, which is then worth nothing to whoever finds
 * it in the history.
 */
#include <stdio.h>
#include <string.h>

#include "server/handlers.h"
#include "server/web.h"

static bool is_unchanged(const struct server_request *request, const char *etag)
{
    const char *known = server_request_header(request, "If-None-Match");
    return known && strstr(known, etag);
}

static enum MHD_Result answer_file(struct server_request *request, const char *path)
{
    struct server_web_file file;
    if (!server_web_find(path, &file)) {
        server_fail(&request->problem, 404, "not-found", "there is nothing at %.200s",
                    request->url);
        return server_answer_problem(request, &request->problem);
    }
    const bool unchanged = is_unchanged(request, file.etag);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        unchanged ? 0 : file.size, (void *)file.data, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", file.content_type);
    MHD_add_response_header(response, "ETag", file.etag);
    /* Asked for each time: after an update of the program, old and new files must not mix. */
    MHD_add_response_header(response, "Cache-Control", "no-cache");
    MHD_add_response_header(response, "Content-Security-Policy", SERVER_WEB_SECURITY_POLICY);
    return server_answer(request, unchanged ? 304 : 200, response);
}

enum MHD_Result server_handle_page_file(struct server_request *request)
{
    return answer_file(request, request->url);
}

enum MHD_Result server_handle_openapi(struct server_request *request)
{
    return answer_file(request, "/openapi.json");
}

/* `cookie`: what the browser is to keep; NULL: nothing. */
static enum MHD_Result lead_to_page(struct server_request *request, const char *cookie)
{
    char header[SERVER_KEY_SIZE + 80];
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    if (cookie) {
        snprintf(header, sizeof header, "pipersr_session=%s; HttpOnly; SameSite=Strict; Path=/%s",
                 cookie, request->http->has_tls ? "; Secure" : "");
        MHD_add_response_header(response, "Set-Cookie", header);
    }
    MHD_add_response_header(response, "Location", "/");
    return server_answer(request, 303, response);
}

enum MHD_Result server_handle_page(struct server_request *request)
{
    const char *token = server_request_argument(request, "token");
    const char *accept = server_request_header(request, "Accept");
    char cookie[SERVER_KEY_SIZE];
    if (!token)
        return server_handle_page_file(request);
    if (server_access_use_token(request->http->access, token, cookie))
        return lead_to_page(request, cookie);
    /* A browser may be signed in already; if not, the page says what to do. */
    if (accept && strstr(accept, "text/html"))
        return lead_to_page(request, NULL);
    server_fail(&request->problem, 403, "link-used",
                "this link was used, or is of another start; open the one that was printed last");
    return server_answer_problem(request, &request->problem);
}
