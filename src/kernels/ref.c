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

/* What follows a group's sums, the same for every precision. */
static void finish_pixel(const struct psr_conv *c, const float *sum, uint32_t x, uint32_t first)
{
    const size_t at = x * c->out_px + first;
    for (int o = 0; o < GROUP; o++) {
        float value = c->activation == PSR_SILU ? silu(sum[o]) : sum[o];
        if (c->residual)
            value += c->residual[at + (size_t)o];
        if (c->residual2)
            value += c->residual2[at + (size_t)o];
        if (c->narrow_out)
            ((uint16_t *)c->out)[at + (size_t)o] = psr_bf16_of_float(value);
        else
            ((float *)c->out)[at + (size_t)o] = value;
    }
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
            const float *in = (const float *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i++, weight += GROUP) {
                for (int o = 0; o < GROUP; o++)
                    sum[o] += in[i] * weight[o];
            }
        }
    }
    finish_pixel(c, sum, x, first);
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
    .narrow_bytes = sizeof(float),
    .packed_bytes = psr_packed_bytes_fp32,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};

/* -------------------------------------------------------------------------------------- bf16 -- */

/* Products of bf16 numbers are exact in fp32; the sums are fp32. */
static void conv_pixel_bf16(const struct psr_conv *c, const unsigned char *packed, uint32_t x,
                            uint32_t first)
{
    float sum[GROUP];
    memcpy(sum, packed, sizeof sum);
    const uint16_t *weight = (const uint16_t *)(const void *)(packed + sizeof sum);

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const uint16_t *in = (const uint16_t *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i += 2, weight += 2 * GROUP) {
                const float even = psr_float_of_bf16(in[i]), odd = psr_float_of_bf16(in[i + 1]);
                for (int o = 0; o < GROUP; o++) {
                    sum[o] += odd * psr_float_of_bf16(weight[2 * o + 1]);
                    sum[o] += even * psr_float_of_bf16(weight[2 * o]);
                }
            }
        }
    }
    finish_pixel(c, sum, x, first);
}

static void conv_row_bf16(const struct psr_conv *c)
{
    const size_t group_bytes = psr_packed_bytes_bf16(c->c_in, GROUP);
    for (uint32_t first = 0; first < c->c_out; first += GROUP) {
        const unsigned char *packed =
            (const unsigned char *)c->packed + first / GROUP * group_bytes;
        for (uint32_t x = 0; x < c->n_px; x++)
            conv_pixel_bf16(c, packed, x, first);
    }
}

static void pack_bf16(const float *weight, const float *bias, uint32_t c_in, uint32_t c_out,
                      void *packed)
{
    psr_pack_bf16(weight, bias, c_in, c_out, GROUP, packed);
}

static void narrow_bf16(const float *from, size_t n, void *to)
{
    for (size_t i = 0; i < n; i++)
        ((uint16_t *)to)[i] = psr_bf16_of_float(from[i]);
}

const struct psr_kernels psr_kernels_c_bf16 = {
    .isa = PIPERSR_ISA_C,
    .precision = PIPERSR_PRECISION_BF16,
    .narrow_bytes = sizeof(uint16_t),
    .narrow = narrow_bf16,
    .head = &psr_kernels_c_fp32,
    .packed_bytes = psr_packed_bytes_bf16,
    .pack = pack_bf16,
    .conv = conv_row_bf16,
    .probe = probe,
};
