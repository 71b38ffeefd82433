/* SPDX-License-Identifier: MIT
 *
 * Every kernel set gives PyTorch's numbers: test_golden MODEL FOLDER, where MODEL is the default
 * model's file and FOLDER holds the cases made by training/make_golden.py.
 */
#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pipersr.h"

/* Largest and root-mean-square error in 0..1. fp32: sums of up to 1152 products, 14 layers deep.
 * bf16: each layer's inputs and weights have 8 significant bits; on the random models' pictures of
 * noise and hard edges, whose outputs are as large as any, that is some hundredths at worst.
 * (int8: tests/e2e measures it on pictures.) */
struct tolerance {
    float worst, rms;
};
static const struct {
    pipersr_precision precision;
    struct tolerance random, trained; /* of models with random weights; of the default one */
} tolerances[] = {
    /* The trained model's pictures are parts of a photo. Seen there: 1.4e-6 and 2e-7; in bf16 4e-3
     * and 7e-4, by Winograd's filtering 8e-3 and 1e-3. */
    {PIPERSR_PRECISION_FP32, {1e-5f, 1e-5f}, {5e-6f, 1e-6f}},
    {PIPERSR_PRECISION_BF16, {9e-2f, 1.2e-2f}, {2e-2f, 2e-3f}},
};

static float *read_floats(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file) / sizeof(float);
    rewind(file);
    float *values = malloc(*n * sizeof *values);
    if (fread(values, sizeof *values, *n, file) != *n)
        *n = 0;
    fclose(file);
    return values;
}

static void run_case(const pipersr_model *model, size_t tolerance, pipersr_isa isa,
                     const char *name, const float *values, size_t n)
{
    const uint32_t height = (uint32_t)values[0], width = (uint32_t)values[1];
    const uint32_t scale = (uint32_t)values[2];
    const size_t in_floats = (size_t)width * height * 3, out_floats = in_floats * scale * scale;
    CHECK(n == 3 + in_floats + out_floats, "%s has the wrong size", name);
    if (n != 3 + in_floats + out_floats)
        return;

    pipersr_options options = pipersr_options_default();
    options.isa = isa;
    options.precision = tolerances[tolerance].precision;
    options.threads = 2;
    pipersr_upscaler *upscaler;
    pipersr_error error;
    pipersr_status status = pipersr_upscaler_create(model, &options, &upscaler, &error);
    /* Every value up to the best one is tried; those of other processors are between them. AMX,
     * which has no fp32, is on CPUs with AVX-512 only. */
    const pipersr_isa best = pipersr_cpu_describe(NULL, 0);
    const pipersr_isa best_fp32 = best == PIPERSR_ISA_AMX ? PIPERSR_ISA_AVX512 : best;
    const bool must_be_there =
        options.precision == PIPERSR_PRECISION_FP32 && (isa == PIPERSR_ISA_C || isa == best_fp32);
    if (status == PIPERSR_ERROR_UNSUPPORTED && !must_be_there) {
        printf("%s\n", error.message);
        return;
    }
    CHECK(status == PIPERSR_OK, "%s", error.message);
    if (status)
        return;
    float *result = malloc(out_floats * sizeof *result);
    const ptrdiff_t row = (ptrdiff_t)(width * 3 * sizeof(float));
    pipersr_frame in = {(void *)(values + 3), row, width, height, PIPERSR_RGBF32};
    pipersr_frame out = {result, row * scale, width * scale, height * scale, PIPERSR_RGBF32};
    status = pipersr_upscale(upscaler, &in, &out);
    CHECK(status == PIPERSR_OK, "%s", pipersr_upscaler_message(upscaler));

    float worst = 0;
    double squares = 0;
    size_t unclamped = 0;
    for (size_t i = 0; i < out_floats; i++) {
        const float expected = values[3 + in_floats + i], difference = fabsf(result[i] - expected);
        if (!(difference <= worst))
            worst = difference;
        squares += (double)difference * (double)difference;
        unclamped += expected > 0 && expected < 1;
    }
    const double rms = sqrt(squares / (double)out_floats);
    const struct tolerance allowed = strncmp(name, "default-", 8) == 0
                                         ? tolerances[tolerance].trained
                                         : tolerances[tolerance].random;
    CHECK(worst <= allowed.worst && rms <= allowed.rms, "%s with %s %s: off by %g, rms %g", name,
          pipersr_isa_name(isa), pipersr_precision_name(options.precision), worst, rms);
    CHECK(unclamped * 10 >= out_floats, "%s says little: nearly all of it is clamped", name);
    free(result);
    pipersr_upscaler_free(upscaler);
}

static void run_file(const char *default_model, const char *folder, const char *name)
{
    char path[512], model_path[512];
    pipersr_error error;
    pipersr_model *model;

    /* MODEL-HEIGHTxWIDTH.bin */
    const char *end = strrchr(name, '-');
    if (strncmp(name, "default-", 8) == 0)
        snprintf(model_path, sizeof model_path, "%s", default_model);
    else
        snprintf(model_path, sizeof model_path, "%s/%.*s.safetensors", folder, (int)(end - name),
                 name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t n = 0;
    float *values = read_floats(path, &n);
    CHECK(values && n > 3, "cannot read %s", path);
    pipersr_status status = pipersr_model_load_file(model_path, &model, &error);
    CHECK(status == PIPERSR_OK, "%s", error.message);
    if (values && n > 3 && status == PIPERSR_OK) {
        const pipersr_isa best = pipersr_cpu_describe(NULL, 0);
        for (pipersr_isa isa = PIPERSR_ISA_C; isa <= best; isa++) {
            for (size_t t = 0; t < sizeof tolerances / sizeof *tolerances; t++)
                run_case(model, t, isa, name, values, n);
        }
    }
    if (status == PIPERSR_OK)
        pipersr_model_free(model);
    free(values);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    DIR *folder = opendir(argv[2]);
    if (!folder)
        return 2;
    int cases = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot && strcmp(dot, ".bin") == 0) {
            cases++;
            if (check_quick() && strstr(entry->d_name, "-31x47"))
                continue; /* most of the time */
            run_file(argv[1], argv[2], entry->d_name);
        }
    }
    closedir(folder);
    CHECK(cases >= 10, "only %d golden cases were found", cases);
    return check_result();
}
