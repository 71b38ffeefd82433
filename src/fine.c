/* SPDX-License-Identifier: MIT */
#include "src/fine.h"

#include <string.h>

struct psr_fine *psr_fine_new(const struct psr_weights *weights, const float *rest_inverse_scale,
                              const struct psr_kernels *kernels, struct psr_mem *mem)
{
    static const float no_bias[PSR_MAX_CHANNELS];
    float inverse_scale[PSR_MAX_CHANNELS];
    struct psr_fine *fine = psr_mem_alloc(mem, sizeof *fine);
    if (!fine)
        return NULL;
    memset(fine->zero, PSR_REST_ZERO, sizeof fine->zero);
    fine->coding = (struct psr_coding){rest_inverse_scale, fine->zero};
    fine->packed = psr_mem_alloc(mem, kernels->packed_bytes(weights->c_in, weights->c_out));
    if (!fine->packed) {
        psr_mem_free(mem, fine);
        return NULL;
    }
    for (uint32_t i = 0; i < weights->c_in; i++)
        inverse_scale[i] = weights->coding.inverse_scale[i] * rest_inverse_scale[i];
    struct psr_weights rest = *weights;
    rest.bias = no_bias;
    rest.coding = (struct psr_coding){inverse_scale, fine->zero};
    kernels->pack(&rest, fine->packed);
    return fine;
}

void psr_fine_free(struct psr_fine *fine, struct psr_mem *mem)
{
    if (!fine)
        return;
    psr_mem_free(mem, fine->packed);
    psr_mem_free(mem, fine);
}

void psr_fine_rest(float *numbers, const uint8_t *codes, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding)
{
    for (size_t x = 0; x < n_px; x++, numbers += channels, codes += channels)
        for (uint32_t c = 0; c < channels; c++)
            numbers[c] = numbers[c] * coding->inverse_scale[c] -
                         (float)((int32_t)codes[c] - (int32_t)coding->zero[c]);
}
