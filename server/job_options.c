/* SPDX-License-Identifier: MIT */
#include "server/job_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/video_words.h"
#include "pipersr.h"

enum type {
    TYPE_INTEGER, /* minimum..maximum */
    TYPE_SCALE,   /* 2 or 4 */
    TYPE_FLAG,    /* true, false, 1, 0, on, off, yes, no; empty: true */
    TYPE_WORD,    /* of a codec, preset or format: a-z, 0-9, '_', '-'; the job says which exist */
    TYPE_MODEL,   /* of a built-in model: a client may not name files of this machine */
    TYPE_PRECISION,
    TYPE_TIME, /* as on the command line; kept as it was written */
    TYPE_DEINTERLACE,
    TYPE_LOSSES
};

enum { VIDEO = 1 << SERVER_JOB_VIDEO, IMAGE = 1 << SERVER_JOB_IMAGE, BOTH = VIDEO | IMAGE };

static const struct option {
    const char *name;
    unsigned kinds;
    enum type type;
    long minimum, maximum;
} table[] = {
    {"model", BOTH, TYPE_MODEL, 0, 0},
    {"precision", BOTH, TYPE_PRECISION, 0, 0},
    {"scale", BOTH, TYPE_SCALE, 0, 0},
    {"format", BOTH, TYPE_WORD, 0, 0},
    {"strip", BOTH, TYPE_FLAG, 0, 0},
    {"quality", IMAGE, TYPE_INTEGER, 1, 100},
    {"lossless", IMAGE, TYPE_FLAG, 0, 0},
    {"codec", VIDEO, TYPE_WORD, 0, 0},
    {"crf", VIDEO, TYPE_INTEGER, 0, 63},
    {"preset", VIDEO, TYPE_WORD, 0, 0},
    {"pix-fmt", VIDEO, TYPE_WORD, 0, 0},
    {"deinterlace", VIDEO, TYPE_DEINTERLACE, 0, 0},
    {"start", VIDEO, TYPE_TIME, 0, 0},
    {"duration", VIDEO, TYPE_TIME, 1, 0},
    {"to", VIDEO, TYPE_TIME, 1, 0},
    {"max-height", VIDEO, TYPE_INTEGER, 2, 65536},
    {"allow-lossy", VIDEO, TYPE_LOSSES, 0, 0},
    {"strict", VIDEO, TYPE_FLAG, 0, 0},
    {"no-reuse", VIDEO, TYPE_FLAG, 0, 0},
    {"encoder-threads", VIDEO, TYPE_INTEGER, 0, 128},
};

static const struct option *find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(name, table[i].name) == 0)
            return &table[i];
    return NULL;
}

bool server_job_option_exists(const char *name)
{
    return find(name) != NULL;
}

static bool parse_integer(const char *text, long minimum, long maximum, long *value)
{
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *value >= minimum &&
           *value <= maximum;
}

static bool parse_flag(const char *text, bool *value)
{
    static const char *const yes[] = {"true", "1", "on", "yes", ""};
    static const char *const no[] = {"false", "0", "off", "no"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (strcmp(text, yes[i]) == 0)
            return *value = true;
    *value = false;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (strcmp(text, no[i]) == 0)
            return true;
    return false;
}

static bool is_word(const char *text)
{
    const size_t length = strlen(text);
    return length > 0 && length <= 32 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

static bool refuse(struct server_problem *problem, const char *name, const char *takes,
                   const char *value)
{
    return server_fail(problem, 422, "bad-option", "%s takes %s, not '%.60s'", name, takes, value);
}

static bool set_integer(json_t *options, const struct option *option, const char *value,
                        struct server_problem *problem)
{
    char takes[48];
    long number;
    if (!parse_integer(value, option->minimum, option->maximum, &number)) {
        snprintf(takes, sizeof takes, "%ld to %ld", option->minimum, option->maximum);
        return refuse(problem, option->name, takes, value);
    }
    json_object_set_new(options, option->name, json_integer(number));
    return true;
}

static bool set_text(json_t *options, const struct option *option, const char *value,
                     struct server_problem *problem)
{
    pipersr_precision precision;
    int64_t time_us;
    unsigned losses = 0;
    enum media_deinterlace when;
    switch (option->type) {
    case TYPE_MODEL:
        if (!pipersr_model_find_built_in(value))
            return refuse(problem, option->name, "a name that /v1/models lists", value);
        break;
    case TYPE_PRECISION:
        if (pipersr_precision_parse(value, &precision) != PIPERSR_OK ||
            precision == PIPERSR_PRECISION_FP16)
            return refuse(problem, option->name, "auto, fp32, bf16 or int8", value);
        break;
    case TYPE_TIME:
        if (!media_parse_time(value, &time_us) || time_us < option->minimum)
            return refuse(problem, option->name, MEDIA_TIME_WORDS, value);
        break;
    case TYPE_DEINTERLACE:
        if (!media_parse_deinterlace(value, &when))
            return refuse(problem, option->name, MEDIA_DEINTERLACE_WORDS, value);
        break;
    case TYPE_LOSSES:
        if (!media_parse_losses(value, &losses))
            return refuse(problem, option->name, MEDIA_LOSS_WORDS, value);
        break;
    default:
        if (!is_word(value))
            return refuse(problem, option->name, "a word of a-z, 0-9, _ and -", value);
        break;
    }
    json_object_set_new(options, option->name, json_string(value));
    return true;
}

bool server_job_option_set(json_t *options, enum server_job_kind kind, const char *name,
                           const char *value, struct server_problem *problem)
{
    const struct option *option = find(name);
    long number;
    bool flag;
    if (!option)
        return server_fail(problem, 422, "bad-option", "there is no option '%.60s'", name);
    if (!(option->kinds & 1u << kind))
        return server_fail(problem, 422, "bad-option", "%s is no option of %s jobs", name,
                           server_job_kind_name(kind));
    switch (option->type) {
    case TYPE_INTEGER:
        return set_integer(options, option, value, problem);
    case TYPE_SCALE:
        if (!parse_integer(value, 2, 4, &number) || number == 3)
            return refuse(problem, name, "2 or 4", value);
        json_object_set_new(options, name, json_integer(number));
        return true;
    case TYPE_FLAG:
        if (!parse_flag(value, &flag))
            return refuse(problem, name, "true or false", value);
        json_object_set_new(options, name, json_boolean(flag));
        return true;
    default:
        return set_text(options, option, value, problem);
    }
}

static bool set_json(json_t *options, enum server_job_kind kind, const char *name,
                     const json_t *value, struct server_problem *problem)
{
    char number[32];
    if (json_is_null(value))
        return true;
    if (json_is_string(value))
        return server_job_option_set(options, kind, name, json_string_value(value), problem);
    if (json_is_boolean(value))
        return server_job_option_set(options, kind, name, json_is_true(value) ? "true" : "false",
                                     problem);
    if (!json_is_integer(value))
        return server_fail(problem, 422, "bad-option",
                           "the value of %.60s is neither text, a whole number nor a truth value",
                           name);
    snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return server_job_option_set(options, kind, name, number, problem);
}

/* Times that do not go together. */
static bool check_times(const json_t *options, struct server_problem *problem)
{
    const char *start = json_string_value(json_object_get(options, "start"));
    const char *to = json_string_value(json_object_get(options, "to"));
    int64_t start_us = 0, to_us;
    if (!to || !media_parse_time(to, &to_us))
        return true;
    if (json_object_get(options, "duration"))
        return server_fail(problem, 422, "bad-option", "duration and to exclude each other");
    if (start)
        media_parse_time(start, &start_us);
    return to_us > start_us
               ? true
               : server_fail(problem, 422, "bad-option", "to must be later than start");
}

/* Chooses the model by the scale, or the scale by the model, and refuses those that exclude each
 * other. */
static bool complete_model(json_t *options, pipersr_use use, struct server_problem *problem)
{
    const json_t *given_scale = json_object_get(options, "scale");
    const char *given_model = json_string_value(json_object_get(options, "model"));
    const unsigned wanted = given_scale ? (unsigned)json_integer_value(given_scale) : 2;
    const pipersr_built_in_model *model = given_model ? pipersr_model_find_built_in(given_model)
                                                      : pipersr_model_built_in_at(use, wanted);
    const unsigned own = model->scale;
    const unsigned scale = given_scale ? wanted : own;
    if (scale != own && scale != own * own)
        return server_fail(problem, 422, "bad-option",
                           "scale must be %u with the model %s, not '%u'", own, model->name, scale);
    if (json_object_set_new(options, "model", json_string(model->name)) ||
        json_object_set_new(options, "scale", json_integer(scale)))
        return server_fail_memory(problem);
    return true;
}

json_t *server_job_options_complete(enum server_job_kind kind, const json_t *given,
                                    struct server_problem *problem)
{
    const pipersr_use use = kind == SERVER_JOB_VIDEO ? PIPERSR_USE_VIDEO : PIPERSR_USE_PHOTO;
    json_t *options = json_pack("{s:s}", "precision", "auto");
    const char *name;
    json_t *value;
    if (!options) {
        server_fail_memory(problem);
        return NULL;
    }
    json_object_foreach((json_t *)given, name, value)
    {
        if (!set_json(options, kind, name, value, problem)) {
            json_decref(options);
            return NULL;
        }
    }
    if (complete_model(options, use, problem) && check_times(options, problem))
        return options;
    json_decref(options);
    return NULL;
}
