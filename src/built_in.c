/* SPDX-License-Identifier: MIT */
#include "src/built_in.h"

#include <string.h>

const pipersr_built_in_model *pipersr_model_built_in(size_t index)
{
    return index < psr_n_built_in_models ? &psr_built_in_models[index] : NULL;
}

const pipersr_built_in_model *pipersr_model_find_built_in(const char *name)
{
    for (size_t i = 0; name && i < psr_n_built_in_models; i++) {
        if (strcmp(psr_built_in_models[i].name, name) == 0)
            return &psr_built_in_models[i];
    }
    return NULL;
}

const pipersr_built_in_model *pipersr_model_built_in_for(pipersr_use use)
{
    const pipersr_built_in_model *model =
        use == PIPERSR_USE_VIDEO ? pipersr_model_find_built_in("pipersr-x2-video") : NULL;
    return model ? model : &psr_built_in_models[0];
}

const pipersr_built_in_model *pipersr_model_built_in_at(pipersr_use use, uint32_t scale)
{
    for (size_t i = 0; use == PIPERSR_USE_PHOTO && i < psr_n_built_in_models; i++) {
        if (psr_built_in_models[i].scale == scale)
            return &psr_built_in_models[i];
    }
    return pipersr_model_built_in_for(use);
}

pipersr_status pipersr_model_load_default(pipersr_model **model, pipersr_error *error)
{
    return pipersr_model_load_memory(psr_built_in_models[0].data, psr_built_in_models[0].size_bytes,
                                     model, error);
}

const void *pipersr_model_default_data(size_t *size_bytes)
{
    *size_bytes = psr_built_in_models[0].size_bytes;
    return psr_built_in_models[0].data;
}
