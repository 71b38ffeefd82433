/* SPDX-License-Identifier: MIT
 *
 * /v1/jobs and what is below it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"

enum { DEFAULT_LIMIT = 100, MAX_LIMIT = 1000, MAX_OFFSET = 1000000 };

/* An argument of the query that is a whole number. */
static bool number_argument(struct server_request *request, const char *name, unsigned long maximum,
                            size_t *value)
{
    const char *text = server_request_argument(request, name);
    char *end;
    if (!text)
        return true;
    errno = 0;
    const unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number > maximum)
        return server_fail(&request->problem, 400, "bad-argument", "%s takes 0 to %lu", name,
                           maximum);
    *value = number;
    return true;
}

enum MHD_Result server_handle_jobs(struct server_request *request)
{
    size_t limit = DEFAULT_LIMIT, offset = 0;
    const char *state = server_request_argument(request, "state");
    enum server_job_state parsed;
    if (!number_argument(request, "limit", MAX_LIMIT, &limit) ||
        !number_argument(request, "offset", MAX_OFFSET, &offset))
        return server_answer_problem(request, &request->problem);
    if (state && !server_job_state_parse(state, &parsed)) {
        server_fail(&request->problem, 400, "bad-argument",
                    "state is queued, running, done, failed or cancelled");
        return server_answer_problem(request, &request->problem);
    }
    return server_answer_json(request, 200,
                              server_jobs_list(request->http->jobs, state, limit, offset));
}

static enum MHD_Result answer_document(struct server_request *request)
{
    json_t *document = server_jobs_document(request->http->jobs, request->id);
    if (document)
        return server_answer_json(request, 200, document);
    server_fail(&request->problem, 404, "not-found", "there is no job %s", request->id);
    return server_answer_problem(request, &request->problem);
}

enum MHD_Result server_handle_job(struct server_request *request)
{
    return answer_document(request);
}

static void cancel(struct server_request *request)
{
    server_jobs_cancel(request->http->jobs, request->id, &request->problem);
}

enum MHD_Result server_handle_job_cancel(struct server_request *request)
{
    if (!server_request_work(request, cancel))
        return MHD_YES;
    return request->problem.status ? server_answer_problem(request, &request->problem)
                                   : answer_document(request);
}

static void remove_job(struct server_request *request)
{
    server_jobs_remove(request->http->jobs, request->id, &request->problem);
}

enum MHD_Result server_handle_job_delete(struct server_request *request)
{
    if (!server_request_work(request, remove_job))
        return MHD_YES;
    return request->problem.status ? server_answer_problem(request, &request->problem)
                                   : server_answer_empty(request, 204);
}

enum MHD_Result server_handle_job_result(struct server_request *request)
{
    struct server_job_file file;
    if (server_jobs_open_result(request->http->jobs, request->id, &file, &request->problem))
        return server_answer_file(request, &file);
    return server_answer_problem(request, &request->problem);
}

enum MHD_Result server_handle_job_input(struct server_request *request)
{
    struct server_job_file file;
    if (server_jobs_open_input(request->http->jobs, request->id, &file, &request->problem))
        return server_answer_file(request, &file);
    return server_answer_problem(request, &request->problem);
}
