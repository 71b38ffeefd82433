/* SPDX-License-Identifier: MIT
 *
 * The reference: plain C, one output after the other, no intrinsics. Every other kernel is tested
 * against this file, and it runs where nothing better does.
 */
#include <math.h>

#include "src/kernels/kernels.h"

enum { GROUP = PSR_CHANNEL_GROUP };

static float silu(float x)
{
    return x / (1.0f + expf(-x));
}

/* A group of output channels of one pixel. */
static void conv_pixel(const struct psr_conv *c, const float *packed, uint32_t x, uint32_t first)
{
    float sum[GROUP];
    const float *weight = packed + GROUP;

    for (int o = 0; o < GROUP; o++)
        sum[o] = packed[o];
    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const float *in = c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i++, weight += GROUP) {
                for (int o = 0; o < GROUP; o++)
                    sum[o] += in[i] * weight[o];
            }
        }
    }

    const size_t at = x * c->out_px + first;
    for (int o = 0; o < GROUP; o++) {
        float value = c->activation == PSR_SILU ? silu(sum[o]) : sum[o];
        if (c->residual)
            value += c->residual[at + (size_t)o];
        if (c->residual2)
            value += c->residual2[at + (size_t)o];
        c->out[at + (size_t)o] = value;
    }
}

static void conv_row(const struct psr_conv *c)
{
    const size_t group_floats = GROUP * ((size_t)c->c_in * 9 + 1);
    for (uint32_t first = 0; first < c->c_out; first += GROUP) {
        const float *packed = (const float *)c->packed + first / GROUP * group_floats;
        for (uint32_t x = 0; x < c->n_px; x++)
            conv_pixel(c, packed, x, first);
    }
}

static void pack(const float *weight, const float *bias, uint32_t c_in, uint32_t c_out,
                 void *packed)
{
    psr_pack_fp32(weight, bias, c_in, c_out, GROUP, packed);
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { LANES = 64 };
    float sum[LANES] = {0};
    for (uint64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < LANES; i++)
            sum[i] = sum[i] * 0.999f + 1.0f;
    }
    float total = 0;
    for (int i = 0; i < LANES; i++)
        total += sum[i];
    *operations = rounds * LANES * 2;
    return total;
}

const struct psr_kernels psr_kernels_c_fp32 = {
    .isa = PIPERSR_ISA_C,
    .precision = PIPERSR_PRECISION_FP32,
    .packed_bytes = psr_packed_bytes_fp32,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
