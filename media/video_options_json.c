/* SPDX-License-Identifier: MIT */
#include "media/video_options_json.h"

#include <stddef.h>

#include <jansson.h>

enum kind { KIND_TEXT, KIND_INTEGER, KIND_BOOLEAN, KIND_COUNT, KIND_LARGE };

/* Every field of media_video_options that the result depends on. */
static const struct field {
    const char *name; /* as the user knows it */
    enum kind kind;
    size_t offset;
} fields[] = {
    {"codec", KIND_TEXT, offsetof(struct media_video_options, codec)},
    {"crf", KIND_INTEGER, offsetof(struct media_video_options, crf)},
    {"preset", KIND_TEXT, offsetof(struct media_video_options, preset)},
    {"pix-fmt", KIND_TEXT, offsetof(struct media_video_options, pix_fmt)},
    {"encoder-opts", KIND_TEXT, offsetof(struct media_video_options, encoder_opts)},
    {"pictures", KIND_TEXT, offsetof(struct media_video_options, sequence)},
    {"quality", KIND_INTEGER, offsetof(struct media_video_options, quality)},
    {"lossless", KIND_BOOLEAN, offsetof(struct media_video_options, lossless)},
    {"framerate", KIND_COUNT, offsetof(struct media_video_options, framerate_num)},
    {"framerate divisor", KIND_COUNT, offsetof(struct media_video_options, framerate_den)},
    {"given start-number", KIND_BOOLEAN, offsetof(struct media_video_options, has_start_number)},
    {"start-number", KIND_LARGE, offsetof(struct media_video_options, start_number)},
    {"deinterlace", KIND_INTEGER, offsetof(struct media_video_options, deinterlace)},
    {"start", KIND_LARGE, offsetof(struct media_video_options, start_us)},
    {"end", KIND_LARGE, offsetof(struct media_video_options, end_us)},
    {"duration", KIND_LARGE, offsetof(struct media_video_options, duration_us)},
    {"max-height", KIND_COUNT, offsetof(struct media_video_options, max_height_px)},
    {"allow-lossy", KIND_COUNT, offsetof(struct media_video_options, allow_lossy)},
    {"max-pixels", KIND_LARGE, offsetof(struct media_video_options, max_frame_px)},
    {"strict", KIND_BOOLEAN, offsetof(struct media_video_options, strict)},
    {"strip", KIND_BOOLEAN, offsetof(struct media_video_options, strip)},
    {"encoder-threads", KIND_COUNT, offsetof(struct media_video_options, encoder_threads)},
};

enum { N_FIELDS = sizeof fields / sizeof fields[0] };

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *field_value(const struct field *field, const struct media_video_options *options)
{
    const char *place = (const char *)options + field->offset;
    switch (field->kind) {
    case KIND_TEXT:
        return text_or_null(*(const char *const *)(const void *)place);
    case KIND_INTEGER:
        return json_integer(*(const int *)(const void *)place);
    case KIND_COUNT:
        return json_integer(*(const unsigned *)(const void *)place);
    case KIND_LARGE:
        return json_integer(*(const int64_t *)(const void *)place);
    case KIND_BOOLEAN:
        break;
    }
    return json_boolean(*(const bool *)(const void *)place);
}

static void set_field(const struct field *field, json_t *value, struct media_video_options *options)
{
    char *place = (char *)options + field->offset;
    switch (field->kind) {
    case KIND_TEXT:
        *(const char **)(void *)place = json_string_value(value);
        break;
    case KIND_INTEGER:
        *(int *)(void *)place = (int)json_integer_value(value);
        break;
    case KIND_COUNT:
        *(unsigned *)(void *)place = (unsigned)json_integer_value(value);
        break;
    case KIND_LARGE:
        *(int64_t *)(void *)place = json_integer_value(value);
        break;
    case KIND_BOOLEAN:
        *(bool *)(void *)place = json_is_true(value);
        break;
    }
}

bool media_options_to_json(const struct media_video_options *options, struct json_t *object)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (json_object_set_new(object, fields[i].name, field_value(&fields[i], options)) != 0) {
            return false;
        }
    }
    return true;
}

void media_options_from_json(struct json_t *object, struct media_video_options *options)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        set_field(&fields[i], json_object_get(object, fields[i].name), options);
    }
}
