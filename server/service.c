/* SPDX-License-Identifier: MIT
 *
 * What the server says about itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipersr.h"
#include "server/handlers.h"
#include "server/jobs_table.h"
#include "server/models.h"
#include "server/sandbox.h"

/* The instruction set that an upscaler with the defaults would take here. */
static const char *isa_name(void)
{
    pipersr_model *model = NULL;
    pipersr_upscaler *upscaler = NULL;
    pipersr_options options = pipersr_options_default();
    pipersr_upscaler_info info = {.isa = PIPERSR_ISA_C};
    options.threads = 1;
    if (pipersr_model_load_default(&model, NULL) == PIPERSR_OK &&
        pipersr_upscaler_create(model, &options, &upscaler, NULL) == PIPERSR_OK)
        pipersr_upscaler_get_info(upscaler, &info);
    pipersr_upscaler_free(upscaler);
    pipersr_model_free(model);
    return pipersr_isa_name(info.isa);
}

static json_t *limits_json(const struct server_limits *limits)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "upload_bytes",
                     (json_int_t)limits->upload_bytes, "pixels", (json_int_t)limits->pixels,
                     "disk_bytes", (json_int_t)limits->disk_bytes, "job_memory_bytes",
                     (json_int_t)limits->job_memory_bytes, "duration_s",
                     (json_int_t)limits->duration_s, "queued", (json_int_t)limits->queued,
                     "running", (json_int_t)limits->running, "rate_per_min",
                     (json_int_t)limits->rate_per_min, "keep_s", (json_int_t)limits->keep_s,
                     "job_s", (json_int_t)limits->job_s, "stall_s", (json_int_t)limits->stall_s);
}

enum MHD_Result server_handle_status(struct server_request *request)
{
    const struct server_http *http = request->http;
    const struct server_limits *limits = server_jobs_limits(http->jobs);
    struct server_jobs_counts counts;
    json_t *jobs = json_object();
    server_jobs_count(http->jobs, &counts);
    for (int state = 0; state < SERVER_JOB_STATES; state++)
        json_object_set_new(jobs, server_job_state_name((enum server_job_state)state),
                            json_integer((json_int_t)counts.in_state[state]));
    return server_answer_json(
        request, 200,
        json_pack("{s:s, s:f, s:o, s:I, s:o, s:{s:s, s:i}, s:o}", "version", pipersr_version(),
                  "uptime_s", (double)(server_monotonic_ms() - http->started_ms) / 1000, "jobs",
                  jobs, "disk_bytes", (json_int_t)counts.disk_bytes, "limits", limits_json(limits),
                  "cpu", "isa", http->isa, "threads",
                  (int)(limits->threads ? limits->threads : pipersr_cpu_count()), "sandbox",
                  server_sandbox_describe()));
}

enum MHD_Result server_handle_models(struct server_request *request)
{
    return server_answer_text(request, 200, "application/json", request->http->models);
}

/* ------------------------------------------------------------------------------------ metrics --
 */

static void print_metric(FILE *stream, const char *name, const char *type, const char *help)
{
    fprintf(stream, "# HELP pipersr_%s %s\n# TYPE pipersr_%s %s\n", name, help, name, type);
}

static void print_states(FILE *stream, const char *name, const uint64_t *values, int first)
{
    for (int state = first; state < SERVER_JOB_STATES; state++)
        fprintf(stream, "pipersr_%s{state=\"%s\"} %" PRIu64 "\n", name,
                server_job_state_name((enum server_job_state)state), values[state]);
}

static void print_metrics(FILE *stream, struct server_http *http)
{
    struct server_jobs_counts counts;
    uint64_t in_state[SERVER_JOB_STATES];
    server_jobs_count(http->jobs, &counts);
    for (int state = 0; state < SERVER_JOB_STATES; state++)
        in_state[state] = counts.in_state[state];
    print_metric(stream, "jobs", "gauge", "Jobs that are kept, by state.");
    print_states(stream, "jobs", in_state, SERVER_JOB_QUEUED);
    print_metric(stream, "jobs_ended_total", "counter", "Jobs that ended since the start.");
    print_states(stream, "jobs_ended_total", counts.ended, SERVER_JOB_DONE);
    print_metric(stream, "frames_total", "counter", "Frames of finished videos since the start.");
    fprintf(stream, "pipersr_frames_total %" PRIu64 "\n", counts.frames);
    print_metric(stream, "disk_bytes", "gauge", "Bytes of inputs and results that are kept.");
    fprintf(stream, "pipersr_disk_bytes %" PRIu64 "\n", counts.disk_bytes);
    print_metric(stream, "requests_total", "counter", "Requests since the start.");
    fprintf(stream, "pipersr_requests_total %" PRIu64 "\n",
            (uint64_t)atomic_load(&http->n_requests));
    print_metric(stream, "requests_refused_total", "counter",
                 "Requests that were refused for their headers.");
    fprintf(stream, "pipersr_requests_refused_total %" PRIu64 "\n",
            (uint64_t)atomic_load(&http->n_refused));
    print_metric(stream, "uptime_seconds", "gauge", "Time since the start.");
    fprintf(stream, "pipersr_uptime_seconds %.3f\n",
            (double)(server_monotonic_ms() - http->started_ms) / 1000);
}

enum MHD_Result server_handle_metrics(struct server_request *request)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return MHD_NO;
    print_metrics(stream, request->http);
    if (fclose(stream) != 0) {
        free(text);
        return MHD_NO;
    }
    const enum MHD_Result answered =
        server_answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text);
    free(text);
    return answered;
}

bool server_service_prepare(struct server_http *http)
{
    json_t *models = server_models_json();
    http->isa = isa_name();
    http->models = json_dumps(models, JSON_COMPACT);
    json_decref(models);
    return http->models != NULL;
}
