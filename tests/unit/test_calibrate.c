/* SPDX-License-Identifier: MIT
 *
 * Calibration: histograms, the choice of codings, the writer, and a model file that int8 runs.
 * test_calibrate MODEL SMALL: the default model's file and that of a small one without codings.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pipersr.h"
#include "src/coding.h"
#include "src/histogram.h"
#include "src/safetensors_write.h"

static unsigned char *read_all(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(4 << 20);
    *size = file ? fread(bytes, 1, 4 << 20, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

/* -------------------------------------------------------------------------------- histograms -- */

static struct psr_histogram *new_histogram(void)
{
    struct psr_histogram *histogram = malloc(sizeof *histogram);
    psr_histogram_init(histogram);
    return histogram;
}

static void test_histogram(void)
{
    enum { N = 3000 };
    static float values[N];
    unsigned random = 7;
    for (int i = 0; i < N; i++)
        values[i] = check_random_float(&random) * ldexpf(1, (int)(check_random(&random) % 60) - 40);
    struct psr_histogram *rising = new_histogram(), *falling = new_histogram();
    for (int i = 0; i < N; i++) {
        psr_histogram_add(rising, values[i], 3);
        psr_histogram_add(falling, values[N - 1 - i], 3);
    }
    CHECK(memcmp(rising, falling, sizeof *rising) == 0, "the order of the numbers matters");

    uint64_t total = 0;
    for (int i = 0; i < PSR_HISTOGRAM_BINS; i++) {
        uint64_t expected = 0;
        const double middle = psr_histogram_value(rising, (uint32_t)i);
        for (int j = 0; j < N; j++)
            expected += 3 * (values[j] >= middle - rising->bin_width / 2 &&
                             values[j] < middle + rising->bin_width / 2);
        CHECK(rising->counts[i] == expected, "bin %d", i);
        total += rising->counts[i];
    }
    CHECK(total == 3 * N, "%llu numbers are left", (unsigned long long)total);

    const float extremes[] = {0.0f, -0.0f, 0x1p-149f, -0x1p-149f, 3.4e38f, -3.4e38f, 1.0f};
    struct psr_histogram *wide = new_histogram();
    for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++)
        psr_histogram_add(wide, extremes[i], 1);
    CHECK(wide->lowest == -3.4e38f && wide->highest == 3.4e38f, "%g %g", wide->lowest,
          wide->highest);
    free(rising);
    free(falling);
    free(wide);
}

/* ----------------------------------------------------------------------------------- codings -- */

static struct psr_channel_coding coding_between(float low, float high, float outlier)
{
    struct psr_histogram *histogram = new_histogram();
    unsigned random = 11;
    for (int i = 0; i < 1000000; i++) {
        const float at = (check_random_float(&random) + 1) / 2;
        psr_histogram_add(histogram, low + (high - low) * at, 1);
    }
    if (outlier != 0)
        psr_histogram_add(histogram, outlier, 1);
    const struct psr_channel_coding coding = psr_choose_coding(histogram, 8);
    free(histogram);
    return coding;
}

static void test_coding(void)
{
    struct psr_channel_coding coding = coding_between(-1, 3, 0);
    CHECK(fabsf(coding.scale - 4.0f / 255) < 1e-4f, "scale %g", coding.scale);
    CHECK(abs(coding.zero - 64) <= 1, "zero %d", coding.zero);
    coding = coding_between(0.5f, 2, 0); /* the range holds 0 in any case */
    CHECK(fabsf(coding.scale - 2.0f / 255) < 1e-4f && coding.zero == 0, "%g %d", coding.scale,
          coding.zero);
    coding = coding_between(-2, -0.5f, 0);
    CHECK(fabsf(coding.scale - 2.0f / 255) < 1e-4f && coding.zero == 255, "%g %d", coding.scale,
          coding.zero);
    coding = coding_between(-1, 1, 1.2f); /* one number in a million is not worth coarser codes */
    CHECK(coding.scale < 2.1f / 255, "scale %g", coding.scale);
    coding = coding_between(0, 0, 0);
    CHECK(coding.scale == 0, "scale %g where all is 0", coding.scale);
    coding = coding_between(0, 0, 0x1p-149f);
    CHECK(coding.scale == 0, "scale %g where all is next to 0", coding.scale);
}

/* ------------------------------------------------------------------------------------ writer -- */

static const char LOSSES[] = "precision_loss_db";

/* Every tensor of `a` but int8's is in `b` with the same type, shape and bytes. */
static void expect_tensors_kept(const struct psr_safetensors *a, const struct psr_safetensors *b)
{
    for (size_t i = 0; i < a->n_tensors; i++) {
        const struct psr_tensor *old = &a->tensors[i];
        const struct psr_tensor *new = psr_safetensors_find(b, old->name);
        if (strstr(old->name, ".input_scale") || strstr(old->name, ".input_zero") ||
            strncmp(old->name, "int8.", 5) == 0)
            continue;
        CHECK(new &&strcmp(new->dtype_name, old->dtype_name) == 0 &&
                  new->rank == old->rank &&memcmp(new->shape, old->shape, sizeof old->shape) == 0 &&
                  memcmp(new->data, old->data, (size_t)(old->end - old->begin)) == 0,
              "tensor %s", old->name);
    }
    /* The losses were those of the old codings. */
    const bool forgotten = psr_safetensors_metadata(a, LOSSES) != NULL;
    CHECK(b->n_metadata + forgotten == a->n_metadata, "%zu of %zu metadata", b->n_metadata,
          a->n_metadata);
    CHECK(!psr_safetensors_metadata(b, LOSSES), "the old losses are still there");
    for (size_t i = 0; i < a->n_metadata; i++) {
        const char *value = psr_safetensors_metadata(b, a->metadata[i].key);
        CHECK(strcmp(a->metadata[i].key, LOSSES) == 0 ||
                  (value && strcmp(value, a->metadata[i].value) == 0),
              "metadata %s", a->metadata[i].key);
    }
}

static size_t file_of_header(const char *header, size_t payload, unsigned char **file)
{
    const size_t size = strlen(header);
    *file = calloc(1, 8 + size + payload);
    for (int i = 0; i < 8; i++)
        (*file)[i] = (unsigned char)((uint64_t)size >> 8 * i);
    memcpy(*file + 8, header, size);
    for (size_t i = 0; i < payload; i++)
        (*file)[8 + size + i] = (unsigned char)(i + 1);
    return 8 + size + payload;
}

static void test_writer(void)
{
    /* Names and values that JSON must escape, types that no model uses, an empty tensor, a gap. */
    static const char header[] =
        "{\"b\\\"\\\\\\n\\u0001\\u00e9\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
        "\"__metadata__\":{\"k\\t\":\"\\u0007\\ud83d\\ude00\",\"\":\"\",\"twice\":\"1\"},"
        "\"empty\":{\"dtype\":\"F64\",\"shape\":[2,0],\"data_offsets\":[0,0]},"
        "\"a\":{\"dtype\":\"BOOL\",\"shape\":[3,1],\"data_offsets\":[0,3]},"
        "\"old\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[4,6]}}";
    static const float floats[3] = {1.5f, -2.0f, 0x1p-140f};
    static const uint8_t bytes[2] = {0, 255};
    static const int8_t codes[4] = {-127, 127, 0, -1};
    const struct psr_new_tensor added[] = {{"old", PSR_DTYPE_F32, 1, {3}, floats},
                                           {"new", PSR_DTYPE_U8, 1, {2}, bytes},
                                           {"codes", PSR_DTYPE_I8, 2, {2, 2}, codes}};
    unsigned char *file;
    const size_t size = file_of_header(header, 16, &file);
    struct psr_safetensors before, after;
    pipersr_error error = {""};
    void *written;
    size_t written_size;
    CHECK(psr_safetensors_parse(file, size, &before, &error) == PIPERSR_OK, "%s", error.message);
    CHECK(psr_safetensors_write(&before, added, 3, &written, &written_size, &error) == PIPERSR_OK,
          "%s", error.message);
    CHECK(psr_safetensors_parse(written, written_size, &after, &error) == PIPERSR_OK, "%s",
          error.message);
    uint64_t header_size = 0;
    memcpy(&header_size, written, 1);
    memcpy((unsigned char *)&header_size + 1, (unsigned char *)written + 1, 1);
    CHECK(header_size % 8 == 0, "a header of %llu bytes", (unsigned long long)header_size);
    CHECK(written_size == 8 + header_size + 8 + 3 + 12 + 2 + 4, "%zu bytes", written_size);
    CHECK(after.n_tensors == before.n_tensors + 2, "%zu tensors", after.n_tensors);

    const struct psr_tensor *replaced = psr_safetensors_find(&after, "old");
    float values[3];
    CHECK(replaced && replaced->elements == 3 && !psr_tensor_to_float(replaced, values) &&
              memcmp(values, floats, sizeof values) == 0,
          "the replaced tensor");
    const struct psr_tensor *new = psr_safetensors_find(&after, "new");
    CHECK(new &&new->dtype == PSR_DTYPE_U8 &&memcmp(new->data, bytes, 2) == 0, "the new tensor");
    /* The rest is kept: take the replaced one out of the comparison. */
    for (size_t i = 0; i < before.n_tensors; i++) {
        if (strcmp(before.tensors[i].name, "old") == 0)
            before.tensors[i--] = before.tensors[--before.n_tensors];
    }
    expect_tensors_kept(&before, &after);
    psr_safetensors_free(&before);
    psr_safetensors_free(&after);
    free(written);
    free(file);
}

/* ------------------------------------------------------------------------------- calibrators -- */

enum { WIDTH = 40, HEIGHT = 24 };
static uint8_t picture[WIDTH * HEIGHT * 3];
static const pipersr_frame frame = {picture, WIDTH * 3, WIDTH, HEIGHT, PIPERSR_RGB8};

static void draw_picture(void)
{
    unsigned random = 3;
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        const int x = i % WIDTH, y = i / WIDTH;
        for (int c = 0; c < 3; c++)
            picture[3 * i + c] =
                (uint8_t)((x * 6 + y * (c + 1) + (int)(check_random(&random) % 9)) *
                          (x > 10 || y > 10) % 256);
    }
}

static void *calibrate(const void *model, size_t model_size, size_t *size)
{
    pipersr_calibrator *calibrator = NULL;
    pipersr_error error = {""};
    void *data = NULL;
    CHECK(pipersr_calibrator_create(model, model_size, &calibrator, &error) == PIPERSR_OK, "%s",
          error.message);
    CHECK(pipersr_calibrator_finish(calibrator, &data, size, &error) == PIPERSR_ERROR_STATE &&
              !data && error.message[0],
          "finished without a frame");
    CHECK(pipersr_calibrator_add(calibrator, &frame, 1, &error) == PIPERSR_OK, "%s", error.message);
    CHECK(pipersr_calibrator_finish(calibrator, &data, size, &error) == PIPERSR_OK, "%s",
          error.message);
    pipersr_calibrator_free(calibrator);
    return data;
}

static void upscale(const void *model_data, size_t size, pipersr_precision precision, uint8_t *out,
                    uint32_t *scale)
{
    pipersr_options options = pipersr_options_default();
    pipersr_model *model = NULL;
    pipersr_model_info info;
    pipersr_upscaler *upscaler = NULL;
    pipersr_error error = {""};
    options.precision = precision;
    options.isa = PIPERSR_ISA_C;
    options.threads = 1;
    CHECK(pipersr_model_load_memory(model_data, size, &model, &error) == PIPERSR_OK, "%s",
          error.message);
    CHECK(pipersr_upscaler_create(model, &options, &upscaler, &error) == PIPERSR_OK, "%s",
          error.message);
    pipersr_model_get_info(model, &info);
    *scale = info.scale;
    const pipersr_frame enlarged = {out, (ptrdiff_t)(WIDTH * info.scale * 3), WIDTH * info.scale,
                                    HEIGHT * info.scale, PIPERSR_RGB8};
    CHECK(pipersr_upscale(upscaler, &frame, &enlarged) == PIPERSR_OK, "%s",
          pipersr_upscaler_message(upscaler));
    pipersr_upscaler_free(upscaler);
    pipersr_model_free(model);
}

/* int8 comes close to fp32 with the codings, and the rest of the file is as it was. */
static void test_model(const unsigned char *model, size_t model_size)
{
    static uint8_t exact[WIDTH * HEIGHT * 16 * 3], coded[WIDTH * HEIGHT * 16 * 3];
    size_t size, size_again;
    void *data = calibrate(model, model_size, &size);
    void *again = calibrate(model, model_size, &size_again);
    CHECK(size == size_again && memcmp(data, again, size) == 0, "two calibrations differ");
    free(again);
    struct psr_safetensors before, after;
    pipersr_error error;
    psr_safetensors_parse(model, model_size, &before, &error);
    again = calibrate(data, size, &size_again);
    CHECK(size == size_again && memcmp(data, again, size) == 0, "what int8 had is not replaced");
    free(again);

    psr_safetensors_parse(data, size, &after, &error);
    expect_tensors_kept(&before, &after);
    size_t codings = 0;
    for (size_t i = 0; i < after.n_tensors; i++) {
        float scales[128];
        if (!strstr(after.tensors[i].name, ".input_scale"))
            continue;
        codings++;
        CHECK(psr_tensor_to_float(&after.tensors[i], scales) == 0, "scales");
        for (uint64_t c = 0; c < after.tensors[i].elements; c++)
            CHECK(scales[c] > 0 && scales[c] < 1, "%s: %g", after.tensors[i].name, scales[c]);
    }
    CHECK(codings >= 2 && codings % 2 == 0, "%zu scales", codings);
    size_t codes = 0;
    for (size_t i = 0; i < after.n_tensors; i++) {
        const struct psr_tensor *old = psr_safetensors_find(&before, after.tensors[i].name);
        if (after.tensors[i].dtype != PSR_DTYPE_I8)
            continue;
        codes++;
        CHECK(!old || memcmp(old->data, after.tensors[i].data, old->elements) != 0,
              "%s is that of the file before", after.tensors[i].name);
    }
    CHECK(codes == codings, "%zu layers of codes", codes);
    psr_safetensors_free(&before);
    psr_safetensors_free(&after);

    uint32_t scale;
    upscale(data, size, PIPERSR_PRECISION_FP32, exact, &scale);
    upscale(data, size, PIPERSR_PRECISION_INT8, coded, &scale);
    const size_t samples = (size_t)WIDTH * HEIGHT * scale * scale * 3;
    double squares = 0;
    for (size_t i = 0; i < samples; i++)
        squares += (exact[i] - coded[i]) * (exact[i] - coded[i]);
    const double psnr = 10 * log10(255.0 * 255.0 * (double)samples / (squares + 1e-9));
    CHECK(psnr > 40, "int8 is %.1f dB from fp32", psnr);
    free(data);
}

static void test_arguments(const unsigned char *model, size_t size)
{
    pipersr_calibrator *calibrator = (pipersr_calibrator *)1;
    pipersr_error error = {""};
    CHECK(pipersr_calibrator_create(model, size / 2, &calibrator, &error) == PIPERSR_ERROR_MODEL &&
              !calibrator && error.message[0],
          "half a file");
    CHECK(pipersr_calibrator_create(NULL, 0, &calibrator, &error) == PIPERSR_ERROR_ARGUMENT,
          "NULL");
    CHECK(pipersr_calibrator_create(model, size, NULL, &error) == PIPERSR_ERROR_ARGUMENT, "NULL");
    CHECK(pipersr_calibrator_create(model, size, &calibrator, &error) == PIPERSR_OK, "%s",
          error.message);
    pipersr_frame bad = frame;
    bad.stride_bytes = 5;
    CHECK(pipersr_calibrator_add(calibrator, &bad, 1, &error) == PIPERSR_ERROR_ARGUMENT, "stride");
    bad = frame;
    bad.width_px = 0;
    CHECK(pipersr_calibrator_add(calibrator, &bad, 1, &error) == PIPERSR_ERROR_ARGUMENT, "size");
    bad = frame;
    bad.data = NULL;
    CHECK(pipersr_calibrator_add(calibrator, &bad, 1, &error) == PIPERSR_ERROR_ARGUMENT, "data");
    CHECK(pipersr_calibrator_add(calibrator, &frame, 0, &error) == PIPERSR_ERROR_ARGUMENT,
          "weight");
    CHECK(pipersr_calibrator_add(calibrator, &frame, 65536, NULL) == PIPERSR_ERROR_ARGUMENT,
          "weight");
    CHECK(pipersr_calibrator_add(calibrator, NULL, 1, &error) == PIPERSR_ERROR_ARGUMENT, "NULL");
    /* One pixel in another format, seen from below. */
    float sample = 0.5f;
    const pipersr_frame dot = {&sample, -4, 1, 1, PIPERSR_GRAYF32};
    CHECK(pipersr_calibrator_add(calibrator, &dot, 65535, &error) == PIPERSR_OK, "%s",
          error.message);
    void *data;
    size_t made;
    CHECK(pipersr_calibrator_finish(calibrator, NULL, &made, &error) == PIPERSR_ERROR_ARGUMENT,
          "NULL");
    CHECK(pipersr_calibrator_finish(calibrator, &data, &made, &error) == PIPERSR_OK, "%s",
          error.message);
    free(data);
    pipersr_calibrator_free(calibrator);
    pipersr_calibrator_free(NULL);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t size, small_size, built_in_size;
    unsigned char *model = read_all(argv[1], &size), *small = read_all(argv[2], &small_size);
    const void *built_in = pipersr_model_default_data(&built_in_size);
    CHECK(built_in_size == size && memcmp(built_in, model, size) == 0, "the built-in model's file");
    draw_picture();
    test_histogram();
    test_coding();
    test_writer();
    test_model(model, size);
    test_model(small, small_size);
    test_arguments(small, small_size);
    free(model);
    free(small);
    return check_result();
}
