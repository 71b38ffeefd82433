/* SPDX-License-Identifier: MIT */
#include "src/kernels/kernels.h"

size_t psr_packed_bytes_fp32(uint32_t c_in, uint32_t c_out)
{
    return (size_t)psr_padded_channels(c_out) * ((size_t)c_in * 9 + 1) * sizeof(float);
}

void psr_pack_fp32(const float *weight, const float *bias, uint32_t c_in, uint32_t c_out,
                   uint32_t group, void *packed)
{
    float *to = packed;
    const uint32_t padded = psr_padded_channels(c_out);

    for (uint32_t first = 0; first < padded; first += group) {
        const uint32_t width = padded - first < group ? padded - first : group;
        for (uint32_t o = first; o < first + width; o++)
            *to++ = o < c_out ? bias[o] : 0.0f;
        for (uint32_t tap = 0; tap < 9; tap++) {
            for (uint32_t i = 0; i < c_in; i++) {
                for (uint32_t o = first; o < first + width; o++)
                    *to++ = o < c_out ? weight[((size_t)o * c_in + i) * 9 + tap] : 0.0f;
            }
        }
    }
}

size_t psr_packed_bytes_bf16(uint32_t c_in, uint32_t c_out)
{
    return (size_t)psr_padded_channels(c_out) *
           ((size_t)c_in * 9 * sizeof(uint16_t) + sizeof(float));
}

void psr_pack_bf16(const float *weight, const float *bias, uint32_t c_in, uint32_t c_out,
                   uint32_t group, void *packed)
{
    unsigned char *to = packed;
    const uint32_t padded = psr_padded_channels(c_out);

    for (uint32_t first = 0; first < padded; first += group) {
        const uint32_t width = padded - first < group ? padded - first : group;
        for (uint32_t o = first; o < first + width; o++, to += sizeof(float))
            memcpy(to, o < c_out ? &bias[o] : &(float){0}, sizeof(float));
        for (uint32_t tap = 0; tap < 9; tap++) {
            for (uint32_t i = 0; i < c_in; i += 2) {
                for (uint32_t k = 0; k < 2 * width; k++, to += sizeof(uint16_t)) {
                    const uint32_t o = first + k / 2;
                    const float value =
                        o < c_out ? weight[((size_t)o * c_in + i + k % 2) * 9 + tap] : 0.0f;
                    memcpy(to, &(uint16_t){psr_bf16_of_float(value)}, sizeof(uint16_t));
                }
            }
        }
    }
}
