/* SPDX-License-Identifier: MIT */
#include "src/kernels/kernels.h"

#include <math.h>

size_t psr_packed_bytes_fp32(uint32_t c_in, uint32_t c_out)
{
    return (size_t)psr_padded_channels(c_out) * ((size_t)c_in * 9 + 1) * sizeof(float);
}

void psr_pack_fp32(const struct psr_weights *weights, uint32_t group, void *packed)
{
    const uint32_t c_in = weights->c_in, c_out = weights->c_out;
    float *to = packed;
    const uint32_t padded = psr_padded_channels(c_out);

    for (uint32_t first = 0; first < padded; first += group) {
        const uint32_t width = padded - first < group ? padded - first : group;
        for (uint32_t o = first; o < first + width; o++)
            *to++ = o < c_out ? weights->bias[o] : 0.0f;
        for (uint32_t tap = 0; tap < 9; tap++) {
            for (uint32_t i = 0; i < c_in; i++) {
                for (uint32_t o = first; o < first + width; o++)
                    *to++ = o < c_out ? weights->weight[((size_t)o * c_in + i) * 9 + tap] : 0.0f;
            }
        }
    }
}

size_t psr_packed_bytes_bf16(uint32_t c_in, uint32_t c_out)
{
    return (size_t)psr_padded_channels(c_out) *
           ((size_t)c_in * 9 * sizeof(uint16_t) + sizeof(float));
}

void psr_pack_bf16(const struct psr_weights *weights, uint32_t group, void *packed)
{
    const uint32_t c_in = weights->c_in, c_out = weights->c_out;
    unsigned char *to = packed;
    const uint32_t padded = psr_padded_channels(c_out);

    for (uint32_t first = 0; first < padded; first += group) {
        const uint32_t width = padded - first < group ? padded - first : group;
        for (uint32_t o = first; o < first + width; o++, to += sizeof(float))
            memcpy(to, o < c_out ? &weights->bias[o] : &(float){0}, sizeof(float));
        for (uint32_t tap = 0; tap < 9; tap++) {
            for (uint32_t i = 0; i < c_in; i += 2) {
                for (uint32_t k = 0; k < 2 * width; k++, to += sizeof(uint16_t)) {
                    const uint32_t o = first + k / 2;
                    const float value =
                        o < c_out ? weights->weight[((size_t)o * c_in + i + k % 2) * 9 + tap]
                                  : 0.0f;
                    memcpy(to, &(uint16_t){psr_bf16_of_float(value)}, sizeof(uint16_t));
                }
            }
        }
    }
}

size_t psr_packed_bytes_int8(uint32_t c_in, uint32_t c_out)
{
    return (size_t)psr_padded_channels(c_out) *
           ((size_t)c_in * 9 + sizeof(int32_t) + 2 * sizeof(float));
}

/* A weight with the scale of its input channel in it. */
static float scaled_weight(const struct psr_weights *weights, uint32_t o, uint32_t i, uint32_t tap)
{
    return weights->weight[((size_t)o * weights->c_in + i) * 9 + tap] /
           weights->coding.inverse_scale[i];
}

float psr_weight_scale_int8(const struct psr_weights *weights, uint32_t o)
{
    float largest = 0;
    for (uint32_t i = 0; i < weights->c_in; i++) {
        for (uint32_t tap = 0; tap < 9; tap++)
            largest = fmaxf(largest, fabsf(scaled_weight(weights, o, i, tap)));
    }
    /* Smaller ones have no normal float for a step, and make no difference. */
    return largest > 1e-35f ? largest / 127.0f : 1.0f;
}

int32_t psr_weight_code_int8(const struct psr_weights *weights, uint32_t o, uint32_t i,
                             uint32_t tap, float scale)
{
    const float place = scaled_weight(weights, o, i, tap) / scale;
    /* Beyond that, or no number, in bad files only. */
    return (int32_t)rintf(fminf(fmaxf(place, -127.0f), 127.0f));
}

void psr_pack_int8(const struct psr_weights *weights, uint32_t group, void *packed)
{
    const uint32_t c_in = weights->c_in, padded = psr_padded_channels(weights->c_out);
    unsigned char *to = packed;

    for (uint32_t first = 0; first < padded; first += group) {
        const uint32_t width = padded - first < group ? padded - first : group;
        int32_t *start = (int32_t *)(void *)to;
        float *scale = (float *)(void *)(to + width * sizeof *start), *bias = scale + width;
        int8_t *codes = (int8_t *)(bias + width);

        for (uint32_t k = 0; k < width && first + k < weights->c_out; k++) {
            const uint32_t o = first + k;
            scale[k] = psr_weight_scale_int8(weights, o);
            bias[k] = weights->bias[o];
            for (uint32_t tap = 0; tap < 9; tap++) {
                for (uint32_t i = 0; i < c_in; i++) {
                    const int32_t code = psr_weight_code_int8(weights, o, i, tap, scale[k]);
                    codes[((size_t)tap * (c_in / 4) + i / 4) * 4 * width + 4 * k + i % 4] =
                        (int8_t)code;
                    start[k] -= code * weights->coding.zero[i];
                }
            }
        }
        to += width * psr_packed_bytes_int8(c_in, PSR_CHANNEL_GROUP) / PSR_CHANNEL_GROUP;
    }
}

/* ---------------------------------------------------------------------------------- Winograd -- */

/* The transformed weight at one position: the rows of the two filters' transforms (winograd.h)
 * applied to the nine weights of an output and an input channel. */
static double transformed_weight(const struct psr_weights *weights, uint32_t o, uint32_t i,
                                 uint32_t position)
{
    static const double along_column[4][3] = {
        {1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    static const double along_row[6][3] = {{1 / 4.0, 0, 0},
                                           {-1 / 6.0, -1 / 6.0, -1 / 6.0},
                                           {-1 / 6.0, 1 / 6.0, -1 / 6.0},
                                           {1 / 24.0, 1 / 12.0, 1 / 6.0},
                                           {1 / 24.0, -1 / 12.0, 1 / 6.0},
                                           {0, 0, 1}};
    if (o >= weights->c_out)
        return 0;
    const float *weight = weights->weight + ((size_t)o * weights->c_in + i) * 9;
    const double *column = along_column[position / 6], *row = along_row[position % 6];
    double sum = 0;
    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++)
            sum += column[dy] * row[dx] * (double)weight[dy * 3 + dx];
    }
    return sum;
}

static unsigned char *pack_biases(const struct psr_weights *weights, uint32_t first, uint32_t width,
                                  unsigned char *to)
{
    for (uint32_t o = first; o < first + width; o++, to += sizeof(float))
        memcpy(to, o < weights->c_out ? &weights->bias[o] : &(float){0}, sizeof(float));
    return to;
}

size_t psr_packed_bytes_winograd_fp32(uint32_t c_in, uint32_t c_out)
{
    return (size_t)psr_padded_channels(c_out) * (PSR_WINOGRAD_POSITIONS * (size_t)c_in + 1) *
           sizeof(float);
}

void psr_pack_winograd_fp32(const struct psr_weights *weights, uint32_t group, void *packed)
{
    const uint32_t padded = psr_padded_channels(weights->c_out);
    unsigned char *to = packed;

    for (uint32_t first = 0; first < padded; first += group) {
        const uint32_t width = padded - first < group ? padded - first : group;
        to = pack_biases(weights, first, width, to);
        for (uint32_t position = 0; position < PSR_WINOGRAD_POSITIONS; position++) {
            for (uint32_t i = 0; i < weights->c_in; i++) {
                for (uint32_t o = first; o < first + width; o++, to += sizeof(float)) {
                    const float value = (float)transformed_weight(weights, o, i, position);
                    memcpy(to, &value, sizeof value);
                }
            }
        }
    }
}

size_t psr_packed_bytes_winograd_bf16(uint32_t c_in, uint32_t c_out)
{
    return (size_t)psr_padded_channels(c_out) *
           (PSR_WINOGRAD_POSITIONS * (size_t)c_in * sizeof(uint16_t) + sizeof(float));
}

void psr_pack_winograd_bf16(const struct psr_weights *weights, uint32_t group, void *packed)
{
    const uint32_t padded = psr_padded_channels(weights->c_out);
    unsigned char *to = packed;

    for (uint32_t first = 0; first < padded; first += group) {
        const uint32_t width = padded - first < group ? padded - first : group;
        to = pack_biases(weights, first, width, to);
        for (uint32_t position = 0; position < PSR_WINOGRAD_POSITIONS; position++) {
            for (uint32_t i = 0; i < weights->c_in; i += 2) {
                for (uint32_t k = 0; k < 2 * width; k++, to += sizeof(uint16_t)) {
                    const double value =
                        transformed_weight(weights, first + k / 2, i + k % 2, position);
                    memcpy(to, &(uint16_t){psr_bf16_of_float((float)value)}, sizeof(uint16_t));
                }
            }
        }
    }
}

size_t psr_packed_bytes_winograd_int8(uint32_t c_in, uint32_t c_out)
{
    return (size_t)psr_padded_channels(c_out) *
           (PSR_WINOGRAD_POSITIONS * (size_t)c_in * sizeof(int16_t) + sizeof(int32_t) +
            2 * sizeof(float));
}

static int32_t transformed_code(const int32_t code[9], uint32_t position)
{
    static const int8_t along_column[4][3] = {{1, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 1}};
    static const int8_t along_row[6][3] = {{1, 0, 0}, {-1, -1, -1}, {-1, 1, -1},
                                           {1, 2, 4}, {1, -2, 4},   {0, 0, 1}};
    int32_t sum = 0;
    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++)
            sum += along_column[position / 6][dy] * along_row[position % 6][dx] * code[dy * 3 + dx];
    }
    return sum;
}

void psr_pack_winograd_int8(const struct psr_weights *weights, uint32_t group, void *packed)
{
    const uint32_t c_in = weights->c_in, padded = psr_padded_channels(weights->c_out);
    unsigned char *to = packed;

    for (uint32_t first = 0; first < padded; first += group) {
        const uint32_t width = padded - first < group ? padded - first : group;
        int32_t *start = (int32_t *)(void *)to;
        float *scale = (float *)(void *)(to + width * sizeof *start), *bias = scale + width;
        int16_t *transformed = (int16_t *)(void *)(bias + width);

        for (uint32_t k = 0; k < width && first + k < weights->c_out; k++) {
            const uint32_t o = first + k;
            scale[k] = psr_weight_scale_int8(weights, o);
            bias[k] = weights->bias[o];
            for (uint32_t i = 0; i < c_in; i++) {
                int32_t code[9];
                for (uint32_t tap = 0; tap < 9; tap++) {
                    code[tap] = psr_weight_code_int8(weights, o, i, tap, scale[k]);
                    start[k] -= code[tap] * weights->coding.zero[i];
                }
                for (uint32_t position = 0; position < PSR_WINOGRAD_POSITIONS; position++)
                    transformed[((size_t)position * (c_in / 2) + i / 2) * 2 * width + 2 * k +
                                i % 2] = (int16_t)transformed_code(code, position);
            }
        }
        to += width * psr_packed_bytes_winograd_int8(c_in, PSR_CHANNEL_GROUP) / PSR_CHANNEL_GROUP;
    }
}
