/* SPDX-License-Identifier: MIT
 *
 * Streams of server-sent events. A stream holds no queue: when its client is ready for more, it
 * gets what is newest. So a slow client costs no memory, and only misses steps in between.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"
#include "server/jobs_table.h"

enum { BLOCK_BYTES = 8192, SILENCE_MS = 10000 };

struct stream {
    struct server_request *request;
    struct server_jobs *jobs;
    struct server_subscription *subscription;
    char id[SERVER_ID_SIZE]; /* "": of all jobs */
    uint64_t sequence;       /* the client knows everything up to it */
    uint64_t opened;         /* the engine's number when the stream began */
    char *text;              /* what is being sent, malloc'd; NULL: nothing */
    size_t size, sent;
    int64_t said_ms; /* monotonic */
    bool last;
};

static void free_stream(void *own)
{
    struct stream *stream = own;
    server_jobs_unsubscribe(stream->jobs, stream->subscription);
    free(stream->text);
    free(stream);
}

static void wake(void *opaque)
{
    server_request_wake(opaque);
}

static void set_text(struct stream *stream, char *text)
{
    free(stream->text);
    stream->text = text;
    stream->size = text ? strlen(text) : 0;
    stream->sent = 0;
    stream->said_ms = server_monotonic_ms();
}

/* False without memory. */
static bool set_event(struct stream *stream, const struct server_job_event *event)
{
    char *data = event->data ? json_dumps(event->data, JSON_COMPACT) : NULL;
    char *text = NULL;
    json_decref(event->data);
    stream->sequence = event->sequence;
    stream->last = event->last && *stream->id;
    if (data && asprintf(&text, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", event->sequence,
                         event->name, data) < 0)
        text = NULL;
    free(data);
    set_text(stream, text);
    return text != NULL;
}

static enum server_job_next next_event(const struct stream *stream, struct server_job_event *event)
{
    return *stream->id ? server_jobs_next_event(stream->jobs, stream->id, stream->sequence, event)
                       : server_jobs_next_event_of_all(stream->jobs, stream->sequence,
                                                       stream->opened, event);
}

/* Finds something to send. False: the stream is over. *waits: there is nothing now. */
static bool fill(struct stream *stream, bool *waits)
{
    struct server_job_event event;
    *waits = false;
    if (stream->last || server_request_is_stopping(stream->request))
        return false;
    switch (next_event(stream, &event)) {
    case SERVER_JOB_NEXT_EVENT:
        return set_event(stream, &event);
    case SERVER_JOB_NEXT_OVER:
        return false;
    case SERVER_JOB_NEXT_WAIT:
        break;
    }
    if (server_monotonic_ms() - stream->said_ms >= SILENCE_MS)
        set_text(stream, strdup(": still here\n\n"));
    else
        *waits = server_request_wait(stream->request);
    return true;
}

static ssize_t read_stream(void *opaque, uint64_t position, char *buffer, size_t size)
{
    struct stream *stream = opaque;
    (void)position;
    bool waits = false;
    while (stream->sent == stream->size) {
        if (!fill(stream, &waits))
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (waits)
            return 0;
    }
    size_t length = stream->size - stream->sent;
    if (length > size)
        length = size;
    memcpy(buffer, stream->text + stream->sent, length);
    stream->sent += length;
    return (ssize_t)length;
}

bool server_wants_events(const struct server_request *request)
{
    const char *accept = server_request_header(request, "Accept");
    return accept && strstr(accept, "text/event-stream");
}

static void add_headers(struct MHD_Response *response)
{
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
}

/* libmicrohttpd would end even a stream that nobody asked for with a last chunk, which the client
 * takes for the next answer. */
static enum MHD_Result answer_head(struct server_request *request)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response)
        add_headers(response);
    return server_answer(request, 200, response);
}

enum MHD_Result server_answer_events(struct server_request *request, const char *id,
                                     uint64_t sequence)
{
    if (strcmp(request->method, "HEAD") == 0)
        return answer_head(request);
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return MHD_NO;
    if (request->free_own)
        request->free_own(request->own);
    request->own = stream;
    request->free_own = free_stream;
    stream->request = request;
    stream->jobs = request->http->jobs;
    stream->sequence = sequence;
    stream->opened = server_jobs_sequence(stream->jobs);
    snprintf(stream->id, sizeof stream->id, "%s", id ? id : "");
    set_text(stream, strdup("retry: 2000\n\n"));
    stream->subscription = server_jobs_subscribe(stream->jobs, id, wake, request);
    if (!stream->subscription)
        return MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, stream, NULL);
    if (!response)
        return MHD_NO;
    add_headers(response);
    return server_answer(request, 200, response);
}

/* What the client says that it knows; 0: nothing. */
static uint64_t known_sequence(const struct server_request *request)
{
    const char *text = server_request_header(request, "Last-Event-ID");
    return text ? strtoull(text, NULL, 10) : 0;
}

enum MHD_Result server_handle_events(struct server_request *request)
{
    return server_answer_events(request, NULL, known_sequence(request));
}

enum MHD_Result server_handle_job_events(struct server_request *request)
{
    struct server_job_event event = {.data = NULL};
    const uint64_t sequence = known_sequence(request);
    json_t *document = server_jobs_document(request->http->jobs, request->id);
    if (!document) {
        server_fail(&request->problem, 404, "not-found", "there is no job %s", request->id);
        return server_answer_problem(request, &request->problem);
    }
    json_decref(document);
    /* 204 tells an EventSource not to come again. */
    if (server_jobs_next_event(request->http->jobs, request->id, sequence, &event) ==
        SERVER_JOB_NEXT_OVER)
        return server_answer_empty(request, 204);
    json_decref(event.data);
    return server_answer_events(request, request->id, sequence);
}
