/* SPDX-License-Identifier: MIT
 *
 * Every kernel against the C reference: random sizes, every tile remainder, extreme numbers, in
 * place and not, and nothing written beside the output. Instructions that the CPU lacks are
 * emulated where that is possible (amx_emulator.h).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(TEST_EMULATOR)
#include "amx_emulator.h"
#endif
#include "check.h"
#include "kernel_speed.h"
#include "src/cpu.h"
#include "src/kernels/kernels.h"

enum { PAD = 64, GAP = 5, MAX_PX = 70 };

static const float MARK = 12345.0f; /* no result is this */

enum fill { RANDOM, ZERO, LARGE, TINY, N_FILLS };

/* int8 only: the codes and weights that make the largest sum there can be, and the least. */
enum { HIGHEST = N_FILLS, LOWEST };

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

/* Does it compute tiles from their transforms? Then bf16 rounds those once more. */
static bool is_winograd(const struct psr_kernels *kernels)
{
    return kernels->tile_px > 1; /* int8's are exact, and count as plain sums */
}

/* The C reference of the same precision. */
static const struct psr_kernels *reference_of(const struct psr_kernels *kernels)
{
    switch (kernels->precision) {
    case PIPERSR_PRECISION_INT8:
        return &psr_kernels_c_int8;
    case PIPERSR_PRECISION_BF16:
        return &psr_kernels_c_bf16;
    default:
        return &psr_kernels_c_fp32;
    }
}

/* One random job: its numbers, and what two kernel sets make of them. */
struct job {
    struct psr_conv conv; /* in float; each set gets its own inputs, weights and output */
    uint32_t true_c_out;
    uint32_t n_rows;
    int residuals;
    /* Elements of an input row; of an output row and the gap after it; of all of these. */
    size_t row, out_row, out_elements;
    float *rows[PSR_MAX_TILE_ROWS + 2], *residual[2], *weight, *bias;
    struct psr_coding in_coding; /* int8 */
};

/* Codes for `channels`: ranges of about -1..1, every kind of zero. */
static struct psr_coding make_coding(uint32_t channels, unsigned *seed)
{
    float *inverse_scale = malloc(channels * sizeof *inverse_scale);
    uint8_t *zero = malloc(channels);
    for (uint32_t i = 0; i < channels; i++) {
        inverse_scale[i] = 100.0f + 60.0f * check_random_float(seed);
        zero[i] = (uint8_t)check_random(seed);
    }
    return (struct psr_coding){inverse_scale, zero};
}

static void free_coding(struct psr_coding *coding)
{
    free((void *)coding->inverse_scale);
    free((void *)coding->zero);
}

/* Largest error that two orders of rounding of this sum may differ by: half an ulp of the sum of
 * magnitudes for each of its additions and products. */
static float bound(const struct psr_kernels *kernels, const struct job *job, uint32_t y, uint32_t x,
                   uint32_t o)
{
    const struct psr_conv *c = &job->conv;
    if (o >= job->true_c_out)
        return is_winograd(kernels) ? 1e-30f : 0;
    double sum = fabs((double)job->bias[o]);
    for (uint32_t tap = 0; tap < 9; tap++) {
        const float *in = job->rows[y + tap / 3] + (x + (size_t)(tap % 3)) * c->in_px;
        const float *weight = job->weight + (size_t)o * c->c_in * 9 + (size_t)tap;
        for (uint32_t i = 0; i < c->c_in; i++)
            sum += fabs((double)in[i] * (double)weight[(size_t)i * 9]);
    }
    const double terms = 9.0 * c->c_in + 1;
    /* Winograd's transforms pass through numbers that are larger than what they end in: the sum of
     * their coefficients' magnitudes is up to 20 for inputs, 57 for outputs, against weights that
     * shrink to a half to 1/24. Over all positions that comes to a factor of about ten for the
     * rounding of fp32; bf16 rounds inputs and weights once each, to 2^-9 of their size. */
    if (is_winograd(kernels) && kernels->precision == PIPERSR_PRECISION_BF16)
        return (float)(sum * (7 * 10 / sqrt(terms) * 0x1p-9) + 1e-30);
    if (is_winograd(kernels))
        return (float)(sum * (10 * 4 * sqrt(terms) * 6e-8 * 1.1 + 4e-7) + 1e-30);
    /* SiLU's slope is at most 1.1; the polynomial adds 4e-7 of its value. The sums' errors grow
     * like the square root of their length; 4 is a margin over the worst that chance gives. */
    return (float)(sum * (4 * sqrt(terms) * 6e-8 * 1.1 + 4e-7) + 1e-30);
}

/* Runs one set; the result, with PAD marked elements on both sides, is malloc'd. */
static float *run_set(const struct psr_kernels *kernels, const struct job *job, bool in_place,
                      int *outside)
{
    struct psr_conv c = job->conv;
    const size_t bytes = (kernels->packed_bytes(c.c_in, job->true_c_out) + 63) / 64 * 64;
    const size_t room = job->out_elements + 2 * PAD;
    const size_t scratch = kernels->scratch_bytes ? kernels->scratch_bytes(c.c_in) : 0;
    void *packed = aligned_alloc(64, bytes), *narrow[PSR_MAX_TILE_ROWS + 2] = {NULL};
    float *out = malloc(room * sizeof *out);
    uint8_t *codes = kernels->codes_rows && !c.narrow_out ? malloc(job->out_elements) : NULL;

    memset(packed, 0, bytes);
    const struct psr_weights weights = {job->weight, job->bias, c.c_in, job->true_c_out,
                                        job->in_coding};
    kernels->pack(&weights, packed);
    /* A set that makes more rows at once than are asked for has something to read there. */
    const void *rows[2 * PSR_MAX_TILE_ROWS + 1];
    for (int i = 0; i < 2 * PSR_MAX_TILE_ROWS + 1; i++) {
        if (i >= PSR_MAX_TILE_ROWS + 2) {
            rows[i] = rows[0];
            continue;
        }
        rows[i] = job->rows[i];
        if (kernels->narrow) {
            rows[i] = narrow[i] = malloc(job->row * kernels->narrow_bytes);
            kernels->narrow(job->rows[i], job->row / c.in_px, c.c_in, &job->in_coding, narrow[i]);
        }
    }
    for (size_t k = 0; k < room; k++)
        out[k] = MARK;
    c.packed = packed;
    c.scratch = aligned_alloc(64, (scratch + 63) / 64 * 64);
    for (uint32_t y = 0; in_place && y < job->n_rows; y++)
        memcpy(out + PAD + y * job->out_row, job->residual[0] + y * job->out_row,
               (size_t)c.n_px * c.c_out * sizeof *out);
    for (uint32_t y = 0; y < job->n_rows; y += kernels->tile_rows) {
        memcpy(c.in, rows + y, (kernels->tile_rows + 2) * sizeof *rows);
        c.n_rows = job->n_rows - y < kernels->tile_rows ? job->n_rows - y : kernels->tile_rows;
        for (uint32_t i = 0; i < c.n_rows; i++) {
            const size_t at = (y + i) * job->out_row;
            c.row[i].out = (unsigned char *)(out + PAD) +
                           at * (c.narrow_out ? kernels->narrow_bytes : sizeof *out);
            c.row[i].residual = in_place         ? c.row[i].out
                                : job->residuals ? job->residual[0] + at
                                                 : NULL;
            c.row[i].residual2 = job->residuals > 1 ? job->residual[1] + at : NULL;
            c.row[i].codes = codes ? codes + at : NULL;
        }
        kernels->conv(&c);
    }
    free(c.scratch);

    for (size_t k = 0; k < PAD; k++)
        *outside += out[k] != MARK || out[PAD + job->out_elements + k] != MARK;
    for (uint32_t y = 0; y < job->n_rows && !c.narrow_out; y++) {
        for (size_t k = (size_t)c.n_px * c.c_out; k < job->out_row; k++)
            *outside += out[PAD + y * job->out_row + k] != MARK;
    }
    for (uint32_t y = 0; codes && y < job->n_rows; y++) {
        uint8_t *expected = malloc((size_t)c.n_px * c.c_out);
        kernels->narrow(out + PAD + y * job->out_row, c.n_px, c.c_out, &c.out_coding, expected);
        CHECK(memcmp(codes + y * job->out_row, expected, (size_t)c.n_px * c.c_out) == 0,
              "%s: codes of row %u are not its numbers'", pipersr_isa_name(kernels->isa), y);
        free(expected);
    }
    free(codes);
    if (c.narrow_out) {
        float *wide = malloc(room * sizeof *wide);
        for (size_t k = 0; k < job->out_elements; k++)
            wide[PAD + k] = kernels->narrow_bytes == 2
                                ? psr_float_of_bf16(((uint16_t *)(out + PAD))[k])
                                : ((uint8_t *)(out + PAD))[k];
        const size_t floats_written = job->out_elements * kernels->narrow_bytes / sizeof(float);
        for (size_t k = floats_written; k < job->out_elements; k++)
            *outside += out[PAD + k] != MARK;
        free(out);
        out = wide;
    }
    free(packed);
    for (int i = 0; i < PSR_MAX_TILE_ROWS + 2; i++)
        free(narrow[i]);
    return out;
}

/* Every input's code 255 where 0 has 0, or the other way round; every weight's 127. */
static void fill_extreme(struct job *job, uint32_t kind)
{
    const struct psr_conv *c = &job->conv;
    for (size_t i = 0; i < (size_t)job->true_c_out * c->c_in * 9; i++)
        job->weight[i] = 1.0f;
    for (int y = 0; y < PSR_MAX_TILE_ROWS + 2; y++) {
        for (size_t i = 0; i < job->row; i++)
            job->rows[y][i] = kind == HIGHEST ? 300.0f : -300.0f;
    }
    for (uint32_t i = 0; i < c->c_in; i++)
        ((float *)job->in_coding.inverse_scale)[i] = 100.0f;
    memset((uint8_t *)job->in_coding.zero, kind == HIGHEST ? 0 : 255, c->c_in);
}

static void run(const struct psr_kernels *kernels, uint32_t c_in, uint32_t c_out, uint32_t n_px,
                enum psr_activation activation, int residuals, bool in_place, uint32_t kind,
                unsigned *seed)
{
    const uint32_t padded = psr_padded_channels(c_out);
    const bool narrow_out = kernels->narrow && check_random(seed) % 2;
    struct job job = {
        .conv = {.in_px = c_in == 3 ? 4 : c_in,
                 .out_px = padded,
                 .c_in = c_in,
                 .c_out = padded,
                 .n_px = n_px,
                 .narrow_out = narrow_out,
                 .activation = activation},
        .true_c_out = c_out,
        .residuals = residuals,
        .n_rows = 1 + check_random(seed) % kernels->tile_rows,
    };
    in_place = in_place && !narrow_out;
    job.out_row = (size_t)n_px * padded + (kernels->tile_rows > 1 && !narrow_out ? GAP : 0);
    job.out_elements = job.n_rows * job.out_row;
    /* A last tile of several rows may look at four pixels more; the others at none, which the
     * address sanitizer watches. */
    job.row = (n_px + (kernels->tile_rows > 1 ? 6 : 2)) * job.conv.in_px;
    job.in_coding = make_coding(c_in, seed);
    job.conv.out_coding = make_coding(padded, seed);
    const bool exact = kernels->precision == PIPERSR_PRECISION_INT8;
    job.weight = malloc((size_t)c_out * c_in * 9 * sizeof(float));
    job.bias = malloc(c_out * sizeof(float));
    fill(job.weight, (size_t)c_out * c_in * 9, RANDOM, seed);
    fill(job.bias, c_out, RANDOM, seed);
    for (int i = 0; i < PSR_MAX_TILE_ROWS + 2; i++) {
        job.rows[i] = malloc(job.row * sizeof(float));
        fill(job.rows[i], job.row, kind < N_FILLS ? (enum fill)kind : ZERO, seed);
    }
    for (int i = 0; i < 2; i++) {
        job.residual[i] = malloc(job.out_elements * sizeof(float));
        fill(job.residual[i], job.out_elements, RANDOM, seed);
    }
    if (kind >= N_FILLS)
        fill_extreme(&job, kind);
    int wrong = 0, outside = 0;
    float *expected = run_set(reference_of(kernels), &job, residuals && in_place, &outside);
    float *result = run_set(kernels, &job, residuals && in_place, &outside);
    for (uint32_t x = 0; x < n_px * job.n_rows; x++) {
        for (uint32_t o = 0; o < padded; o++) {
            const size_t at = PAD + x / n_px * job.out_row + (size_t)(x % n_px) * padded + o;
            const float difference = fabsf(expected[at] - result[at]);
            const float magnitude = fmaxf(fabsf(expected[at]), 1.0f);
            /* A sum on a rounding border of bf16 may fall to either side. */
            const float last_place = narrow_out ? magnitude / 128 : magnitude * 2.4e-7f;
            wrong +=
                exact ? expected[at] != result[at]
                      : !(difference <= bound(kernels, &job, x / n_px, x % n_px, o) + last_place);
        }
    }
    CHECK(wrong == 0, "%s %s: %d of %zu wrong (c_in %u, c_out %u, n %u, act %d, res %d, fill %d)",
          pipersr_isa_name(kernels->isa), pipersr_precision_name(kernels->precision), wrong,
          job.out_elements, c_in, c_out, n_px, activation, residuals, kind);
    CHECK(outside == 0, "%s: wrote beside the output (c_in %u, c_out %u, n %u)",
          pipersr_isa_name(kernels->isa), c_in, c_out, n_px);

    free_coding(&job.in_coding);
    free_coding(&job.conv.out_coding);
    free(job.weight);
    free(job.bias);
    free(expected);
    free(result);
    for (int i = 0; i < PSR_MAX_TILE_ROWS + 2; i++)
        free(job.rows[i]);
    for (int i = 0; i < 2; i++)
        free(job.residual[i]);
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
    kernels->pack(&(struct psr_weights){.weight = weight, .bias = bias, .c_in = 3, .c_out = C},
                  packed);
    for (double base = -110; base < 110; base += 0.37) {
        for (int x = 0; x < N + 2; x++)
            in[x * 4] = (float)(base + x * 0.0057);
        struct psr_conv c = {
            .in = {in, in, in},
            .in_px = 4,
            .packed = packed,
            .row = {{.out = out}},
            .out_px = C,
            .c_in = 3,
            .c_out = C,
            .n_px = N,
            .n_rows = 1,
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

/* The loop that measures the peak: it runs, and counts each of its rounds. */
static void run_probe(const struct psr_kernels *entry)
{
    uint64_t two = 0, six = 0;
    const float result = entry->probe(2, &two) + entry->probe(6, &six);
    CHECK(isfinite(result) && two > 0 && six == 3 * two, "%s: the probe's %g after %g operations",
          pipersr_isa_name(entry->isa), (double)result, (double)(two + six));
}

/* `emulated`: the PSR_CPU_* that are emulated. */
static void run_entry(const struct psr_kernels *entry, uint32_t emulated)
{
    const uint32_t features = psr_cpu_features() | emulated;
    const bool is_emulated = entry->cpu_features & emulated;
    /* Emulated instructions take microseconds, and those on vectors are many. */
    const bool is_slow = entry->cpu_features & emulated & PSR_CPU_AVX_VNNI;
    const bool quick = check_quick() || is_slow;
    /* One width more than the largest tile still takes two of them. */
    const uint32_t widths = quick ? 17 : is_emulated ? 34 : 43;
    const uint32_t channels = is_slow ? 16 : quick ? 32 : 64;
    const int random_jobs = is_slow ? 20 : quick ? 30 : is_emulated ? 100 : 200;
    const uint32_t most_px = is_slow ? 20 : quick ? 33 : MAX_PX, most_channels = is_slow ? 3 : 8;
    unsigned seed = 20260322;

    if ((entry->cpu_features & features) != entry->cpu_features) {
        /* .ci/run looks for this line. */
        printf("%s %s: an entry is not for this CPU\n", pipersr_isa_name(entry->isa),
               pipersr_precision_name(entry->precision));
        return;
    }
    if (is_emulated)
        printf("%s %s: an entry is emulated\n", pipersr_isa_name(entry->isa),
               pipersr_precision_name(entry->precision));
    if (entry->probe)
        run_probe(entry);
    if (!entry->narrow && !entry->head)
        run_silu(entry);
    /* Every remainder of every tile width, for the layer shapes of the default model. */
    for (uint32_t n = 1; n <= widths; n++) {
        run(entry, channels, channels, n, PSR_SILU, 0, false, RANDOM, &seed);
        run(entry, channels, channels, n, PSR_LINEAR, 1, true, RANDOM, &seed);
        if (!entry->head)
            run(entry, 3, 64, n, PSR_LINEAR, 0, false, RANDOM, &seed);
        run(entry, channels, 12, n, PSR_LINEAR, 0, false, RANDOM, &seed);
    }
    /* Blocks of up to 28 tiles of 4 pixels, two of them, and what is left over. */
    for (uint32_t n = 97; entry->tile_rows > 1 && !quick && n <= 241; n += 4 + n % 3)
        run(entry, 16, 16, n, PSR_LINEAR, 0, false, RANDOM, &seed);
    for (uint32_t c_in = 16;
         entry->precision == PIPERSR_PRECISION_INT8 && c_in <= 16 * most_channels; c_in += 16) {
        run(entry, c_in, 16, 5, PSR_LINEAR, 0, false, HIGHEST, &seed);
        run(entry, c_in, 16, 5, PSR_LINEAR, 0, false, LOWEST, &seed);
    }
    for (int i = 0; i < random_jobs; i++) {
        const bool wide = entry->head || check_random(&seed) % 4;
        const uint32_t c_in = wide ? 16 * (1 + check_random(&seed) % most_channels) : 3;
        const uint32_t c_out = check_random(&seed) % 4
                                   ? 16 * (1 + check_random(&seed) % most_channels)
                                   : 3 * (1 + check_random(&seed) % 16);
        run(entry, c_in, c_out, 1 + check_random(&seed) % most_px,
            check_random(&seed) % 2 ? PSR_SILU : PSR_LINEAR, (int)(check_random(&seed) % 3),
            check_random(&seed) % 2, (enum fill)(check_random(&seed) % N_FILLS), &seed);
    }
}

/* `test_kernels speed` measures instead of testing. */
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "speed") == 0) {
        const uint32_t features = psr_cpu_features();
        for (const struct psr_kernels *const *entry = psr_kernels_all(); *entry; entry++) {
            if (((*entry)->cpu_features & features) == (*entry)->cpu_features)
                measure_kernel(*entry);
        }
        return 0;
    }
    uint32_t emulated = 0;
#if defined(TEST_EMULATOR)
    emulated = amx_emulator_install();
#endif
    for (const struct psr_kernels *const *entry = psr_kernels_all(); *entry; entry++)
        run_entry(*entry, emulated);
    return check_result();
}
