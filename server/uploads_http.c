/* SPDX-License-Identifier: MIT
 *
 * /v1/uploads: files that are sent before it is clear what is to become of them.
 */
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"
#include "server/naming.h"
#include "server/uploads.h"

static void keep(struct server_request *request)
{
    const struct server_upload *upload = &request->upload;
    const char *given = server_request_argument(request, "name");
    char *name = given ? server_name_clean(given) : strdup(upload->name ? upload->name : "input");
    /* Before they are counted as the kept file's: twice, they may be more than there is room for.
     */
    server_upload_stop_counting(&request->upload);
    if (name)
        server_uploads_keep(request->http->uploads, upload->path, name, request->id,
                            &request->problem);
    else
        server_fail_memory(&request->problem);
    free(name);
}

enum MHD_Result server_handle_uploads(struct server_request *request)
{
    if (!request->upload.has_file) {
        server_fail(&request->problem, 422, "no-file",
                    "the body holds no file: send it as the field 'file' of a form, or as the body "
                    "itself");
        return server_answer_problem(request, &request->problem);
    }
    if (!server_request_work(request, keep))
        return MHD_YES;
    if (request->problem.status)
        return server_answer_problem(request, &request->problem);
    return server_answer_json(request, 201,
                              server_uploads_document(request->http->uploads, request->id));
}

enum MHD_Result server_handle_upload(struct server_request *request)
{
    json_t *document = server_uploads_document(request->http->uploads, request->id);
    if (document)
        return server_answer_json(request, 200, document);
    server_fail(&request->problem, 404, "not-found", "there is no upload %s", request->id);
    return server_answer_problem(request, &request->problem);
}

static void remove_upload(struct server_request *request)
{
    server_uploads_remove(request->http->uploads, request->id, &request->problem);
}

enum MHD_Result server_handle_upload_delete(struct server_request *request)
{
    if (!server_request_work(request, remove_upload))
        return MHD_YES;
    return request->problem.status ? server_answer_problem(request, &request->problem)
                                   : server_answer_empty(request, 204);
}
