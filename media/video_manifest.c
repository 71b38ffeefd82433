/* SPDX-License-Identifier: MIT */
#include "media/video_manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>
#include <libavcodec/avcodec.h>

#include "media/video_manifest_difference.h"
#include "media/video_network_mark.h"
#include "media/video_options_json.h"
#include "media/video_sequence.h"

enum { FORMAT_VERSION = 1, INPUT_ENDS_BYTES = 1 << 20 };

static const char file_name[] = "manifest.json";

void media_manifest_options(const struct media_manifest *manifest,
                            struct media_video_options *options)
{
    json_t *identity = json_object_get(manifest->job, "identity");
    *options = (struct media_video_options){.crf = -1};
    media_options_from_json(identity, options);
    options->container = json_string_value(json_object_get(identity, "container"));
    options->segment_frames = media_manifest_segment_frames(manifest);
}

/* ------------------------------------------------------------------------------- the making -- */

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

/* `value` is taken over; false if it or the memory for it is missing. */
static bool set(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

/* Of numbered pictures, which there are counts too, from `start` (NULL: the lowest number) on. */
static enum media_status describe_pictures(json_t *identity, const char *pattern,
                                           const uint64_t *start, struct media_error *error)
{
    char digest[MEDIA_DIGEST_BYTES];
    size_t length;
    uint64_t size_bytes;
    char *list = media_video_sequence_list(pattern, start, &length, &size_bytes, error);
    if (list == NULL) {
        return MEDIA_ERROR_INPUT;
    }
    media_digest_of_bytes(list, length, digest);
    free(list);
    bool ok = set(identity, "input size", json_integer((json_int_t)size_bytes)) &&
              set(identity, "input pictures", json_string(digest));
    return ok ? MEDIA_OK : fail_memory(error);
}

static enum media_status describe_input(json_t *identity, const char *path, const uint64_t *start,
                                        struct media_error *error)
{
    if (media_sequence_is_input(path)) {
        return describe_pictures(identity, path, start, error);
    }
    struct stat about;
    char digest[MEDIA_DIGEST_BYTES];
    if (stat(path, &about) != 0) {
        return media_fail(error, MEDIA_ERROR_INPUT, "cannot open %s: %s", path, strerror(errno));
    }
    enum media_status status = media_digest_of_file(path, INPUT_ENDS_BYTES, digest, error);
    if (status != MEDIA_OK) {
        return status;
    }
    char time[48];
    snprintf(time, sizeof time, "%lld.%09ld", (long long)about.st_mtim.tv_sec,
             about.st_mtim.tv_nsec);
    bool ok = set(identity, "input size", json_integer(about.st_size)) &&
              set(identity, "input time", json_string(time)) &&
              set(identity, "input sha256", json_string(digest));
    return ok ? MEDIA_OK : fail_memory(error);
}

static enum media_status describe_network(json_t *identity, const struct media_job *job,
                                          const char *model, struct media_error *error)
{
    char digest[MEDIA_DIGEST_BYTES];
    enum media_status status = media_network_mark(job->pass[0], digest, error);
    if (status != MEDIA_OK) {
        return status;
    }
    pipersr_upscaler_info info;
    pipersr_upscaler_get_info(job->pass[0], &info);
    bool ok = set(identity, "model", model != NULL ? json_string(model) : json_null()) &&
              set(identity, "precision", json_string(pipersr_precision_name(info.precision))) &&
              set(identity, "scale", json_integer(job->scale)) &&
              set(identity, "network", json_string(digest));
    return ok ? MEDIA_OK : fail_memory(error);
}

static bool describe_options(json_t *identity, const struct media_video_options *options,
                             const char *muxer_name, uint64_t segment_frames)
{
    char libraries[64];
    unsigned version = avcodec_version();
    snprintf(libraries, sizeof libraries, "libavcodec %u.%u.%u", version >> 16, version >> 8 & 0xff,
             version & 0xff);
    return set(identity, "container", json_string(muxer_name)) &&
           set(identity, "segment frames", json_integer((json_int_t)segment_frames)) &&
           set(identity, "program version", json_string(pipersr_version())) &&
           set(identity, "encoder version", json_string(libraries)) &&
           media_options_to_json(options, identity);
}

/* Absolute, so that a worker elsewhere in the tree finds it; null where it is not UTF-8. */
static json_t *path_text(const char *path)
{
    char *absolute = realpath(path, NULL);
    char *folder = NULL;
    if (absolute == NULL && path[0] != '/') {
        folder = realpath(".", NULL);
        if (folder == NULL || asprintf(&absolute, "%s/%s", folder, path) < 0) {
            absolute = NULL;
        }
    }
    json_t *text = json_string(absolute != NULL ? absolute : path);
    free(folder);
    free(absolute);
    return text != NULL ? text : json_null();
}

enum media_status media_manifest_make(struct media_manifest *manifest, const struct media_job *job,
                                      const char *input_path, const char *target_path,
                                      const char *muxer_name,
                                      const struct media_video_options *options,
                                      uint64_t segment_frames, struct media_error *error)
{
    *manifest = (struct media_manifest){.job = json_object()};
    json_t *identity = json_object();
    if (!set(manifest->job, "identity", identity) ||
        !set(manifest->job, "format", json_integer(FORMAT_VERSION)) ||
        !set(manifest->job, "input", path_text(input_path)) ||
        !set(manifest->job, "output", path_text(target_path)) ||
        !describe_options(identity, options, muxer_name, segment_frames)) {
        return fail_memory(error);
    }
    enum media_status status = describe_input(
        identity, input_path, options->has_start_number ? &options->start_number : NULL, error);
    return status == MEDIA_OK ? describe_network(identity, job, options->model, error) : status;
}

void media_manifest_free(struct media_manifest *manifest)
{
    json_decref(manifest->job);
    *manifest = (struct media_manifest){0};
}

/* ------------------------------------------------------------------------------ the keeping -- */

/* Over one spelling of the content, so that it does not depend on how the file is laid out. */
static bool digest_job(json_t *job, char digest[MEDIA_DIGEST_BYTES])
{
    char *text = json_dumps(job, JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL) {
        return false;
    }
    media_digest_of_bytes(text, strlen(text), digest);
    free(text);
    return digest[0] != '\0';
}

enum media_status media_manifest_write(struct media_manifest *manifest,
                                       const struct media_parts *parts, struct media_error *error)
{
    json_t *file = json_object();
    char *text = NULL;
    if (digest_job(manifest->job, manifest->sha256) &&
        set(file, "sha256", json_string(manifest->sha256)) &&
        json_object_set(file, "job", manifest->job) == 0) {
        text = json_dumps(file, JSON_INDENT(1));
    }
    json_decref(file);
    enum media_status status =
        text != NULL ? media_parts_write(parts, file_name, text, error) : fail_memory(error);
    free(text);
    return status;
}

static bool is_valid(json_t *job)
{
    json_t *identity = json_object_get(job, "identity");
    json_int_t frames = json_integer_value(json_object_get(identity, "segment frames"));
    json_int_t scale = json_integer_value(json_object_get(identity, "scale"));
    return json_integer_value(json_object_get(job, "format")) == FORMAT_VERSION && frames > 0 &&
           frames <= UINT32_MAX && scale > 0 && scale <= 256 &&
           json_is_string(json_object_get(identity, "container"));
}

enum media_status media_manifest_read(struct media_manifest *manifest,
                                      const struct media_parts *parts, struct media_error *error)
{
    char *text;
    *manifest = (struct media_manifest){0};
    enum media_status status = media_parts_read(parts, file_name, &text, error);
    if (status != MEDIA_OK || text == NULL) {
        return status;
    }
    json_t *file = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    manifest->job = json_incref(json_object_get(file, "job"));
    const char *expected = json_string_value(json_object_get(file, "sha256"));
    bool ok = manifest->job != NULL && digest_job(manifest->job, manifest->sha256) &&
              expected != NULL && strcmp(expected, manifest->sha256) == 0 &&
              is_valid(manifest->job);
    json_decref(file);
    if (!ok) {
        media_manifest_free(manifest);
        return media_fail(error, MEDIA_ERROR_INPUT, "%s/%s is damaged or of another version",
                          parts->path, file_name);
    }
    return MEDIA_OK;
}

/* ------------------------------------------------------------------------------- comparison -- */

bool media_manifest_same(const struct media_manifest *kept, const struct media_manifest *now,
                         char *difference, size_t size_bytes)
{
    return media_identities_same(json_object_get(kept->job, "identity"),
                                 json_object_get(now->job, "identity"), difference, size_bytes);
}

enum media_status media_manifest_check_input(const struct media_manifest *manifest,
                                             struct media_error *error)
{
    json_t *kept = json_object_get(manifest->job, "identity");
    const char *path = media_manifest_input_path(manifest);
    if (path == NULL) {
        return media_fail(error, MEDIA_ERROR_INPUT, "the plan does not name its input");
    }
    json_t *now = json_object();
    struct media_video_options options;
    media_options_from_json(kept, &options);
    enum media_status status =
        describe_input(now, path, options.has_start_number ? &options.start_number : NULL, error);
    const char *name;
    json_t *value;
    json_object_foreach(now, name, value)
    {
        if (status == MEDIA_OK && !json_equal(json_object_get(kept, name), value)) {
            status = media_fail(error, MEDIA_ERROR_INPUT,
                                "%s has changed since it was planned (%s); plan it anew", path,
                                name + strlen("input "));
        }
    }
    json_decref(now);
    return status;
}

enum media_status media_manifest_check_network(const struct media_manifest *manifest,
                                               const struct media_job *job,
                                               struct media_error *error)
{
    json_t *now = json_object(), *kept = json_object_get(manifest->job, "identity");
    enum media_status status = describe_network(now, job, media_manifest_model(manifest), error);
    const char *name;
    json_t *value;
    json_object_foreach(now, name, value)
    {
        if (status == MEDIA_OK && !json_equal(json_object_get(kept, name), value)) {
            char difference[256];
            media_identity_difference(name, json_object_get(kept, name), value, difference,
                                      sizeof difference);
            status =
                media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                           "%s; this machine or model would not give the same picture", difference);
        }
    }
    json_decref(now);
    return status;
}

/* ------------------------------------------------------------------------------------ facts -- */

static json_t *identity_value(const struct media_manifest *manifest, const char *name)
{
    return json_object_get(json_object_get(manifest->job, "identity"), name);
}

uint64_t media_manifest_segment_frames(const struct media_manifest *manifest)
{
    return (uint64_t)json_integer_value(identity_value(manifest, "segment frames"));
}

const char *media_manifest_input_path(const struct media_manifest *manifest)
{
    return json_string_value(json_object_get(manifest->job, "input"));
}

const char *media_manifest_target_path(const struct media_manifest *manifest)
{
    return json_string_value(json_object_get(manifest->job, "output"));
}

const char *media_manifest_model(const struct media_manifest *manifest)
{
    return json_string_value(identity_value(manifest, "model"));
}

const char *media_manifest_precision(const struct media_manifest *manifest)
{
    return json_string_value(identity_value(manifest, "precision"));
}

unsigned media_manifest_scale(const struct media_manifest *manifest)
{
    return (unsigned)json_integer_value(identity_value(manifest, "scale"));
}

/* ---------------------------------------------------------------------------- planned jobs -- */

bool media_manifest_set_plan(struct media_manifest *manifest, const struct media_survey *survey)
{
    json_t *plan = json_object(), *list = json_array();
    bool ok = set(manifest->job, "plan", plan) && set(plan, "starts", list) &&
              set(plan, "frames", json_integer((json_int_t)survey->frames)) &&
              set(plan, "damaged", json_integer((json_int_t)survey->damaged)) &&
              set(plan, "faulty", json_integer((json_int_t)survey->faulty)) &&
              set(plan, "retimed", json_integer((json_int_t)survey->retimed)) &&
              set(plan, "interlaced", json_integer((json_int_t)survey->interlaced));
    for (uint64_t i = 0; ok && i < survey->n_starts; i++) {
        json_t *start = json_pack("{s:I, s:s}", "pts", (json_int_t)survey->starts[i].pts, "sha256",
                                  survey->starts[i].sha256);
        ok = json_array_append_new(list, start) == 0;
    }
    return ok;
}

static json_t *plan_value(const struct media_manifest *manifest, const char *name)
{
    return json_object_get(json_object_get(manifest->job, "plan"), name);
}

void media_manifest_plan(const struct media_manifest *manifest, struct media_survey *survey)
{
    *survey = (struct media_survey){
        .frames = (uint64_t)json_integer_value(plan_value(manifest, "frames")),
        .damaged = (uint64_t)json_integer_value(plan_value(manifest, "damaged")),
        .faulty = (uint64_t)json_integer_value(plan_value(manifest, "faulty")),
        .retimed = (uint64_t)json_integer_value(plan_value(manifest, "retimed")),
        .interlaced = (uint64_t)json_integer_value(plan_value(manifest, "interlaced")),
    };
}

uint64_t media_manifest_planned_segments(const struct media_manifest *manifest)
{
    return json_array_size(plan_value(manifest, "starts"));
}

bool media_manifest_must_be_linear(const struct media_manifest *manifest)
{
    struct media_survey survey;
    media_manifest_plan(manifest, &survey);
    return survey.retimed > 0 || survey.interlaced > 0;
}

bool media_manifest_start(const struct media_manifest *manifest, uint64_t segment,
                          struct media_frame_mark *mark)
{
    json_t *start = json_array_get(plan_value(manifest, "starts"), (size_t)segment);
    const char *digest = json_string_value(json_object_get(start, "sha256"));
    *mark = (struct media_frame_mark){0};
    if (digest == NULL) {
        return false;
    }
    mark->pts = json_integer_value(json_object_get(start, "pts"));
    snprintf(mark->sha256, sizeof mark->sha256, "%s", digest);
    return true;
}
