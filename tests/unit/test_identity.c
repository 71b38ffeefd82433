/* SPDX-License-Identifier: MIT
 *
 * The same bytes on every processor: test_identity MODEL FOLDER, where MODEL is the default model's
 * file. FOLDER/identity.txt holds a hash of each result's bytes, one line each:
 *
 *     model precision hash
 *
 * In fp32 all vector kernels must give it, in int8 plain C as well. After a change that is meant to
 * change bytes (a new default model, another order of the sums) it is made anew by
 *
 *     test_identity MODEL FOLDER print >identity.txt
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pipersr.h"

enum { WIDTH = 33, HEIGHT = 21 };

static const struct {
    const char *model; /* "default", or a file of FOLDER */
    pipersr_precision precision;
} cases[] = {
    {"default", PIPERSR_PRECISION_FP32}, {"x2-c128", PIPERSR_PRECISION_FP32},
    {"x3-c16", PIPERSR_PRECISION_FP32},  {"x4-c48", PIPERSR_PRECISION_FP32},
    {"default", PIPERSR_PRECISION_INT8},
};

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const void *data, size_t bytes)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ ((const unsigned char *)data)[i]) * 1099511628211u;
    return hash;
}

/* Smooth waves with noise on them: whole numbers until the last step, so the same everywhere. */
static void make_picture(float *rgb, uint32_t width_px, uint32_t height_px)
{
    unsigned seed = 4711;
    for (uint32_t y = 0; y < height_px; y++) {
        for (uint32_t x = 0; x < width_px; x++) {
            for (uint32_t c = 0; c < 3; c++) {
                const uint32_t wave = (x * (c + 2) + y * 3) % 64, noise = check_random(&seed) % 24;
                *rgb++ = (float)(40 + (wave < 32 ? wave : 63 - wave) * 5 + noise) / 256.0f;
            }
        }
    }
}

/* Returns false where this machine lacks the kernels. */
static bool run(const pipersr_model *model, pipersr_precision precision, pipersr_isa isa,
                uint64_t *hash)
{
    static float in[WIDTH * HEIGHT * 3];
    pipersr_model_info info;
    pipersr_model_get_info(model, &info);
    const uint32_t scale = info.scale;

    pipersr_options options = pipersr_options_default();
    options.precision = precision;
    options.isa = isa;
    options.threads = 2;
    pipersr_upscaler *upscaler;
    pipersr_error error;
    const pipersr_status status = pipersr_upscaler_create(model, &options, &upscaler, &error);
    if (status) {
        CHECK(status == PIPERSR_ERROR_UNSUPPORTED, "%s", error.message);
        return false;
    }
    const size_t out_bytes = sizeof(float) * WIDTH * HEIGHT * 3 * scale * scale;
    const ptrdiff_t row = WIDTH * 3 * sizeof(float);
    float *result = malloc(out_bytes);
    make_picture(in, WIDTH, HEIGHT);
    pipersr_frame from = {in, row, WIDTH, HEIGHT, PIPERSR_RGBF32};
    pipersr_frame to = {result, row * scale, WIDTH * scale, HEIGHT * scale, PIPERSR_RGBF32};
    CHECK(pipersr_upscale(upscaler, &from, &to) == PIPERSR_OK, "%s",
          pipersr_upscaler_message(upscaler));
    *hash = hash_of(result, out_bytes);
    free(result);
    pipersr_upscaler_free(upscaler);
    return true;
}

/* The hash that the file gives for a case; 0 if it has no such line. */
static uint64_t expected_hash(FILE *file, const char *model, const char *precision)
{
    char line[128], name[32], kind[32];
    uint64_t hash;
    rewind(file);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%31s %31s %" SCNx64, name, kind, &hash) == 3 &&
            strcmp(name, model) == 0 && strcmp(kind, precision) == 0)
            return hash;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    char path[512];
    const bool print = argc > 3;
    snprintf(path, sizeof path, "%s/identity.txt", argv[2]);
    FILE *file = print ? NULL : fopen(path, "r");
    if (!print && !file)
        return 2;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = cases[i].model;
        const char *precision = pipersr_precision_name(cases[i].precision);
        const bool is_int8 = cases[i].precision == PIPERSR_PRECISION_INT8;
        pipersr_model *model;
        pipersr_error error;
        snprintf(path, sizeof path, "%s/%s.safetensors", argv[2], name);
        const char *model_path = strcmp(name, "default") == 0 ? argv[1] : path;
        if (pipersr_model_load_file(model_path, &model, &error)) {
            CHECK(false, "%s", error.message);
            continue;
        }
        const uint64_t expected = print ? 0 : expected_hash(file, name, precision);
        const pipersr_isa best = pipersr_cpu_describe(NULL, 0);
        const pipersr_isa first = is_int8 ? PIPERSR_ISA_C : PIPERSR_ISA_C + 1;
        uint64_t hash;
        if (print && run(model, cases[i].precision, PIPERSR_ISA_AUTO, &hash))
            printf("%s %s %016" PRIx64 "\n", name, precision, hash);
        int sets = 0;
        for (pipersr_isa isa = first; isa <= best && !print; isa++) {
            if (!run(model, cases[i].precision, isa, &hash))
                continue; /* lacks this precision, or is another processor's */
            sets++;
            CHECK(hash == expected, "%s %s with %s: %016" PRIx64 " instead of %016" PRIx64, name,
                  precision, pipersr_isa_name(isa), hash, expected);
        }
        CHECK(sets > 0 || print || first > best, "no %s on this machine", precision);
        pipersr_model_free(model);
    }
    if (print)
        return 0;
    fclose(file);
    return check_result();
}
