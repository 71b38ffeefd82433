/* SPDX-License-Identifier: MIT
 *
 * bf16 kernels for NEON with BF16 instructions (Armv8.6): inputs and weights in bf16, sums and
 * trunk in fp32. An instruction adds the products of two input channels.
 */
#if !defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#error "build this file with -march=armv8.2-a+bf16"
#endif

#include "src/cpu.h"
#include "src/kernels/neon_tile.h"

enum { NUMBERS = 8 }; /* bf16 in a register */

static inline bfloat16x8_t load(const uint16_t *from)
{
    return vreinterpretq_bf16_u16(vld1q_u16(from));
}

static inline void store(uint16_t *to, float32x4_t value)
{
    vst1_u16(to, vreinterpret_u16_bf16(vcvt_bf16_f32(value)));
}

/* The products of two input channels, which lie in lane LANE of every in[]. */
#define ADD_PRODUCTS(LANE)                                                                         \
    do {                                                                                           \
        const bfloat16x8_t w0 = load(weight), w1 = load(weight + NUMBERS);                         \
        weight += 2 * NUMBERS;                                                                     \
        PSR_UNROLL(8) for (int p = 0; p < n; p++)                                                  \
        {                                                                                          \
            sum[p][0] = vbfdotq_laneq_f32(sum[p][0], w0, a[p], LANE);                              \
            sum[p][1] = vbfdotq_laneq_f32(sum[p][1], w1, a[p], LANE);                              \
        }                                                                                          \
    } while (0)

/* n pixels by one group of channels, n constant (see neon.c). */
static inline __attribute__((always_inline)) void tile(const struct psr_conv *c, const void *group,
                                                       uint32_t x, uint32_t first, const int n)
{
    float32x4_t sum[TILE_PX][TILE_VECTORS];
    const float *bias = group;
    const uint16_t *weight = (const uint16_t *)(const void *)(bias + GROUP);

    PSR_UNROLL(8)
    for (int p = 0; p < n; p++) {
        sum[p][0] = vld1q_f32(bias);
        sum[p][1] = vld1q_f32(bias + LANES);
    }

    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++) {
            const uint16_t *in = (const uint16_t *)c->in[dy] + (x + (size_t)dx) * c->in_px;
            for (uint32_t i = 0; i < c->c_in; i += NUMBERS, in += NUMBERS) {
                bfloat16x8_t a[TILE_PX];
                PSR_UNROLL(8)
                for (int p = 0; p < n; p++)
                    a[p] = load(in + (size_t)p * c->in_px);
                ADD_PRODUCTS(0);
                ADD_PRODUCTS(1);
                ADD_PRODUCTS(2);
                ADD_PRODUCTS(3);
            }
        }
    }

    PSR_UNROLL(8)
    for (int p = 0; p < n; p++) {
        PSR_UNROLL(2)
        for (int k = 0; k < TILE_VECTORS; k++) {
            const size_t at = (x + (size_t)p) * c->out_px + first + (size_t)(k * LANES);
            const float32x4_t value = psr_neon_finish(c, &c->row[0], sum[p][k], at);
            if (c->narrow_out)
                store((uint16_t *)c->row[0].out + at, value);
            else
                vst1q_f32((float *)c->row[0].out + at, value);
        }
    }
}

static void conv_row(const struct psr_conv *c)
{
    PSR_NEON_CONV_ROW(c, tile, sizeof(uint16_t) * (size_t)c->c_in * 9 + sizeof(float))
}

static void pack(const struct psr_weights *weights, void *packed)
{
    psr_pack_bf16(weights, GROUP, packed);
}

static void narrow(const float *from, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding, void *to)
{
    (void)coding;
    for (size_t i = 0; i < n_px * channels; i += LANES)
        store((uint16_t *)to + i, vld1q_f32(from + i));
}

static float probe(uint64_t rounds, uint64_t *operations)
{
    enum { CHAINS = 24 };
    float32x4_t sum[CHAINS];
    /* Converted, as GCC 12 writes a constant of bf16 with an instruction of fp16. */
    const bfloat16x4_t halves = vcvt_bf16_f32(vdupq_n_f32(0.5f));
    const bfloat16x8_t half = vcombine_bf16(halves, halves);

    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        sum[i] = vdupq_n_f32((float)i);
    for (uint64_t r = 0; r < rounds; r++) {
        PSR_UNROLL(24)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = vbfdotq_f32(sum[i], half, half);
    }
    float32x4_t total = vdupq_n_f32(0.0f);
    PSR_UNROLL(24)
    for (int i = 0; i < CHAINS; i++)
        total = vaddq_f32(total, sum[i]);
    *operations = rounds * CHAINS * NUMBERS * 2;
    return vaddvq_f32(total);
}

const struct psr_kernels psr_kernels_neon_bf16 = {
    .isa = PIPERSR_ISA_NEON,
    .precision = PIPERSR_PRECISION_BF16,
    .cpu_features = PSR_CPU_NEON | PSR_CPU_NEON_BF16,
    .speed = 350,
    .tile_px = 1,
    .tile_rows = 1,
    .narrow_bytes = sizeof(uint16_t),
    .narrow = narrow,
    .head = &psr_kernels_neon_fp32,
    .packed_bytes = psr_packed_bytes_bf16,
    .pack = pack,
    .conv = conv_row,
    .probe = probe,
};
