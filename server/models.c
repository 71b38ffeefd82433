/* SPDX-License-Identifier: MIT */
#include "server/models.h"

#include "pipersr.h"

/* Every model is loaded once, to be asked what it is. */
static json_t *model_json(const pipersr_built_in_model *built_in)
{
    pipersr_model *model;
    pipersr_model_info info;
    if (pipersr_model_load_memory(built_in->data, built_in->size_bytes, &model, NULL) != PIPERSR_OK)
        return NULL;
    pipersr_model_get_info(model, &info);
    json_t *uses = json_array();
    if (built_in == pipersr_model_built_in_for(PIPERSR_USE_PHOTO))
        json_array_append_new(uses, json_string("image"));
    if (built_in == pipersr_model_built_in_for(PIPERSR_USE_VIDEO))
        json_array_append_new(uses, json_string("video"));
    json_t *json =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:o}", "name", built_in->name, "description",
                  built_in->description, "scale", (json_int_t)info.scale, "channels",
                  (json_int_t)info.channels, "blocks", (json_int_t)info.blocks, "parameters",
                  (json_int_t)info.parameters, "has_int8", info.has_int8 != 0, "default_for", uses);
    pipersr_model_free(model);
    return json;
}

json_t *server_models_json(void)
{
    json_t *list = json_array();
    const pipersr_built_in_model *each;
    for (size_t i = 0; (each = pipersr_model_built_in(i)); i++) {
        json_t *model = model_json(each);
        if (model)
            json_array_append_new(list, model);
    }
    return json_pack("{s:o}", "models", list);
}
