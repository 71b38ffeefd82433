/* SPDX-License-Identifier: MIT
 *
 * Whole networks on kernels that this CPU lacks (amx_emulator.h): test_emulated MODEL..., where
 * models without codings for int8 are calibrated here. In int8 each kernel set must give plain C's
 * bytes, in bf16 numbers close to plain C's; and each the same bytes whatever the threads, strips
 * and bands, and for rows as for frames.
 */
#include <math.h>
#include <string.h>

#include "amx_emulator.h"
#include "check.h"
#include "src/cpu.h"
#include "src/engine.h"

static const pipersr_format FORMAT = PIPERSR_RGBF32;

/* How a picture is run. */
struct way {
    uint32_t threads, strip_px, band_px;
    uint32_t rows; /* pushed at a time; 0: a whole frame */
};

static const struct way plain = {1, 0, 0, 0};

static size_t row_bytes(uint32_t width)
{
    return width * 3 * sizeof(float);
}

static void push_rows(struct psr_engine *engine, const struct psr_picture *picture,
                      const float *pixels, float *result, uint32_t batch)
{
    pipersr_error error = {""};
    const uint32_t scale = engine->network.scale;
    const ptrdiff_t in_row = (ptrdiff_t)row_bytes(picture->width), out_row = in_row * scale;
    unsigned char *out = (unsigned char *)result;
    CHECK(psr_engine_rows_begin(engine, picture, &error) == PIPERSR_OK, "%s", error.message);
    for (uint32_t y = 0; y < picture->height; y += batch) {
        const uint32_t n = picture->height - y < batch ? picture->height - y : batch;
        const uint32_t ready = psr_engine_rows_output(engine, n);
        CHECK(psr_engine_rows_push(engine, (const unsigned char *)pixels + y * in_row, in_row, n,
                                   out, out_row, &error) == PIPERSR_OK,
              "%s", error.message);
        out += ready * out_row;
    }
}

/* The enlarged picture, malloc'd. */
static float *run(const pipersr_model *model, const struct psr_kernels *kernels,
                  const struct way *way, const float *pixels, uint32_t width, uint32_t height)
{
    pipersr_options options = pipersr_options_default();
    options.strip_width_px = way->strip_px;
    options.band_height_px = way->band_px;
    struct psr_picture picture = {.width = width, .height = height};
    struct psr_mem mem = {0};
    struct psr_pool *pool = psr_pool_create(way->threads);
    struct psr_engine engine;
    pipersr_error error = {""};
    CHECK(psr_format_describe(FORMAT, &picture.format) == 0, "no such format");
    CHECK(psr_engine_init(&engine, model, kernels, &options, pool, &mem, &error) == PIPERSR_OK,
          "%s", error.message);

    const uint32_t scale = engine.network.scale;
    float *result = calloc(height * scale, row_bytes(width) * scale);
    const struct psr_rows in = {(unsigned char *)pixels, (ptrdiff_t)row_bytes(width), 0};
    const struct psr_rows out = {(unsigned char *)result, (ptrdiff_t)row_bytes(width) * scale, 0};
    if (way->rows)
        push_rows(&engine, &picture, pixels, result, way->rows);
    else
        CHECK(psr_engine_run_frames(&engine, &picture, 1, &in, &out, &error) == PIPERSR_OK, "%s",
              error.message);
    psr_engine_free(&engine);
    psr_pool_free(pool);
    return result;
}

static float *make_pixels(uint32_t width, uint32_t height)
{
    unsigned seed = 11 + width * 31 + height;
    const size_t n = (size_t)width * height * 3;
    float *pixels = malloc(n * sizeof *pixels);
    for (size_t i = 0; i < n; i++)
        pixels[i] = check_random_float(&seed) * 0.4f + 0.5f;
    return pixels;
}

/* Both as bf16 networks of the same numbers: they differ by the order of their sums alone, which
 * now and then changes the last of a number's 8 bits on its way. */
static void check_close(const char *what, const float *result, const float *expected, size_t n)
{
    double worst = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        const double difference = fabs((double)result[i] - (double)expected[i]);
        if (!(difference <= worst))
            worst = difference;
        squares += difference * difference;
    }
    CHECK(worst <= 1e-2 && squares <= (double)n * 2e-3 * 2e-3, "%s is off by %g, rms %g", what,
          worst, sqrt(squares / (double)n));
}

/* A picture of this size on all ways. */
static void test_network(const char *name, const pipersr_model *model,
                         const struct psr_kernels *kernels, const struct way *ways, size_t n_ways,
                         uint32_t width, uint32_t height)
{
    const bool is_int8 = kernels->precision == PIPERSR_PRECISION_INT8;
    pipersr_model_info info;
    pipersr_model_get_info(model, &info);
    const size_t n = (size_t)width * height * 3 * info.scale * info.scale;
    float *pixels = make_pixels(width, height);
    float *reference = run(model, is_int8 ? &psr_kernels_c_int8 : &psr_kernels_c_bf16, &plain,
                           pixels, width, height);
    float *expected = run(model, kernels, &plain, pixels, width, height);

    if (is_int8)
        CHECK(memcmp(expected, reference, n * sizeof(float)) == 0, "%s %ux%u: not plain C's bytes",
              name, width, height);
    else
        check_close(name, expected, reference, n);
    for (size_t i = 0; i < n_ways; i++) {
        float *result = run(model, kernels, &ways[i], pixels, width, height);
        CHECK(memcmp(result, expected, n * sizeof(float)) == 0, "%s %ux%u: way %zu differs", name,
              width, height, i);
        free(result);
    }
    free(pixels);
    free(reference);
    free(expected);
}

/* The model with codings for int8, its own or such as a picture of noise gives. */
static pipersr_model *load(const char *path)
{
    pipersr_error error = {""};
    pipersr_model *model = NULL;
    pipersr_calibrator *calibrator = NULL;
    void *data = NULL;
    size_t bytes = 0;
    CHECK(pipersr_model_load_file(path, &model, &error) == PIPERSR_OK, "%s", error.message);
    if (!model || model->has_int8)
        return model;
    pipersr_model_free(model);
    model = NULL;

    FILE *file = fopen(path, "rb");
    static char content[4 << 20];
    const size_t size = file ? fread(content, 1, sizeof content, file) : 0;
    if (file)
        fclose(file);
    float *pixels = make_pixels(24, 24);
    const pipersr_frame frame = {pixels, (ptrdiff_t)row_bytes(24), 24, 24, FORMAT};
    CHECK(pipersr_calibrator_create(content, size, &calibrator, &error) == PIPERSR_OK &&
              pipersr_calibrator_add(calibrator, &frame, 1, &error) == PIPERSR_OK &&
              pipersr_calibrator_finish(calibrator, &data, &bytes, &error) == PIPERSR_OK &&
              pipersr_model_load_memory(data, bytes, &model, &error) == PIPERSR_OK,
          "%s: %s", path, error.message);
    pipersr_calibrator_free(calibrator);
    free(pixels);
    free(data);
    return model;
}

int main(int argc, char **argv)
{
    static const struct way ways[] = {{2, 0, 0, 0}, {2, 8, 0, 0}, {1, 17, 8, 0}, {2, 9, 0, 4}};
    const size_t n_ways = sizeof ways / sizeof *ways;
    const struct {
        const struct psr_kernels *kernels;
        bool is_slow; /* a vector's work for each emulated instruction, not a tile's */
    } sets[] = {{&psr_kernels_amx_int8, false},
                {&psr_kernels_amx_bf16, false},
                {&psr_kernels_avx_vnni, true}};
    const uint32_t emulated = amx_emulator_install();
    const uint32_t features = psr_cpu_features() | emulated;

    if (argc < 2)
        return 2;
    for (int i = 1; i < argc; i++) {
        pipersr_model *model = load(argv[i]);
        if (!model)
            continue;
        pipersr_model_info info;
        pipersr_model_get_info(model, &info);
        const bool is_small = info.channels <= 16; /* the work grows with the square */
        for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
            const struct psr_kernels *kernels = sets[k].kernels;
            char name[64];
            snprintf(name, sizeof name, "%s %s, %u channels", pipersr_isa_name(kernels->isa),
                     pipersr_precision_name(kernels->precision), info.channels);
            if ((kernels->cpu_features & features) != kernels->cpu_features)
                printf("%s: not for this CPU\n", name);
            else if (sets[k].is_slow)
                test_network(name, model, kernels, ways, is_small ? 1 : 0, is_small ? 9 : 2,
                             is_small ? 3 : 1);
            else
                test_network(name, model, kernels, ways, is_small ? n_ways : 1, is_small ? 35 : 33,
                             is_small ? 9 : 3);
        }
        pipersr_model_free(model);
    }
    CHECK(!emulated || amx_emulator_count() > 0, "nothing was emulated");
    return check_result();
}
