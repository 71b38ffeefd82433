/* SPDX-License-Identifier: MIT
 *
 * What a browser asks before another page may use the API: only pages of --allow-origin come this
 * far (server/access.c).
 */
#include "server/handlers.h"

enum MHD_Result server_handle_preflight(struct server_request *request)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response && *request->origin) {
        MHD_add_response_header(response, "Access-Control-Allow-Methods", "GET, POST, DELETE");
        MHD_add_response_header(response, "Access-Control-Allow-Headers",
                                "X-Session-Key, Authorization, Content-Type, Idempotency-Key, "
                                "Last-Event-ID, Range, If-Range, If-None-Match, Mcp-Session-Id, "
                                "MCP-Protocol-Version, Mcp-Method, Mcp-Name");
        MHD_add_response_header(response, "Access-Control-Max-Age", "600");
    }
    return server_answer(request, 204, response);
}
