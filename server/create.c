/* SPDX-License-Identifier: MIT
 *
 * POST /v1/video/upscale and /v1/image/upscale: from a body to a job, and what the client wants to
 * hear of it: its document, its events, or the upscaled file itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"
#include "server/job_options.h"
#include "server/naming.h"

/* The handler's own part of the request. */
struct creation {
    struct server_jobs *jobs;
    enum server_job_kind kind;
    json_t *options;
    char *name;
    char *input_path; /* of an upload or of an earlier job; NULL: the file is this request's body */
    bool is_outside;  /* it is not in the state folder */
    char *fingerprint; /* NULL without an idempotency key */
    bool is_replayed;  /* request->id is the job that the key has made before */
    struct server_subscription *subscription; /* while it waits for the job's end */
};

static void free_creation(void *own)
{
    struct creation *creation = own;
    server_jobs_unsubscribe(creation->jobs, creation->subscription);
    json_decref(creation->options);
    free(creation->name);
    free(creation->input_path);
    free(creation->fingerprint);
    free(creation);
}

/* ------------------------------------------------------------------------------------- options */

struct gathering {
    struct server_request *request;
    struct creation *creation;
};

/* Arguments of the query that are no options of the job. */
static bool is_of_request(const char *name)
{
    return strcmp(name, "wait") == 0 || strcmp(name, "name") == 0 || strcmp(name, "upload") == 0 ||
           strcmp(name, "job") == 0;
}

static enum MHD_Result take_argument(void *opaque, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    struct gathering *gathering = opaque;
    struct creation *creation = gathering->creation;
    (void)kind;
    if (is_of_request(name))
        return MHD_YES;
    return server_job_option_set(creation->options, creation->kind, name, value ? value : "",
                                 &gathering->request->problem)
               ? MHD_YES
               : MHD_NO;
}

/* A form's fields come before the query's arguments. */
static bool gather_options(struct server_request *request, struct creation *creation)
{
    const char *name;
    json_t *value;
    json_object_foreach(request->upload.fields, name, value)
    {
        if (!is_of_request(name) &&
            !server_job_option_set(creation->options, creation->kind, name,
                                   json_string_value(value), &request->problem))
            return false;
    }
    struct gathering gathering = {request, creation};
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, take_argument,
                              &gathering);
    return request->problem.status == 0;
}

static const char *field(const struct server_request *request, const char *name)
{
    const char *value = json_string_value(json_object_get(request->upload.fields, name));
    return value ? value : server_request_argument(request, name);
}

/* The file: of this request, of an upload, or of an earlier job. */
static bool find_input(struct server_request *request, struct creation *creation)
{
    struct server_problem *problem = &request->problem;
    const char *upload = field(request, "upload"), *job = field(request, "job");
    const char *given = field(request, "name");
    if ((upload != NULL) + (job != NULL) + (request->upload.bytes > 0) > 1)
        return server_fail(problem, 422, "two-files",
                           "one of these is enough: a file in the body, an upload, a job");
    if (upload && !server_uploads_find(request->http->uploads, upload, &creation->input_path,
                                       &creation->name, problem))
        return false;
    if (job && !server_jobs_find_input(creation->jobs, job, &creation->input_path, &creation->name,
                                       &creation->is_outside, problem))
        return false;
    if (!upload && !job && !request->upload.has_file)
        return server_fail(problem, 422, "no-file",
                           "the body holds no file: send it as the field 'file' of a form, or as "
                           "the body itself");
    if (given) {
        free(creation->name);
        creation->name = server_name_clean(given);
    } else if (!creation->name) {
        creation->name = strdup(request->upload.name ? request->upload.name : "input");
    }
    return creation->name ? true : server_fail_memory(problem);
}

/* Two requests are the same if their files, kinds and options are. A file that is here already
 * counts by what the client calls it, not by its path: the first request's job took the upload. */
static char *make_fingerprint(const struct server_request *request, const struct creation *creation)
{
    const char *upload = field(request, "upload"), *job = field(request, "job");
    char *options = json_dumps(creation->options, JSON_COMPACT | JSON_SORT_KEYS);
    char *fingerprint = NULL;
    if (options && asprintf(&fingerprint, "%s upload=%s job=%s %s %s", request->upload.digest,
                            upload ? upload : "", job ? job : "",
                            server_job_kind_name(creation->kind), options) < 0)
        fingerprint = NULL;
    free(options);
    return fingerprint;
}

/* Comes before the search for the input, which may be gone by the second time. */
static bool find_earlier(struct server_request *request, struct creation *creation)
{
    if (!request->idempotency_key)
        return true;
    creation->fingerprint = make_fingerprint(request, creation);
    return creation->fingerprint
               ? server_jobs_find_earlier(creation->jobs, request->idempotency_key,
                                          creation->fingerprint, request->id,
                                          &creation->is_replayed, &request->problem)
               : server_fail_memory(&request->problem);
}

static bool begin(struct server_request *request, enum server_job_kind kind)
{
    struct creation *creation = calloc(1, sizeof *creation);
    if (!creation)
        return server_fail_memory(&request->problem);
    request->own = creation;
    request->free_own = free_creation;
    creation->jobs = request->http->jobs;
    creation->kind = kind;
    creation->options = json_object();
    if (!creation->options)
        return server_fail_memory(&request->problem);
    return gather_options(request, creation) && find_earlier(request, creation) &&
           (creation->is_replayed || find_input(request, creation));
}

/* ---------------------------------------------------------------------------------------- the job
 */

/* In a thread of the pool: waits for the disk. */
static void create_job(struct server_request *request)
{
    const struct creation *creation = request->own;
    if (creation->is_replayed)
        return;
    const char *upload = field(request, "upload");
    const struct server_job_request wanted = {
        .kind = creation->kind,
        .name = creation->name,
        .input_path = creation->input_path ? creation->input_path : request->upload.path,
        .take_input = !creation->is_outside,
        /* Not moved: it stays if there is no job. */
        .link_input = creation->input_path != NULL,
        .options = creation->options,
        .idempotency_key = request->idempotency_key,
        .fingerprint = creation->fingerprint};
    if (!server_jobs_create(creation->jobs, &wanted, request->id, NULL, &request->problem))
        return;
    server_upload_stop_counting(&request->upload);
    if (upload)
        server_uploads_remove(request->http->uploads, upload, NULL);
}

static bool is_set(const char *value)
{
    return value && strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
}

static void wake(void *opaque)
{
    server_request_wake(opaque);
}

/* The job's error as the answer's. */
static enum MHD_Result answer_failure(struct server_request *request, const json_t *document)
{
    const json_t *error = json_object_get(document, "error");
    struct server_problem problem;
    if (!json_is_object(error)) {
        server_fail(&problem, 409, "cancelled", "the job was cancelled");
        return server_answer_problem(request, &problem);
    }
    const unsigned status = (unsigned)json_integer_value(json_object_get(error, "status"));
    char *text = json_dumps(error, JSON_COMPACT);
    const enum MHD_Result answered =
        server_answer_text(request, status, "application/problem+json", text ? text : "{}");
    free(text);
    return answered;
}

static enum MHD_Result answer_end(struct server_request *request)
{
    struct server_job_file file;
    struct server_problem problem;
    json_t *document = server_jobs_document(request->http->jobs, request->id);
    enum MHD_Result answered;
    if (server_jobs_open_result(request->http->jobs, request->id, &file, &problem))
        answered = server_answer_file(request, &file);
    else if (document && problem.status == 410)
        answered = answer_failure(request, document);
    else
        answered = server_answer_problem(request, &problem);
    json_decref(document);
    return answered;
}

static bool has_ended(struct server_request *request)
{
    struct server_job_event event;
    const enum server_job_next next =
        server_jobs_next_event(request->http->jobs, request->id, 0, &event);
    if (next == SERVER_JOB_NEXT_EVENT)
        json_decref(event.data);
    return next == SERVER_JOB_NEXT_OVER || (next == SERVER_JOB_NEXT_EVENT && event.last);
}

static enum MHD_Result wait_for_end(struct server_request *request)
{
    struct creation *creation = request->own;
    if (!creation->subscription)
        creation->subscription = server_jobs_subscribe(creation->jobs, request->id, wake, request);
    while (!has_ended(request)) {
        if (server_request_is_stopping(request))
            return server_answer_json(request, 202,
                                      server_jobs_document(creation->jobs, request->id));
        if (server_request_wait(request))
            return MHD_YES;
    }
    return answer_end(request);
}

static enum MHD_Result upscale(struct server_request *request, enum server_job_kind kind)
{
    if (!request->own && !begin(request, kind))
        return server_answer_problem(request, &request->problem);
    if (!server_request_work(request, create_job))
        return MHD_YES;
    if (request->problem.status)
        return server_answer_problem(request, &request->problem);
    if (server_wants_events(request))
        return server_answer_events(request, request->id, 0);
    if (is_set(field(request, "wait")))
        return wait_for_end(request);
    return server_answer_json(request, 202, server_jobs_document(request->http->jobs, request->id));
}

enum MHD_Result server_handle_video_upscale(struct server_request *request)
{
    return upscale(request, SERVER_JOB_VIDEO);
}

enum MHD_Result server_handle_image_upscale(struct server_request *request)
{
    return upscale(request, SERVER_JOB_IMAGE);
}
