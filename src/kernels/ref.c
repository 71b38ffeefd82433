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
        if (c->row[0].residual)
            value += c->row[0].residual[at + (size_t)o];
        if (c->row[0].residual2)
            value += c->row[0].residual2[at + (size_t)o];
        if (c->narrow_out)
            ((uint16_t *)c->row[0].out)[at + (size_t)o] = psr_bf16_of_float(value);
        else
            ((float *)c->row[0].out)[at + (size_t)o] = value;
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

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_fp32(weights, GROUP, packed);
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
    .speed = 1,
    .tile_px = 1,
    .tile_rows = 1,
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

static void pack_bf16(const struct psr_weights *weights, void *packed)
{
    psr_pack_bf16(weights, GROUP, packed);
}

static void narrow_bf16(const float *from, size_t n_px, uint32_t channels,
                        const struct psr_coding *coding, void *to)
{
    (void)coding;
    for (size_t i = 0; i < n_px * channels; i++)
        ((uint16_t *)to)[i] = psr_bf16_of_float(from[i]);
}

const struct psr_kernels psr_kernels_c_bf16 = {
    .isa = PIPERSR_ISA_C,
    .precision = PIPERSR_PRECISION_BF16,
    .speed = 1,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(uint16_t),
    .narrow = narrow_bf16,
    .head = &psr_kernels_c_fp32,
    .packed_bytes = psr_packed_bytes_bf16,
    .pack = pack_bf16,
    .conv = conv_row_bf16,
    .probe = probe,
};

/* -------------------------------------------------------------------------------------- int8 -- */

/* The vector kernels' operations one by one, so that int8 gives the same bits everywhere: e^-x is
 * 2^n * 2^f with n whole and f in [-0.5, 0.5], 2^f a polynomial. */
static float silu_fused(float x)
{
    static const float c[] = PSR_EXP2_COEFFICIENTS;
    const float t = fmaxf(fminf(x * -0x1.715476p+0f, 126.0f), -126.0f);
    const float n = rintf(t), f = t - n;
    float p = c[6];
    for (int i = 5; i >= 0; i--)
        p = fmaf(p, f, c[i]);
    return x / (1.0f + ldexpf(p, (int)n));
}

static uint8_t code_of(const struct psr_coding *coding, uint32_t channel, float value)
{
    const float code = rintf(value * coding->inverse_scale[channel]) + coding->zero[channel];
    return (uint8_t)fminf(fmaxf(code, 0.0f), 255.0f);
}

static void conv_pixel_int8(const struct psr_conv *c, const unsigned char *packed, uint32_t x,
                            uint32_t first)
{
    const int32_t *start = (const int32_t *)(const void *)packed;
    const float *scale = (const float *)(start + GROUP), *bias = scale + GROUP;
    const int8_t *weight = (const int8_t *)(bias + GROUP);
    int32_t sum[GROUP];

    memcpy(sum, start, sizeof sum);
    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const uint8_t *in = (const uint8_t *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i += 4, weight += 4 * GROUP) {
                for (int o = 0; o < 4 * GROUP; o++)
                    sum[o / 4] += in[i + (uint32_t)o % 4] * weight[o];
            }
        }
    }

    const size_t at = x * c->out_px + first;
    for (uint32_t o = 0; o < GROUP; o++) {
        float value = fmaf((float)sum[o], scale[o], bias[o]);
        if (c->activation == PSR_SILU)
            value = silu_fused(value);
        if (c->row[0].residual)
            value += c->row[0].residual[at + o];
        if (c->row[0].residual2)
            value += c->row[0].residual2[at + o];
        if (c->narrow_out)
            ((uint8_t *)c->row[0].out)[at + o] = code_of(&c->out_coding, first + o, value);
        else
            ((float *)c->row[0].out)[at + o] = value;
    }
}

static void conv_row_int8(const struct psr_conv *c)
{
    const size_t group_bytes = psr_packed_bytes_int8(c->c_in, GROUP);
    for (uint32_t first = 0; first < c->c_out; first += GROUP) {
        const unsigned char *packed =
            (const unsigned char *)c->packed + first / GROUP * group_bytes;
        for (uint32_t x = 0; x < c->n_px; x++)
            conv_pixel_int8(c, packed, x, first);
    }
}

static void pack_int8(const struct psr_weights *weights, void *packed)
{
    psr_pack_int8(weights, GROUP, packed);
}

static void narrow_int8(const float *from, size_t n_px, uint32_t channels,
                        const struct psr_coding *coding, void *to)
{
    uint8_t *code = to;
    for (size_t x = 0; x < n_px; x++) {
        for (uint32_t i = 0; i < channels; i++)
            *code++ = code_of(coding, i, *from++);
    }
}

/* Integers on the portable path are no faster than floats: the same probe. */
const struct psr_kernels psr_kernels_c_int8 = {
    .isa = PIPERSR_ISA_C,
    .precision = PIPERSR_PRECISION_INT8,
    .speed = 1,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(uint8_t),
    .narrow = narrow_int8,
    .head = &psr_kernels_c_fused,
    .tail = &psr_kernels_c_winograd,
    .packed_bytes = psr_packed_bytes_int8,
    .pack = pack_int8,
    .conv = conv_row_int8,
    .probe = probe,
};

static void conv_row_fused(const struct psr_conv *c)
{
    const size_t group_floats = GROUP * ((size_t)c->c_in * 9 + 1);
    for (uint32_t o = 0; o < c->c_out; o++) {
        const float *packed = (const float *)c->packed + o / GROUP * group_floats + o % GROUP;
        for (uint32_t x = 0; x < c->n_px; x++) {
            const float *weight = packed;
            float sum = *weight;
            for (size_t tap = 0; tap < 9; tap++) {
                const float *in = (const float *)c->in[tap / 3] + (x + tap % 3) * c->in_px;
                for (uint32_t i = 0; i < c->c_in; i++)
                    sum = fmaf(in[i], *(weight += GROUP), sum);
            }
            ((float *)c->row[0].out)[x * c->out_px + o] = sum;
        }
    }
}

const struct psr_kernels psr_kernels_c_fused = {
    .isa = PIPERSR_ISA_C,
    .precision = PIPERSR_PRECISION_FP32,
    .speed = 1,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(float),
    .packed_bytes = psr_packed_bytes_fp32,
    .pack = pack,
    .conv = conv_row_fused,
    .probe = probe,
};
