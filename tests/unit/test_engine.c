/* SPDX-License-Identifier: MIT
 *
 * The engine's promises: the same bytes whatever the threads, strips, bands and the form of the
 * call; every format and stride; no allocation for a second frame; limits, cancellation and bad
 * arguments answered as documented.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "pipersr.h"

static pipersr_model *model;

static const pipersr_format formats[] = {
    PIPERSR_GRAY8,   PIPERSR_GRAYA8,   PIPERSR_RGB8,   PIPERSR_RGBA8,
    PIPERSR_GRAY16,  PIPERSR_GRAYA16,  PIPERSR_RGB16,  PIPERSR_RGBA16,
    PIPERSR_GRAYF32, PIPERSR_GRAYAF32, PIPERSR_RGBF32, PIPERSR_RGBAF32,
};

static pipersr_precision precision = PIPERSR_PRECISION_FP32;

static pipersr_upscaler *create(uint32_t threads, uint32_t strip, uint32_t band)
{
    pipersr_options options = pipersr_options_default();
    options.precision = precision;
    options.threads = threads;
    options.strip_width_px = strip;
    options.band_height_px = band;
    pipersr_upscaler *upscaler = NULL;
    pipersr_error error;
    CHECK(pipersr_upscaler_create(model, &options, &upscaler, &error) == PIPERSR_OK, "%s",
          error.message);
    return upscaler;
}

static size_t bytes_of(pipersr_format format, uint32_t width, uint32_t height)
{
    return pipersr_format_pixel_bytes(format) * width * height;
}

static void *make_pixels(pipersr_format format, uint32_t width, uint32_t height)
{
    unsigned seed = 7 + width * 31 + height;
    const size_t bytes = bytes_of(format, width, height);
    unsigned char *pixels = malloc(bytes);
    if ((format & 0xf0) == 0x40) {
        for (size_t i = 0; i < bytes / 4; i++)
            ((float *)pixels)[i] = check_random_float(&seed) * 0.6f + 0.5f;
    } else {
        for (size_t i = 0; i < bytes; i++)
            pixels[i] = (unsigned char)(check_random(&seed) >> 8);
    }
    return pixels;
}

static pipersr_frame tight(void *pixels, uint32_t width, uint32_t height, pipersr_format format)
{
    return (pipersr_frame){pixels, (ptrdiff_t)bytes_of(format, width, 1), width, height, format};
}

/* A tightly packed result, malloc'd. */
static void *upscale(pipersr_upscaler *upscaler, void *pixels, uint32_t width, uint32_t height,
                     pipersr_format format)
{
    void *result = malloc(bytes_of(format, width * 2, height * 2));
    pipersr_frame in = tight(pixels, width, height, format);
    pipersr_frame out = tight(result, width * 2, height * 2, format);
    CHECK(pipersr_upscale(upscaler, &in, &out) == PIPERSR_OK, "%s",
          pipersr_upscaler_message(upscaler));
    return result;
}

static void *upscale_rows(pipersr_upscaler *upscaler, unsigned char *pixels, uint32_t width,
                          uint32_t height, pipersr_format format, uint32_t batch)
{
    const size_t row = bytes_of(format, width, 1);
    unsigned char *result = calloc(1, row * height * 4 + 1);
    uint32_t done = 0;
    CHECK(pipersr_rows_begin(upscaler, width, height, format) == PIPERSR_OK, "%s",
          pipersr_upscaler_message(upscaler));
    for (uint32_t y = 0; y < height; y += batch) {
        const uint32_t n = height - y < batch ? height - y : batch;
        const uint32_t expected = pipersr_rows_output(upscaler, n);
        uint32_t got = 0;
        CHECK(pipersr_rows_push(upscaler, pixels + y * row, (ptrdiff_t)row, n,
                                result + done * row * 2, (ptrdiff_t)row * 2, &got) == PIPERSR_OK,
              "%s", pipersr_upscaler_message(upscaler));
        const uint32_t pushed = y + n;
        const uint32_t most = pushed == height ? height : pushed > 14 ? pushed - 14 : 0;
        const uint32_t least = pushed == height ? height : pushed > 29 ? pushed - 29 : 0;
        done += got;
        CHECK(got == expected && done >= 2 * least && done <= 2 * most, "%u rows out after %u in",
              done, pushed);
    }
    CHECK(done == 2 * height, "%u of %u rows came out", done, 2 * height);
    return result;
}

/* Has this machine kernels for `precision`, other than plain C where it has better for fp32? */
static bool is_supported(void)
{
    pipersr_options options = pipersr_options_default();
    options.precision = precision;
    pipersr_upscaler *upscaler;
    pipersr_error error;
    const pipersr_status status = pipersr_upscaler_create(model, &options, &upscaler, &error);
    if (status)
        printf("%s\n", error.message);
    pipersr_upscaler_free(upscaler);
    return status != PIPERSR_ERROR_UNSUPPORTED;
}

/* One reference, then everything that must not change it. */
static void test_same_bytes(void)
{
    static const struct {
        uint32_t width, height;
        pipersr_format format;
    } pictures[] = {
        {1, 1, PIPERSR_RGB8},   {2, 130, PIPERSR_RGBA8}, {97, 3, PIPERSR_RGB16},
        {40, 34, PIPERSR_RGB8}, {150, 41, PIPERSR_RGB8}, {75, 160, PIPERSR_GRAYAF32},
    };
    static const uint32_t ways[][3] = {
        {2, 0, 0}, {3, 8, 0}, {2, 17, 16}, {1, 0, 8}, {4, 33, 50}, {2, 149, 9},
    };
    static const uint32_t batches[] = {1, 7, 64, 1000};
    const size_t n_ways = check_quick() ? 3 : sizeof ways / sizeof *ways;

    if (!is_supported())
        return;
    for (size_t p = 0; p < sizeof pictures / sizeof *pictures; p++) {
        if (check_quick() && pictures[p].width * pictures[p].height > 1400)
            continue;
        const uint32_t width = pictures[p].width, height = pictures[p].height;
        const pipersr_format format = pictures[p].format;
        const size_t bytes = bytes_of(format, width * 2, height * 2);
        void *pixels = make_pixels(format, width, height);
        pipersr_upscaler *one = create(1, 2000, 2000);
        void *expected = upscale(one, pixels, width, height, format);
        pipersr_upscaler_free(one);

        for (size_t w = 0; w < n_ways; w++) {
            pipersr_upscaler *other = create(ways[w][0], ways[w][1], ways[w][2]);
            void *result = upscale(other, pixels, width, height, format);
            CHECK(memcmp(result, expected, bytes) == 0, "%ux%u: way %zu differs", width, height, w);
            free(result);
            result = upscale_rows(other, pixels, width, height, format, batches[w % 4]);
            CHECK(memcmp(result, expected, bytes) == 0, "%ux%u: rows, way %zu differ", width,
                  height, w);
            free(result);
            pipersr_upscaler_free(other);
        }
        free(pixels);
        free(expected);
    }
}

/* Several frames in flight: each comes out as it does alone, and a second batch allocates nothing.
 */
static void test_frames_at_once(void)
{
    enum { W = 71, N = 5 };
    const uint32_t height = check_quick() ? 6 : 50;
    const size_t bytes = bytes_of(PIPERSR_RGB8, W * 2, height * 2);
    pipersr_upscaler *alone = create(1, 0, 0), *together = create(3, 0, 0);
    pipersr_frame in[N], out[N];
    void *expected[N];

    for (uint32_t i = 0; i < N; i++) {
        unsigned char *pixels = make_pixels(PIPERSR_RGB8, W, height);
        pixels[i] ^= 0x55;
        in[i] = tight(pixels, W, height, PIPERSR_RGB8);
        out[i] = tight(malloc(bytes), W * 2, height * 2, PIPERSR_RGB8);
        expected[i] = upscale(alone, pixels, W, height, PIPERSR_RGB8);
    }
    pipersr_upscaler_info first, later;
    for (uint32_t n = N; n >= 1; n--) {
        for (uint32_t i = 0; i < n; i++)
            memset(out[i].data, 0, bytes);
        CHECK(pipersr_upscale_frames(together, in, out, n) == PIPERSR_OK, "%s",
              pipersr_upscaler_message(together));
        for (uint32_t i = 0; i < n; i++)
            CHECK(memcmp(out[i].data, expected[i], bytes) == 0, "frame %u of %u differs", i, n);
    }
    CHECK(pipersr_upscale_frames(together, in, out, N) == PIPERSR_OK, "again");
    pipersr_upscaler_get_info(together, &first);
    CHECK(pipersr_upscale_frames(together, in, out, N) == PIPERSR_OK, "and again");
    pipersr_upscaler_get_info(together, &later);
    CHECK(later.allocations == first.allocations, "a batch like the last one allocated");

    const uint32_t wanted = pipersr_frames_at_once(together, W, height);
    CHECK(wanted >= 2 && wanted <= 3, "%u frames at once for 3 threads", wanted);
    CHECK(pipersr_frames_at_once(alone, W, height) == 1, "one thread needs one frame");
    CHECK(pipersr_frames_at_once(alone, 0, 0) == 1, "no size");
    CHECK(pipersr_upscale_frames(together, in, out, 0) == PIPERSR_ERROR_ARGUMENT, "no frames");
    CHECK(pipersr_upscale_frames(together, in, out, PIPERSR_MAX_FRAMES + 1) ==
              PIPERSR_ERROR_ARGUMENT,
          "too many frames");
    in[1].height_px--;
    CHECK(pipersr_upscale_frames(together, in, out, N) == PIPERSR_ERROR_ARGUMENT &&
              strstr(pipersr_upscaler_message(together), "one size"),
          "frames of two sizes: %s", pipersr_upscaler_message(together));
    for (uint32_t i = 0; i < N; i++) {
        free(in[i].data);
        free(out[i].data);
        free(expected[i]);
    }
    pipersr_upscaler_free(alone);
    pipersr_upscaler_free(together);
}

/* In fp32, the vector kernels do the same operations in the same order; in int8 all sets do. */
static void test_instruction_sets_agree(pipersr_isa first)
{
    enum { W = 61 };
    const uint32_t height = check_quick() ? 9 : 37;
    void *pixels = make_pixels(PIPERSR_RGBF32, W, height), *expected = NULL;
    for (pipersr_isa isa = first; isa <= pipersr_cpu_describe(NULL, 0); isa++) {
        pipersr_options options = pipersr_options_default();
        options.isa = isa;
        options.precision = precision;
        pipersr_upscaler *upscaler;
        pipersr_error error;
        if (pipersr_upscaler_create(model, &options, &upscaler, &error)) {
            printf("%s\n", error.message);
            continue;
        }
        void *result = upscale(upscaler, pixels, W, height, PIPERSR_RGBF32);
        CHECK(!expected ||
                  memcmp(result, expected, bytes_of(PIPERSR_RGBF32, W * 2, height * 2)) == 0,
              "%s with %s differs", pipersr_precision_name(precision), pipersr_isa_name(isa));
        free(expected);
        expected = result;
        pipersr_upscaler_free(upscaler);
    }
    free(pixels);
    free(expected);
}

static float sample(const void *pixels, pipersr_format format, size_t i)
{
    switch (format >> 4) {
    case 1:
        return (float)((const uint8_t *)pixels)[i] / 255.0f;
    case 2:
        return (float)((const uint16_t *)pixels)[i] / 65535.0f;
    default:
        return fminf(fmaxf(((const float *)pixels)[i], 0.0f), 1.0f);
    }
}

/* All formats against the float RGB result of the same numbers. */
static void test_formats(void)
{
    enum { W = 23, MAX_H = 19 };
    const uint32_t height = check_quick() ? 2 : MAX_H;
    pipersr_upscaler *upscaler = create(2, 0, 0);
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        const pipersr_format format = formats[f];
        const unsigned channels = format & 0xf, colours = channels > 2 ? 3 : 1;
        void *pixels = make_pixels(format, W, height);
        float rgb[W * MAX_H * 3];
        for (size_t i = 0; i < W * height; i++) {
            for (size_t c = 0; c < 3; c++)
                rgb[i * 3 + c] = sample(pixels, format, i * channels + (colours == 3 ? c : 0));
        }
        float *expected = upscale(upscaler, rgb, W, height, PIPERSR_RGBF32);
        void *result = upscale(upscaler, pixels, W, height, format);
        const float step = format >> 4 == 1 ? 0.5f / 255 : format >> 4 == 2 ? 0.5f / 65535 : 0;
        int wrong = 0;
        for (size_t i = 0; i < W * height * 4; i++) {
            const float *e = expected + i * 3;
            const float gray = 0.299f * e[0] + 0.587f * e[1] + 0.114f * e[2];
            for (size_t c = 0; c < colours; c++) {
                const float want = colours == 3 ? e[c] : gray;
                wrong += !(fabsf(sample(result, format, i * channels + c) - want) <= step + 2e-6f);
            }
        }
        CHECK(wrong == 0, "format 0x%x: %d samples wrong", (unsigned)format, wrong);
        free(pixels);
        free(expected);
        free(result);
    }
    pipersr_upscaler_free(upscaler);
}

/* Alpha: constant stays constant, a ramp stays a ramp, nothing leaves 0..1. */
static void test_alpha(void)
{
    enum { W = 40, MAX_H = 30 };
    const int height = check_quick() ? 4 : MAX_H;
    const size_t n_px = (size_t)(W * height);
    static uint16_t in[W * MAX_H * 4];
    pipersr_upscaler *upscaler = create(2, 9, 11);
    for (size_t i = 0; i < n_px; i++) {
        in[i * 4 + 3] = (uint16_t)(i % W * 1000 + 2000);
        in[i * 4] = (uint16_t)(i * 57);
    }
    uint16_t *out = upscale(upscaler, in, W, height, PIPERSR_RGBA16);
    int wrong = 0;
    for (int y = 0; y < 2 * height; y++) {
        for (int x = 4; x < 2 * W - 4; x++) {
            const double want = (x / 2.0 - 0.25) * 1000 + 2000;
            wrong += fabs(out[(y * 2 * W + x) * 4 + 3] - want) > 1;
        }
    }
    CHECK(wrong == 0, "%d alpha samples off the ramp", wrong);
    free(out);

    for (int opaque = 0; opaque <= 1; opaque++) {
        for (size_t i = 0; i < n_px; i++)
            in[i * 4 + 3] = opaque ? 65535 : 0;
        out = upscale(upscaler, in, W, height, PIPERSR_RGBA16);
        wrong = 0;
        for (size_t i = 0; i < n_px * 4; i++)
            wrong += out[i * 4 + 3] != (opaque ? 65535 : 0);
        CHECK(wrong == 0, "constant alpha %d: %d samples changed", opaque, wrong);
        free(out);
    }
    pipersr_upscaler_free(upscaler);
}

static void test_strides(void)
{
    enum { W = 21, MAX_H = 17, PAD = 13 };
    const int height = check_quick() ? 9 : MAX_H;
    const ptrdiff_t in_row = W * 3, out_row = W * 6;
    unsigned char *pixels = make_pixels(PIPERSR_RGB8, W, height);
    pipersr_upscaler *upscaler = create(2, 8, 8);
    unsigned char *expected = upscale(upscaler, pixels, W, height, PIPERSR_RGB8);

    static unsigned char in[MAX_H * (W * 3 + PAD)], out[MAX_H * 2 * (W * 6 + PAD)];
    memset(out, 0xa5, sizeof out);
    for (int y = 0; y < height; y++)
        memcpy(in + (height - 1 - y) * (in_row + PAD), pixels + y * in_row, (size_t)in_row);
    pipersr_frame from = {in + (height - 1) * (in_row + PAD), -(in_row + PAD), W, height,
                          PIPERSR_RGB8};
    pipersr_frame to = {out, out_row + PAD, W * 2, height * 2, PIPERSR_RGB8};
    CHECK(pipersr_upscale(upscaler, &from, &to) == PIPERSR_OK, "%s",
          pipersr_upscaler_message(upscaler));
    int wrong = 0, padding = 0;
    for (int y = 0; y < 2 * height; y++) {
        wrong += memcmp(out + y * (out_row + PAD), expected + y * out_row, (size_t)out_row) != 0;
        for (int i = 0; i < PAD; i++)
            padding += out[y * (out_row + PAD) + out_row + i] != 0xa5;
    }
    CHECK(wrong == 0, "%d rows differ with strides", wrong);
    CHECK(padding == 0, "%d bytes of padding were written", padding);
    free(pixels);
    free(expected);
    pipersr_upscaler_free(upscaler);
}

static void test_no_allocation(void)
{
    enum { W = 90 };
    const uint32_t height = check_quick() ? 4 : 60;
    pipersr_upscaler *upscaler = create(2, 0, 0);
    void *pixels = make_pixels(PIPERSR_RGB8, W, height);
    pipersr_upscaler_info first, later;
    free(upscale(upscaler, pixels, W, height, PIPERSR_RGB8));
    pipersr_upscaler_get_info(upscaler, &first);
    for (int i = 0; i < 3; i++)
        free(upscale(upscaler, pixels, W, height, PIPERSR_RGB8));
    pipersr_upscaler_get_info(upscaler, &later);
    CHECK(first.allocations > 0 && later.allocations == first.allocations,
          "%llu allocations became %llu", (unsigned long long)first.allocations,
          (unsigned long long)later.allocations);
    CHECK(later.memory_bytes == first.memory_bytes, "memory grew");
    const pipersr_isa best = pipersr_cpu_describe(NULL, 0);
    CHECK(later.threads == 2 && later.scale == 2 && later.precision == PIPERSR_PRECISION_FP32 &&
              later.isa == (best == PIPERSR_ISA_AMX ? PIPERSR_ISA_AVX512 : best),
          "info is wrong");
    free(pixels);
    pipersr_upscaler_free(upscaler);
}

static void test_memory_limit(void)
{
    enum { W = 1200 };
    const uint32_t height = check_quick() ? 2 : 40;
    void *pixels = make_pixels(PIPERSR_RGB8, W, height);
    pipersr_upscaler *plain = create(2, 0, 0), *limited = NULL;
    void *expected = upscale(plain, pixels, W, height, PIPERSR_RGB8);
    pipersr_options options = pipersr_options_default();
    options.threads = 2;
    options.precision = precision;
    options.memory_limit_bytes = 12 << 20;
    CHECK(pipersr_upscaler_create(model, &options, &limited, NULL) == PIPERSR_OK, "create");
    void *result = upscale(limited, pixels, W, height, PIPERSR_RGB8);
    CHECK(memcmp(result, expected, bytes_of(PIPERSR_RGB8, W * 2, height * 2)) == 0,
          "the memory limit changed the result");
    pipersr_upscaler_info info;
    pipersr_upscaler_get_info(limited, &info);
    CHECK(info.memory_bytes <= 12 << 20, "%llu bytes are held over the limit",
          (unsigned long long)info.memory_bytes);
    CHECK(pipersr_rows_begin(limited, W, height, PIPERSR_RGB8) == PIPERSR_ERROR_MEMORY,
          "rows within 12 MiB should not fit");
    CHECK(strstr(pipersr_upscaler_message(limited), "memory limit"), "message: %s",
          pipersr_upscaler_message(limited));
    pipersr_upscaler_free(limited);

    options.memory_limit_bytes = 100000;
    pipersr_error error = {""};
    CHECK(pipersr_upscaler_create(model, &options, &limited, &error) == PIPERSR_ERROR_MEMORY &&
              !limited && error.message[0],
          "100 kB should be too little");
    free(pixels);
    free(expected);
    free(result);
    pipersr_upscaler_free(plain);
}

static void *cancel_soon(void *upscaler)
{
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    pipersr_cancel(upscaler);
    return NULL;
}

static void test_cancel(void)
{
    enum { W = 900, H = 900 }; /* seconds of work */
    pipersr_upscaler *upscaler = create(2, 0, 0);
    void *pixels = make_pixels(PIPERSR_RGB8, W, H);
    void *result = malloc(bytes_of(PIPERSR_RGB8, W * 2, H * 2));
    pipersr_frame in = tight(pixels, W, H, PIPERSR_RGB8);
    pipersr_frame out = tight(result, W * 2, H * 2, PIPERSR_RGB8);
    pthread_t thread;
    pthread_create(&thread, NULL, cancel_soon, upscaler);
    CHECK(pipersr_upscale(upscaler, &in, &out) == PIPERSR_ERROR_CANCELLED, "was not cancelled");
    pthread_join(thread, NULL);
    CHECK(pipersr_upscale(upscaler, &in, &out) == PIPERSR_ERROR_CANCELLED, "did not stay so");
    CHECK(pipersr_rows_begin(upscaler, W, H, PIPERSR_RGB8) == PIPERSR_OK, "begin");
    uint32_t n;
    CHECK(pipersr_rows_push(upscaler, pixels, in.stride_bytes, 20, result, out.stride_bytes, &n) ==
              PIPERSR_ERROR_CANCELLED,
          "rows were not cancelled");
    CHECK(pipersr_rows_push(upscaler, pixels, in.stride_bytes, 20, result, out.stride_bytes, &n) ==
              PIPERSR_ERROR_STATE,
          "a failed push must end the picture");
    free(pixels);
    free(result);
    pipersr_upscaler_free(upscaler);
}

static void test_bad_arguments(void)
{
    pipersr_upscaler *upscaler = create(1, 0, 0);
    pipersr_options options = pipersr_options_default();
    pipersr_upscaler *none;
    pipersr_error error;
    static _Alignas(8) unsigned char in[64 * 16], out[64 * 64];
    pipersr_frame a = {in, 24, 8, 4, PIPERSR_RGB8}, b = {out, 48, 16, 8, PIPERSR_RGB8}, bad;
    CHECK(pipersr_upscale(upscaler, &a, &b) == PIPERSR_OK, "the good call");

#define BAD(FRAME, FIELD, VALUE)                                                                   \
    bad = FRAME;                                                                                   \
    bad.FIELD = VALUE;                                                                             \
    CHECK(pipersr_upscale(upscaler, &FRAME == &a ? &bad : &a, &FRAME == &b ? &bad : &b) ==         \
              PIPERSR_ERROR_ARGUMENT,                                                              \
          "%s = %s was accepted", #FIELD, #VALUE);                                                 \
    CHECK(pipersr_upscaler_message(upscaler)[0], "without a message");

    BAD(a, data, NULL)
    BAD(a, stride_bytes, 23)
    BAD(a, stride_bytes, -23)
    BAD(a, stride_bytes, 0)
    BAD(a, width_px, 0)
    BAD(a, width_px, UINT32_MAX)
    BAD(a, height_px, 0)
    BAD(a, height_px, UINT32_MAX)
    BAD(a, format, (pipersr_format)0)
    BAD(a, format, (pipersr_format)0x15)
    BAD(a, format, (pipersr_format)0x31)
    BAD(b, data, NULL)
    BAD(b, width_px, 15)
    BAD(b, height_px, 9)
    BAD(b, format, PIPERSR_RGB16)
    BAD(b, stride_bytes, 47)
    pipersr_frame odd = {in + 1, 48, 8, 4, PIPERSR_RGB16}, big = {out, 96, 16, 8, PIPERSR_RGB16};
    CHECK(pipersr_upscale(upscaler, &odd, &big) == PIPERSR_ERROR_ARGUMENT, "unaligned samples");
    CHECK(pipersr_upscale(NULL, &a, &b) == PIPERSR_ERROR_ARGUMENT, "NULL upscaler");
    CHECK(pipersr_upscale(upscaler, NULL, &b) == PIPERSR_ERROR_ARGUMENT, "NULL frame");

    uint32_t n;
    CHECK(pipersr_rows_push(upscaler, in, 24, 1, out, 48, &n) == PIPERSR_ERROR_STATE, "no begin");
    CHECK(pipersr_rows_output(upscaler, 5) == 0, "rows without a picture");
    CHECK(pipersr_rows_begin(upscaler, 8, 4, PIPERSR_RGB8) == PIPERSR_OK, "begin");
    CHECK(pipersr_rows_push(upscaler, in, 24, 5, out, 48, &n) == PIPERSR_ERROR_ARGUMENT, "5 of 4");
    CHECK(pipersr_rows_push(upscaler, in, 24, 0, out, 48, &n) == PIPERSR_ERROR_ARGUMENT, "none");
    CHECK(pipersr_rows_push(upscaler, in, 24, 4, out, 48, &n) == PIPERSR_OK && n == 8, "all");
    CHECK(pipersr_rows_push(upscaler, in, 24, 1, out, 48, &n) == PIPERSR_ERROR_STATE, "after all");

    options.threads = 1025;
    CHECK(pipersr_upscaler_create(model, &options, &none, &error) == PIPERSR_ERROR_ARGUMENT,
          "1025 threads");
    options.threads = 1;
    options.strip_width_px = 7;
    CHECK(pipersr_upscaler_create(model, &options, &none, &error) == PIPERSR_ERROR_ARGUMENT,
          "strips of 7");
    options.strip_width_px = 0;
    options.precision = PIPERSR_PRECISION_FP16;
    CHECK(pipersr_upscaler_create(model, &options, &none, &error) == PIPERSR_ERROR_UNSUPPORTED,
          "a precision that is not there");
    options.precision = (pipersr_precision)9;
    CHECK(pipersr_upscaler_create(model, &options, &none, &error) == PIPERSR_ERROR_ARGUMENT,
          "precision 9");
    CHECK(pipersr_upscaler_create(NULL, NULL, &none, &error) == PIPERSR_ERROR_ARGUMENT, "no model");

    pipersr_isa isa;
    pipersr_precision parsed;
    CHECK(pipersr_isa_parse("avx512", &isa) == PIPERSR_OK && isa == PIPERSR_ISA_AVX512, "parse");
    CHECK(pipersr_isa_parse("amx", &isa) == PIPERSR_OK && isa == PIPERSR_ISA_AMX, "parse amx");
    CHECK(pipersr_isa_parse("mmx", &isa) == PIPERSR_ERROR_ARGUMENT, "parse mmx");
    CHECK(pipersr_precision_parse("fp32", &parsed) == PIPERSR_OK, "parse fp32");
    CHECK(!pipersr_isa_name((pipersr_isa)99) && !pipersr_precision_name((pipersr_precision)99),
          "names of nothing");
    double gflops = 0;
    CHECK(pipersr_measure_peak(PIPERSR_PRECISION_FP32, PIPERSR_ISA_AUTO, 1, &gflops) ==
                  PIPERSR_OK &&
              gflops > (check_quick() ? 0.0 : 0.1),
          "peak %g", gflops);
    pipersr_upscaler_free(upscaler);
    pipersr_upscaler_free(NULL);
}

/* What AUTO stands for: never int8 for photos, within the model's own figures, as PIPERSR_CPU says.
 */
static void test_automatic_precision(void)
{
    pipersr_precision photo, video, none;
    char reason[256], little[8];
    CHECK(pipersr_precision_choose(model, PIPERSR_USE_PHOTO, PIPERSR_ISA_AUTO, &photo, reason,
                                   sizeof reason) == PIPERSR_OK &&
              photo != PIPERSR_PRECISION_INT8 && photo != PIPERSR_PRECISION_AUTO && reason[0],
          "photos: %d, %s", photo, reason);
    CHECK(pipersr_precision_choose(model, PIPERSR_USE_VIDEO, PIPERSR_ISA_AUTO, &video, little,
                                   sizeof little) == PIPERSR_OK &&
              video != PIPERSR_PRECISION_AUTO && memchr(little, 0, sizeof little),
          "videos: %d", video);
    CHECK(pipersr_precision_choose(model, PIPERSR_USE_VIDEO, PIPERSR_ISA_C, &none, reason,
                                   sizeof reason) == PIPERSR_OK &&
              none == PIPERSR_PRECISION_FP32,
          "plain C gains nothing from narrow numbers: %s", reason);
    CHECK(pipersr_precision_choose(NULL, PIPERSR_USE_PHOTO, PIPERSR_ISA_AUTO, &none, NULL, 0) ==
              PIPERSR_ERROR_ARGUMENT,
          "no model");

    pipersr_options options = pipersr_options_default();
    pipersr_upscaler *upscaler = NULL;
    pipersr_upscaler_info info;
    pipersr_error error = {""};
    options.use = PIPERSR_USE_VIDEO;
    CHECK(pipersr_upscaler_create(model, &options, &upscaler, &error) == PIPERSR_OK, "%s",
          error.message);
    pipersr_upscaler_get_info(upscaler, &info);
    CHECK(info.precision == video, "precision %d is in use, %d was announced", info.precision,
          video);
    pipersr_upscaler_free(upscaler);

    setenv("PIPERSR_CPU", "c", 1);
    CHECK(pipersr_upscaler_create(model, &options, &upscaler, &error) == PIPERSR_OK, "%s",
          error.message);
    pipersr_upscaler_get_info(upscaler, &info);
    CHECK(info.isa == PIPERSR_ISA_C && info.precision == PIPERSR_PRECISION_FP32,
          "PIPERSR_CPU=c gives instruction set %d", info.isa);
    pipersr_upscaler_free(upscaler);
    setenv("PIPERSR_CPU", "8086", 1);
    CHECK(pipersr_upscaler_create(model, &options, &upscaler, &error) == PIPERSR_ERROR_ARGUMENT &&
              strstr(error.message, "8086"),
          "PIPERSR_CPU=8086: %s", error.message);
    unsetenv("PIPERSR_CPU");
    options.use = (pipersr_use)7;
    CHECK(pipersr_upscaler_create(model, &options, &upscaler, &error) == PIPERSR_ERROR_ARGUMENT,
          "use 7");
}

enum { ALONE_WIDTH = 40, ALONE_HEIGHT = 15 };

static void *upscale_alone(void *argument)
{
    void **slot = argument;
    pipersr_upscaler *upscaler = create(2, 0, 0);
    void *pixels = slot[0];
    slot[0] = upscale(upscaler, pixels, ALONE_WIDTH, ALONE_HEIGHT, PIPERSR_RGB8);
    pipersr_upscaler_free(upscaler);
    return NULL;
}

/* One model, several threads with an upscaler each. */
static void test_threads_of_the_caller(void)
{
    enum { N = 4 };
    void *pixels = make_pixels(PIPERSR_RGB8, ALONE_WIDTH, ALONE_HEIGHT), *slots[N];
    pthread_t threads[N];
    for (int i = 0; i < N; i++) {
        slots[i] = pixels;
        pthread_create(&threads[i], NULL, upscale_alone, &slots[i]);
    }
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < N; i++)
        CHECK(memcmp(slots[0], slots[i],
                     bytes_of(PIPERSR_RGB8, ALONE_WIDTH * 2, ALONE_HEIGHT * 2)) == 0,
              "thread %d", i);
    for (int i = 0; i < N; i++)
        free(slots[i]);
    free(pixels);
}

int main(void)
{
    pipersr_error error;
    if (pipersr_model_load_default(&model, &error)) {
        printf("%s\n", error.message);
        return 1;
    }
    test_same_bytes();
    if (!check_quick()) { /* QEMU computes bf16 ten times slower than the rest */
        precision = PIPERSR_PRECISION_BF16;
        test_same_bytes();
    }
    precision = PIPERSR_PRECISION_INT8;
    test_same_bytes();
    test_instruction_sets_agree(PIPERSR_ISA_C);
    precision = PIPERSR_PRECISION_FP32;
    test_instruction_sets_agree(PIPERSR_ISA_AVX2);
    test_formats();
    test_alpha();
    test_strides();
    test_no_allocation();
    test_frames_at_once();
    test_memory_limit();
    test_cancel();
    test_bad_arguments();
    test_automatic_precision();
    test_threads_of_the_caller();
    pipersr_model_free(model);
    return check_result();
}
