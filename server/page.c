/* SPDX-License-Identifier: MIT
 *
 * The link that is printed at the start: it gives the browser a cookie and leads on without the
 * token, which is then worth nothing to whoever finds it in the history.
 */
#include <stdio.h>

#include "server/handlers.h"

enum MHD_Result server_handle_page(struct server_request *request)
{
    const char *token = server_request_argument(request, "token");
    char cookie[SERVER_KEY_SIZE], header[SERVER_KEY_SIZE + 80];
    if (!token) {
        server_fail(&request->problem, 404, "not-found",
                    "there is no page here; the API is at /v1");
        return server_answer_problem(request, &request->problem);
    }
    if (!server_access_use_token(request->http->access, token, cookie)) {
        server_fail(
            &request->problem, 403, "link-used",
            "this link was used, or is of another start; open the one that was printed last");
        return server_answer_problem(request, &request->problem);
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    snprintf(header, sizeof header, "pipersr_session=%s; HttpOnly; SameSite=Strict; Path=/%s",
             cookie, request->http->has_tls ? "; Secure" : "");
    MHD_add_response_header(response, "Set-Cookie", header);
    MHD_add_response_header(response, "Location", "/");
    return server_answer(request, 303, response);
}
