/* SPDX-License-Identifier: MIT */
#include "server/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const kinds[] = {"video", "image"};
static const char *const states[SERVER_JOB_STATES] = {"queued", "running", "done", "failed",
                                                      "cancelled"};

const char *server_job_kind_name(enum server_job_kind kind)
{
    return kinds[kind];
}

const char *server_job_state_name(enum server_job_state state)
{
    return states[state];
}

bool server_job_kind_parse(const char *name, enum server_job_kind *kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i]) == 0) {
            *kind = (enum server_job_kind)i;
            return true;
        }
    return false;
}

bool server_job_state_parse(const char *name, enum server_job_state *state)
{
    for (size_t i = 0; i < SERVER_JOB_STATES; i++)
        if (strcmp(name, states[i]) == 0) {
            *state = (enum server_job_state)i;
            return true;
        }
    return false;
}

bool server_job_is_finished(const struct server_job *job)
{
    return job->now.state >= SERVER_JOB_DONE;
}

void server_job_change_free(struct server_job_change *change)
{
    json_decref(change->result);
    json_decref(change->error);
    json_decref(change->notes);
    change->result = change->error = change->notes = NULL;
}

void server_job_apply(struct server_job *job, struct server_job_change *change)
{
    server_job_change_free(&job->now);
    job->now = *change;
    change->result = change->error = change->notes = NULL;
}

void server_job_free(struct server_job *job)
{
    if (!job)
        return;
    server_job_change_free(&job->now);
    json_decref(job->options);
    free(job->name);
    free(job->input_path);
    free(job->output_path);
    free(job->idempotency_key);
    free(job->fingerprint);
    free(job);
}

int64_t server_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --------------------------------------------------------------------------------- documents -- */

json_t *server_time_json(int64_t ms)
{
    if (ms == 0)
        return json_null();
    const time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char date[32], text[48];
    gmtime_r(&seconds, &parts);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof text, "%s.%03dZ", date, (int)(ms % 1000));
    return json_string(text);
}

static json_t *percent_json(const struct server_job *job)
{
    const struct server_job_progress *progress = &job->progress;
    if (job->now.state == SERVER_JOB_DONE)
        return json_real(100);
    if (progress->total == 0)
        return json_null();
    const double percent = 100.0 * (double)progress->done / (double)progress->total;
    return json_real(percent < 100 ? percent : 100);
}

static json_t *progress_json(const struct server_job *job)
{
    const struct server_job_progress *progress = &job->progress;
    return json_pack(
        "{s:I, s:o, s:f, s:o, s:o, s:s}", "frame", (json_int_t)progress->done, "frames",
        progress->total ? json_integer((json_int_t)progress->total) : json_null(), "fps",
        progress->per_s, "eta_s", progress->eta_s >= 0 ? json_real(progress->eta_s) : json_null(),
        "percent", percent_json(job), "unit", progress->unit);
}

/* The row's result without the name that its file has on this machine. */
static json_t *result_json(const struct server_job *job)
{
    if (!job->now.result)
        return json_null();
    json_t *result = json_deep_copy(job->now.result);
    json_object_del(result, "file");
    char url[SERVER_ID_SIZE + 32];
    snprintf(url, sizeof url, "/v1/jobs/%s/result", job->id);
    json_object_set_new(result, "url", json_string(url));
    if (job->output_path)
        json_object_set_new(result, "path", json_string(job->output_path));
    return result;
}

json_t *server_job_document(const struct server_job *job)
{
    const struct server_job_change *now = &job->now;
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:{s:s, s:I}, s:o, s:o, s:o, s:o, s:o}", "id", job->id,
        "kind", server_job_kind_name(job->kind), "state", server_job_state_name(now->state),
        "created", server_time_json(job->created_ms), "started", server_time_json(now->started_ms),
        "finished", server_time_json(now->finished_ms), "expires",
        server_time_json(now->expires_ms), "input", "name", job->name, "bytes",
        (json_int_t)job->bytes, "options", json_deep_copy(job->options), "progress",
        progress_json(job), "result", result_json(job), "notes",
        now->notes ? json_deep_copy(now->notes) : json_array(), "error",
        now->error ? json_deep_copy(now->error) : json_null());
}

json_t *server_job_event_data(const struct server_job *job)
{
    json_t *data = progress_json(job);
    if (!data)
        return NULL;
    json_object_del(data, "unit");
    json_object_set_new(data, "id", json_string(job->id));
    json_object_set_new(data, "state", json_string(server_job_state_name(job->now.state)));
    if (server_job_is_finished(job))
        json_object_set_new(data, "job", server_job_document(job));
    return data;
}

const char *server_job_event_name(const struct server_job *job)
{
    return server_job_is_finished(job) ? server_job_state_name(job->now.state) : "progress";
}
