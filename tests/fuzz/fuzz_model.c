/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: any bytes as a model file. What is accepted must also run.
 */
#include <stddef.h>
#include <stdint.h>

#include "pipersr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pipersr_model *model;
    pipersr_error error;
    if (pipersr_model_load_memory(data, size, &model, &error) == PIPERSR_OK) {
        pipersr_options options = pipersr_options_default();
        options.threads = 1;
        pipersr_upscaler *upscaler;
        if (pipersr_upscaler_create(model, &options, &upscaler, &error) == PIPERSR_OK) {
            uint8_t in[2 * 2 * 3] = {0}, out[8 * 8 * 3];
            pipersr_model_info info;
            pipersr_model_get_info(model, &info);
            const ptrdiff_t row = (ptrdiff_t)(2 * info.scale * 3);
            pipersr_frame a = {in, 6, 2, 2, PIPERSR_RGB8};
            pipersr_frame b = {out, row, 2 * info.scale, 2 * info.scale, PIPERSR_RGB8};
            if (pipersr_upscale(upscaler, &a, &b) != PIPERSR_OK)
                __builtin_trap();
            pipersr_upscaler_free(upscaler);
        }
        pipersr_model_free(model);
    }
    return 0;
}
