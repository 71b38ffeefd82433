/* SPDX-License-Identifier: MIT */
#include "server/worker_engine.h"

static const char *text_of(const json_t *options, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(options, name));
    return text ? text : otherwise;
}

static enum media_status load_model(struct server_engine *engine, const char *name,
                                    struct media_error *error)
{
    const pipersr_built_in_model *built_in = pipersr_model_find_built_in(name);
    pipersr_error reason = {""};
    if (!built_in)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "there is no model '%s'", name);
    const pipersr_status status =
        pipersr_model_load_memory(built_in->data, built_in->size_bytes, &engine->model, &reason);
    return status == PIPERSR_OK
               ? MEDIA_OK
               : media_fail(error, MEDIA_ERROR_INTERNAL, "%s: %s", name, reason.message);
}

static enum media_status set_scale(struct server_engine *engine, unsigned wanted,
                                   struct media_error *error)
{
    pipersr_model_info info;
    pipersr_model_get_info(engine->model, &info);
    engine->scale = wanted ? wanted : info.scale;
    if (engine->scale == info.scale)
        engine->passes = 1;
    else if (engine->scale == info.scale * info.scale)
        engine->passes = 2;
    else
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "scale %u: this model enlarges %u times, so %u or %u", engine->scale,
                          info.scale, info.scale, info.scale * info.scale);
    return MEDIA_OK;
}

enum media_status server_engine_open(struct server_engine *engine, const json_t *options,
                                     pipersr_use use, unsigned threads, struct media_error *error)
{
    *engine = (struct server_engine){0};
    pipersr_options settings = pipersr_options_default();
    settings.threads = threads;
    settings.use = use;
    if (pipersr_precision_parse(text_of(options, "precision", "auto"), &settings.precision) !=
        PIPERSR_OK)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "there is no such precision");
    const unsigned scale = (unsigned)json_integer_value(json_object_get(options, "scale"));
    const pipersr_built_in_model *built_in = pipersr_model_built_in_at(use, scale);
    enum media_status status = load_model(engine, text_of(options, "model", built_in->name), error);
    if (status == MEDIA_OK)
        status = set_scale(engine, scale, error);
    for (unsigned i = 0; status == MEDIA_OK && i < engine->passes; i++) {
        pipersr_error reason = {""};
        const pipersr_status made =
            pipersr_upscaler_create(engine->model, &settings, &engine->pass[i], &reason);
        if (made == PIPERSR_ERROR_MEMORY)
            status = media_fail(error, MEDIA_ERROR_MEMORY, "%s", reason.message);
        else if (made != PIPERSR_OK)
            status = media_fail(error, MEDIA_ERROR_UNSUPPORTED, "the upscaler cannot start: %s",
                                reason.message);
    }
    return status;
}

void server_engine_close(struct server_engine *engine)
{
    for (unsigned i = 0; i < MEDIA_MAX_PASSES; i++)
        pipersr_upscaler_free(engine->pass[i]);
    pipersr_model_free(engine->model);
    *engine = (struct server_engine){0};
}
