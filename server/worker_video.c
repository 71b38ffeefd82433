/* SPDX-License-Identifier: MIT */
#include "server/worker_video.h"

#include <stdlib.h>
#include <unistd.h>

#include "media/video_words.h"
#include "server/folder.h"
#include "server/worker.h"

/* Containers that hold videos and name no other files: what FFmpeg may read for a stranger. */
static const char *const demuxers[] = {"mov",  "matroska",     "avi", "flv", "mpegts",
                                       "mpeg", "asf",          "ogg", "ivf", "mxf",
                                       "gif",  "yuv4mpegpipe", NULL};

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static int64_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

struct media_video_limits server_worker_limits(const json_t *order)
{
    return (struct media_video_limits){.demuxers = demuxers,
                                       .max_duration_s = (uint32_t)number_of(order, "duration_s")};
}

/* Options that are words of people's; they were checked when the job was accepted. */
static void set_words(const json_t *options, struct media_video_options *settings)
{
    const char *start = text_of(options, "start"), *end = text_of(options, "to");
    const char *duration = text_of(options, "duration"), *when = text_of(options, "deinterlace");
    const char *losses = text_of(options, "allow-lossy");
    if (start)
        media_parse_time(start, &settings->start_us);
    if (end)
        media_parse_time(end, &settings->end_us);
    if (duration)
        media_parse_time(duration, &settings->duration_us);
    if (when)
        media_parse_deinterlace(when, &settings->deinterlace);
    if (losses)
        media_parse_losses(losses, &settings->allow_lossy);
}

enum media_status server_worker_video(const json_t *order, const char *work,
                                      const struct media_job *job, const char *output,
                                      const char *target, struct media_video_result *result,
                                      struct media_error *error)
{
    const json_t *options = json_object_get(order, "options");
    const json_t *crf = json_object_get(options, "crf");
    const struct media_video_limits limits = server_worker_limits(order);
    char *parts = server_path_join(work, SERVER_WORKER_PARTS, NULL);
    if (!parts)
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    struct media_video_options settings = {
        .limits = &limits,
        .max_frame_px = number_of(order, "pixels"),
        .codec = text_of(options, "codec"),
        .crf = crf ? (int)json_integer_value(crf) : -1,
        .preset = text_of(options, "preset"),
        .pix_fmt = text_of(options, "pix-fmt"),
        .encoder_threads = (unsigned)number_of(options, "encoder-threads"),
        .max_height_px = (uint32_t)number_of(options, "max-height"),
        .strict = json_is_true(json_object_get(options, "strict")),
        .no_reuse = json_is_true(json_object_get(options, "no-reuse")),
        .strip = json_is_true(json_object_get(options, "strip")),
        .model = text_of(options, "model"),
        /* A long job is cut; one that an earlier process has begun goes on where that one ended. */
        .parts_folder = parts,
        .resume = access(parts, F_OK) == 0,
        .restart = true};
    set_words(options, &settings);
    const enum media_status status =
        media_video_upscale(job, text_of(order, "input"), output, target, &settings, result, error);
    free(parts);
    return status;
}
