/* SPDX-License-Identifier: MIT
 *
 * Every kernel against the C reference: random sizes, every tile remainder, extreme numbers, in
 * place and not, and nothing written beside the output.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "src/cpu.h"
#include "src/kernels/kernels.h"

enum { PAD = 64, MAX_PX = 70, MAX_C = 128 };

enum fill { RANDOM, ZERO, LARGE, TINY, N_FILLS };

static void fill(float *values, size_t n, enum fill kind, unsigned *seed)
{
    for (size_t i = 0; i < n; i++) {
        const float r = check_random_float(seed);
        values[i] = kind == RANDOM  ? r
                    : kind == ZERO  ? 0.0f
                    : kind == LARGE ? copysignf(300.0f, r)
                                    : r * 1e-38f;
    }
}

/* Largest error that two orders of rounding of this sum may differ by: half an ulp of the sum of
 * magnitudes for each of its additions and products, twice. */
static float bound(const struct psr_conv *c, const float *weight, const float *bias, uint32_t x,
                   uint32_t o, uint32_t true_c_out)
{
    if (o >= true_c_out)
        return 0;
    double sum = fabs((double)bias[o]);
    for (int tap = 0; tap < 9; tap++) {
        const float *in = c->in[tap / 3] + (x + (size_t)(tap % 3)) * c->in_px;
        for (uint32_t i = 0; i < c->c_in; i++)
            sum +=
                fabs((double)in[i] * (double)weight[((size_t)o * c->c_in + i) * 9 + (size_t)tap]);
    }
    const double terms = 9.0 * c->c_in + 1;
    /* SiLU's slope is at most 1.1; the polynomial adds 4e-7 of its value. The sums' errors grow
     * like the square root of their length; 4 is a margin over the worst that chance gives. */
    return (float)(sum * (4 * sqrt(terms) * 6e-8 * 1.1 + 4e-7) + 1e-30);
}

static void run(const struct psr_kernels *kernels, uint32_t c_in, uint32_t c_out, uint32_t n_px,
                enum psr_activation activation, int residuals, int in_place, enum fill kind,
                unsigned *seed)
{
    const struct psr_kernels *reference = &psr_kernels_c_fp32;
    const uint32_t padded = psr_padded_channels(c_out);
    const size_t in_px = c_in == 3 ? 4 : c_in;
    const size_t row = (n_px + 2) * in_px, out_floats = (size_t)n_px * padded;
    float *rows[3], *residual[2];
    float *weight = malloc((size_t)c_out * c_in * 9 * sizeof(float));
    float *bias = malloc(c_out * sizeof(float));
    float *out[2];
    void *packed[2];
    const struct psr_kernels *sets[2] = {reference, kernels};

    fill(weight, (size_t)c_out * c_in * 9, RANDOM, seed);
    fill(bias, c_out, RANDOM, seed);
    for (int i = 0; i < 3; i++) {
        rows[i] = malloc(row * sizeof(float));
        fill(rows[i], row, kind, seed);
    }
    for (int i = 0; i < 2; i++) {
        residual[i] = malloc(out_floats * sizeof(float));
        fill(residual[i], out_floats, RANDOM, seed);
        out[i] = malloc((out_floats + 2 * PAD) * sizeof(float));
        for (size_t k = 0; k < out_floats + 2 * PAD; k++)
            out[i][k] = 12345.0f;
        const size_t bytes = (sets[i]->packed_bytes(c_in, c_out) + 63) / 64 * 64;
        packed[i] = aligned_alloc(64, bytes);
        memset(packed[i], 0, bytes);
        sets[i]->pack(weight, bias, c_in, c_out, packed[i]);
    }

    struct psr_conv c = {
        .in = {rows[0], rows[1], rows[2]},
        .in_px = in_px,
        .out_px = padded,
        .c_in = c_in,
        .c_out = padded,
        .n_px = n_px,
        .activation = activation,
        .residual2 = residuals > 1 ? residual[1] : NULL,
    };
    for (int i = 0; i < 2; i++) {
        c.packed = packed[i];
        c.out = out[i] + PAD;
        c.residual = residuals ? residual[0] : NULL;
        if (residuals && in_place) {
            memcpy(c.out, residual[0], out_floats * sizeof(float));
            c.residual = c.out;
        }
        sets[i]->conv(&c);
    }

    int wrong = 0, outside = 0;
    for (uint32_t x = 0; x < n_px; x++) {
        for (uint32_t o = 0; o < padded; o++) {
            const size_t at = PAD + (size_t)x * padded + o;
            const float difference = fabsf(out[0][at] - out[1][at]);
            const float scale = fmaxf(fabsf(out[0][at]), 1.0f);
            wrong += !(difference <= bound(&c, weight, bias, x, o, c_out) + scale * 2.4e-7f);
        }
    }
    for (size_t k = 0; k < PAD; k++)
        outside += out[1][k] != 12345.0f || out[1][PAD + out_floats + k] != 12345.0f;
    CHECK(wrong == 0, "%s: %d of %zu wrong (c_in %u, c_out %u, n %u, act %d, res %d, fill %d)",
          pipersr_isa_name(kernels->isa), wrong, out_floats, c_in, c_out, n_px, activation,
          residuals, kind);
    CHECK(outside == 0, "%s: wrote beside the output (c_in %u, c_out %u, n %u)",
          pipersr_isa_name(kernels->isa), c_in, c_out, n_px);

    free(weight);
    free(bias);
    for (int i = 0; i < 3; i++)
        free(rows[i]);
    for (int i = 0; i < 2; i++) {
        free(residual[i]);
        free(out[i]);
        free(packed[i]);
    }
}

/* SiLU alone: weights of one centre tap pass a number through. The bound holds for all x. */
static void run_silu(const struct psr_kernels *kernels)
{
    enum { N = 64, C = 16 };
    static float weight[C * 3 * 9], bias[C], in[(N + 2) * 4], out[N * C];
    const size_t bytes = (kernels->packed_bytes(3, C) + 63) / 64 * 64;
    void *packed = aligned_alloc(64, bytes);
    double worst = 0;

    for (int o = 0; o < C; o++)
        weight[o * 27 + 4] = 1.0f;
    kernels->pack(weight, bias, 3, C, packed);
    for (double base = -110; base < 110; base += 0.37) {
        for (int x = 0; x < N + 2; x++)
            in[x * 4] = (float)(base + x * 0.0057);
        struct psr_conv c = {
            .in = {in, in, in},
            .in_px = 4,
            .packed = packed,
            .out = out,
            .out_px = C,
            .c_in = 3,
            .c_out = C,
            .n_px = N,
            .activation = PSR_SILU,
        };
        kernels->conv(&c);
        for (int x = 0; x < N; x++) {
            const double v = in[(x + 1) * 4], exact = v / (1 + exp(-v));
            const double error = fabs(out[x * C] - exact) / fmax(1.0, fabs(v));
            if (!(error <= worst))
                worst = error;
        }
    }
    CHECK(worst < 3e-7, "%s: SiLU is off by %g", pipersr_isa_name(kernels->isa), worst);
    free(packed);
}

int main(void)
{
    const uint32_t features = psr_cpu_features();
    unsigned seed = 20260322;

    for (const struct psr_kernels *const *entry = psr_kernels_all(); *entry; entry++) {
        if (((*entry)->cpu_features & features) != (*entry)->cpu_features) {
            printf("%s is not on this CPU\n", pipersr_isa_name((*entry)->isa));
            continue;
        }
        run_silu(*entry);
        /* Every remainder of every tile width, for the layer shapes of the default model. */
        for (uint32_t n = 1; n <= 43; n++) {
            run(*entry, 64, 64, n, PSR_SILU, 0, 0, RANDOM, &seed);
            run(*entry, 64, 64, n, PSR_LINEAR, 1, 1, RANDOM, &seed);
            run(*entry, 3, 64, n, PSR_LINEAR, 0, 0, RANDOM, &seed);
            run(*entry, 64, 12, n, PSR_LINEAR, 0, 0, RANDOM, &seed);
        }
        for (int i = 0; i < 200; i++) {
            const uint32_t c_in = check_random(&seed) % 4 ? 16 * (1 + check_random(&seed) % 8) : 3;
            const uint32_t c_out = check_random(&seed) % 4 ? 16 * (1 + check_random(&seed) % 8)
                                                           : 3 * (1 + check_random(&seed) % 16);
            run(*entry, c_in, c_out, 1 + check_random(&seed) % MAX_PX,
                check_random(&seed) % 2 ? PSR_SILU : PSR_LINEAR, (int)(check_random(&seed) % 3),
                (int)(check_random(&seed) % 2), (enum fill)(check_random(&seed) % N_FILLS), &seed);
        }
    }
    return check_result();
}
