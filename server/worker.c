/* SPDX-License-Identifier: MIT
 *
 * A job's process: told what to do, shut in, and then alone with the stranger's file.
 */
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "media/image.h"
#include "media/output.h"
#include "media/video.h"
#include "media/video_still.h"
#include "server/commands.h"
#include "server/folder.h"
#include "server/naming.h"
#include "server/sandbox.h"
#include "server/worker_engine.h"
#include "server/worker_message.h"
#include "server/worker_video.h"

enum { PROGRESS_MS = 100, NICENESS = 5, MAX_ORDER_BYTES = 1 << 16 };

struct worker {
    json_t *order;
    const char *work;
    bool video;
    int64_t said_ms; /* when progress was last said, monotonic */
};

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static int64_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* Takes the reference. One write: a reader never sees half a line of it. */
static void say(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    if (text) {
        const size_t length = strlen(text);
        text[length] = '\n';
        (void)!write(STDOUT_FILENO, text, length + 1);
    }
    free(text);
    json_decref(object);
}

static void say_progress(void *opaque, const struct media_progress *progress)
{
    struct worker *worker = opaque;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (now_ms - worker->said_ms < PROGRESS_MS && progress->done != progress->total)
        return;
    worker->said_ms = now_ms;
    say(json_pack("{s:s, s:I, s:I, s:s}", "event", "progress", "done", (json_int_t)progress->done,
                  "total", (json_int_t)progress->total, "unit", progress->unit));
}

static void say_note(void *opaque, const char *line)
{
    (void)opaque;
    json_t *text = json_string(line);
    if (text)
        say(json_pack("{s:s, s:o}", "event", "note", "text", text));
}

/* --------------------------------------------------------------------------------- the result --
 */

/* What a failed job is to its client. */
static int status_of(enum media_status status, const char **name)
{
    switch (status) {
    case MEDIA_ERROR_INPUT:
        *name = "input";
        return 422;
    case MEDIA_ERROR_UNSUPPORTED:
        *name = "unsupported";
        return 415;
    case MEDIA_ERROR_OUTPUT:
        *name = "output";
        return 507;
    case MEDIA_ERROR_MEMORY:
        *name = "out-of-memory";
        return 413;
    default:
        *name = "internal";
        return 500;
    }
}

/* Files may be as large as there is room for all files together (RLIMIT_FSIZE). Errors are words by
 * now; this is the system's own for that limit. */
static void name_limit(const struct worker *worker, struct media_error *error)
{
    const size_t used = strlen(error->message);
    if (strstr(error->message, strerror(EFBIG)))
        snprintf(error->message + used, sizeof error->message - used,
                 "; %" PRId64 " bytes were left for all files (limit disk)",
                 number_of(worker->order, "file_bytes"));
}

static void say_failure(const struct worker *worker, enum media_status status,
                        struct media_error *error)
{
    const char *name;
    const int http = status_of(status, &name);
    server_worker_name_files(worker->order, error->message, sizeof error->message);
    if (status == MEDIA_ERROR_OUTPUT)
        name_limit(worker, error);
    json_t *detail = json_string(error->message);
    say(json_pack("{s:s, s:i, s:s, s:o}", "event", "failed", "status", http, "name", name, "detail",
                  detail ? detail : json_string("the job failed")));
}

/* The format that the client wants, or the input's own, or what everybody can read. */
static const char *choose_extension(const struct worker *worker)
{
    const char *format = text_of(json_object_get(worker->order, "options"), "format");
    if (format)
        return format;
    const char *own = server_name_extension(text_of(worker->order, "name"));
    bool (*const can_write)(const char *) =
        worker->video ? media_video_can_write : media_image_can_write;
    if (own && strlen(own) <= 8 && can_write(own))
        return own;
    return worker->video ? "mp4" : "png";
}

/* Leaves the outcome in the work folder, on the disk, before it is said. */
static enum media_status leave_outcome(const struct worker *worker, const json_t *outcome,
                                       struct media_error *error)
{
    struct media_output output;
    char *path = server_path_join(worker->work, SERVER_WORKER_OUTCOME, NULL);
    if (!path)
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    enum media_status status = media_output_begin(&output, path, true, error);
    free(path);
    if (status != MEDIA_OK)
        return status;
    if (json_dump_file(outcome, output.temporary_path, JSON_COMPACT) != 0) {
        media_output_abort(&output);
        return media_fail(error, MEDIA_ERROR_OUTPUT, "the outcome cannot be written");
    }
    return media_output_commit(&output, error);
}

/* ------------------------------------------------------------------------------------ the work --
 */

struct made {
    uint32_t width_px, height_px;
    uint64_t frames;
};

static enum media_status upscale_image(const struct worker *worker, const struct media_job *job,
                                       const char *output, const char *target, struct made *made,
                                       struct media_error *error)
{
    const json_t *options = json_object_get(worker->order, "options");
    const struct media_image_options settings = {
        .strip = json_is_true(json_object_get(options, "strip")),
        .lossless = json_is_true(json_object_get(options, "lossless")),
        .quality = (int)number_of(options, "quality"),
        .max_pixels = (uint64_t)number_of(worker->order, "pixels")};
    enum media_status status =
        media_image_upscale(job, text_of(worker->order, "input"), output, target, &settings, error);
    struct media_image_size size;
    if (status == MEDIA_OK && media_image_measure(output, &size, NULL) == MEDIA_OK)
        *made = (struct made){size.width_px, size.height_px, size.pages};
    return status;
}

static enum media_status upscale(struct worker *worker, const struct server_engine *engine,
                                 const char *output, const char *target, struct made *made,
                                 struct media_error *error)
{
    const struct media_job job = {.pass = {engine->pass[0], engine->pass[1]},
                                  .passes = engine->passes,
                                  .scale = engine->scale,
                                  .on_progress = say_progress,
                                  .on_note = say_note,
                                  .opaque = worker};
    if (!worker->video)
        return upscale_image(worker, &job, output, target, made, error);
    struct media_video_result result;
    const enum media_status status =
        server_worker_video(worker->order, worker->work, &job, output, target, &result, error);
    if (status == MEDIA_OK)
        *made = (struct made){result.width_px, result.height_px, result.frames_out};
    return status;
}

/* "WORK/result.EXT" appears when it is whole. */
static enum media_status make_result(struct worker *worker, const struct server_engine *engine,
                                     const char *file, struct made *made, struct media_error *error)
{
    struct media_output output;
    char *target = server_path_join(worker->work, file, NULL);
    if (!target)
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    enum media_status status = media_output_begin(&output, target, true, error);
    if (status == MEDIA_OK) {
        status = upscale(worker, engine, output.temporary_path, target, made, error);
        if (status == MEDIA_OK)
            status = media_output_commit(&output, error);
        else
            media_output_abort(&output);
    }
    free(target);
    return status;
}

static enum media_status do_job(struct worker *worker, struct media_error *error)
{
    struct server_engine engine;
    struct made made = {0};
    char file[48];
    const char *extension = choose_extension(worker);
    enum media_status status =
        server_engine_open(&engine, json_object_get(worker->order, "options"),
                           worker->video ? PIPERSR_USE_VIDEO : PIPERSR_USE_PHOTO,
                           (unsigned)number_of(worker->order, "threads"), error);
    snprintf(file, sizeof file, "result.%s", extension);
    if (status == MEDIA_OK)
        status = make_result(worker, &engine, file, &made, error);
    const unsigned scale = engine.scale;
    server_engine_close(&engine);
    if (status != MEDIA_OK)
        return status;

    char *name = server_name_of_result(text_of(worker->order, "name"), scale, extension);
    json_t *outcome =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "event", "done", "file", file, "name",
                  name ? name : file, "content_type", server_name_content_type(extension),
                  "width_px", (json_int_t)made.width_px, "height_px", (json_int_t)made.height_px,
                  "frames", (json_int_t)made.frames);
    free(name);
    status = leave_outcome(worker, outcome, error);
    if (status == MEDIA_OK)
        say(json_incref(outcome));
    json_decref(outcome);
    return status;
}

static enum media_status do_still(struct worker *worker, struct media_error *error)
{
    struct server_engine engine = {0};
    const json_t *options = json_object_get(worker->order, "options");
    const double seconds = json_number_value(json_object_get(worker->order, "seconds"));
    enum media_status status = MEDIA_OK;
    if (options)
        status = server_engine_open(&engine, options, PIPERSR_USE_VIDEO,
                                    (unsigned)number_of(worker->order, "threads"), error);
    char *path = server_path_join(worker->work, SERVER_WORKER_STILL_FILE, NULL);
    const struct media_job job = {
        .pass = {engine.pass[0], engine.pass[1]}, .passes = engine.passes, .scale = engine.scale};
    if (status == MEDIA_OK && !path)
        status = media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    const struct media_video_limits limits = server_worker_limits(worker->order);
    if (status == MEDIA_OK)
        status = media_video_still(&job, text_of(worker->order, "input"), seconds,
                                   options ? NULL : path, options ? path : NULL, &limits, error);
    free(path);
    server_engine_close(&engine);
    if (status == MEDIA_OK)
        say(json_pack("{s:s, s:s}", "event", "done", "file", SERVER_WORKER_STILL_FILE));
    return status;
}

/* ------------------------------------------------------------------------------------ the frame */

static json_t *read_order(void)
{
    char *text = malloc(MAX_ORDER_BYTES);
    size_t used = 0;
    ssize_t length = 0;
    while (text && used < MAX_ORDER_BYTES &&
           (length = read(STDIN_FILENO, text + used, MAX_ORDER_BYTES - used)) > 0)
        used += (size_t)length;
    json_t *order = text && length == 0 ? json_loadb(text, used, 0, NULL) : NULL;
    free(text);
    return order;
}

/* An earlier process of this job may still be dying: two must not write to one folder. */
static bool own_work_folder(const char *work)
{
    const int fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && flock(fd, LOCK_EX) == 0; /* kept open until the process ends */
}

static enum media_status prepare(struct worker *worker, const char *program_path,
                                 struct media_error *error)
{
    const json_t *order = worker->order;
    const struct server_sandbox sandbox = {.input_path = text_of(order, "input"),
                                           .work_path = worker->work,
                                           .memory_bytes =
                                               (uint64_t)number_of(order, "memory_bytes"),
                                           .file_bytes = (uint64_t)number_of(order, "file_bytes"),
                                           .cpu_s = (uint64_t)number_of(order, "cpu_s")};
    if (!own_work_folder(worker->work))
        return media_fail(error, MEDIA_ERROR_INTERNAL, "the work folder: %s", strerror(errno));
    setpriority(PRIO_PROCESS, 0, NICENESS);
    setenv("TMPDIR", worker->work, 1);
    /* Too large a file is an error of that write, not the end of the process. */
    signal(SIGXFSZ, SIG_IGN);
    /* libvips loads its plug-ins now; none is loaded after the doors are shut. */
    enum media_status status =
        media_image_init(program_path, (unsigned)number_of(order, "threads"), error);
    if (status == MEDIA_OK && !server_sandbox_enter(&sandbox))
        status = media_fail(error, MEDIA_ERROR_INTERNAL, "the job cannot be shut in: %s",
                            strerror(errno));
    return status;
}

int server_worker(const char *program_path)
{
    struct worker worker = {.order = read_order()};
    struct media_error error = {""};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    worker.work = text_of(worker.order, "work");
    const char *kind = text_of(worker.order, "kind");
    if (!worker.work || !kind || !text_of(worker.order, "input") ||
        !text_of(worker.order, "name") || number_of(worker.order, "parent") != getppid()) {
        fputs("pipersr: " SERVER_WORKER_COMMAND " is for the server alone\n", stderr);
        json_decref(worker.order);
        return 2;
    }
    worker.video = strcmp(kind, "video") == 0;
    enum media_status status = prepare(&worker, program_path, &error);
    if (status == MEDIA_OK)
        status = strcmp(kind, SERVER_WORKER_STILL) == 0 ? do_still(&worker, &error)
                                                        : do_job(&worker, &error);
    if (status != MEDIA_OK)
        say_failure(&worker, status, &error);
    json_decref(worker.order);
    return status == MEDIA_OK ? 0 : 1;
}
