/* SPDX-License-Identifier: MIT
 *
 * GET .../preview?t=SECONDS&side=before|after of a job or of an upload: one moment of a video as a
 * PNG. Of an upload, "after" is what a job with the options of the query would make of the moment;
 * of a job, it is the moment in the job's result.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/handlers.h"
#include "server/job_options.h"
#include "server/still.h"

/* Each holds a thread of the pool; the others are left for the rest of the server. */
enum { MAX_AT_ONCE = 2 };

struct preview {
    char *path, *name;
    json_t *options; /* NULL: the frame as it is */
    double seconds;
    struct server_job_file file;
};

static void free_preview(void *own)
{
    struct preview *preview = own;
    json_decref(preview->options);
    free(preview->path);
    free(preview->name);
    if (preview->file.fd >= 0)
        close(preview->file.fd);
    free(preview);
}

static bool set_side(struct server_request *request, bool *after)
{
    const char *side = server_request_argument(request, "side");
    *after = side && strcmp(side, "after") == 0;
    return *after || (side && strcmp(side, "before") == 0)
               ? true
               : server_fail(&request->problem, 400, "bad-argument", "side is before or after");
}

static bool set_seconds(struct server_request *request, double *seconds)
{
    const char *text = server_request_argument(request, "t");
    char *end;
    *seconds = text ? strtod(text, &end) : 0;
    if (text && (*text < '0' || *text > '9' || *end || !isfinite(*seconds)))
        return server_fail(&request->problem, 400, "bad-argument",
                           "t is a time in seconds, such as 12.5");
    return true;
}

/* In a thread of the pool. */
static void make(struct server_request *request)
{
    struct preview *preview = request->own;
    const struct server_still_request wanted = {.input_path = preview->path,
                                                .name = preview->name,
                                                .seconds = preview->seconds,
                                                .options = preview->options};
    server_still_make(request->http->jobs, &wanted, &preview->file, &request->problem);
    atomic_fetch_sub(&request->http->n_previews, 1);
}

/* Once for each request. */
static bool reserve(struct server_request *request)
{
    if (atomic_fetch_add(&request->http->n_previews, 1) < MAX_AT_ONCE)
        return true;
    atomic_fetch_sub(&request->http->n_previews, 1);
    return server_fail_for_now(&request->problem, 503, "busy", 2,
                               "other previews are being made; try again");
}

static bool begin(struct server_request *request, struct preview **made, bool *after)
{
    struct preview *preview = *made = calloc(1, sizeof *preview);
    if (!preview)
        return server_fail_memory(&request->problem);
    preview->file.fd = -1;
    request->own = preview;
    request->free_own = free_preview;
    return set_side(request, after) && set_seconds(request, &preview->seconds);
}

static bool begin_of_job(struct server_request *request)
{
    struct preview *preview;
    bool after;
    return begin(request, &preview, &after) &&
           server_jobs_find_video(request->http->jobs, request->id, after, &preview->path,
                                  &preview->name, &request->problem) &&
           reserve(request);
}

/* The options of the query that change the picture. */
static bool set_options(struct server_request *request, struct preview *preview)
{
    static const char *const names[] = {"model", "precision", "scale"};
    json_t *given = json_object();
    for (size_t i = 0; given && i < sizeof names / sizeof *names; i++) {
        const char *value = server_request_argument(request, names[i]);
        if (value &&
            !server_job_option_set(given, SERVER_JOB_VIDEO, names[i], value, &request->problem)) {
            json_decref(given);
            return false;
        }
    }
    preview->options =
        given ? server_job_options_complete(SERVER_JOB_VIDEO, given, &request->problem) : NULL;
    json_decref(given);
    return preview->options ? true
                            : request->problem.status == 0 && server_fail_memory(&request->problem);
}

static bool begin_of_upload(struct server_request *request)
{
    struct preview *preview;
    bool after;
    return begin(request, &preview, &after) && (!after || set_options(request, preview)) &&
           server_uploads_find(request->http->uploads, request->id, &preview->path, &preview->name,
                               &request->problem) &&
           reserve(request);
}

static enum MHD_Result answer(struct server_request *request)
{
    struct preview *preview = request->own;
    if (!server_request_work(request, make))
        return MHD_YES;
    if (request->problem.status)
        return server_answer_problem(request, &request->problem);
    const struct server_job_file file = preview->file;
    preview->file.fd = -1;
    return server_answer_file(request, &file);
}

enum MHD_Result server_handle_job_preview(struct server_request *request)
{
    if (!request->own && !begin_of_job(request))
        return server_answer_problem(request, &request->problem);
    return answer(request);
}

enum MHD_Result server_handle_upload_preview(struct server_request *request)
{
    if (!request->own && !begin_of_upload(request))
        return server_answer_problem(request, &request->problem);
    return answer(request);
}
