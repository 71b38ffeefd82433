/* SPDX-License-Identifier: MIT
 *
 * Planar YUV in and out: against conversions in float64 around the RGB form of the call; the same
 * bytes whatever the threads, strips and bands; nothing written beside the samples; no allocation
 * for a second frame; bad arguments answered as documented.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pipersr.h"

enum { GUARD = 0xA5, PADDING_BYTES = 6 };

/* ---------------------------------------------------------------------------------- pictures -- */

struct picture {
    pipersr_yuv_format format;
    pipersr_yuv_frame frame;
    unsigned char *memory[3];
    size_t bytes[3];
};

static uint32_t plane_width(const struct picture *picture, int plane)
{
    const bool half = plane && picture->format.sampling != PIPERSR_YUV_444;
    return half ? (picture->frame.width_px + 1) / 2 : picture->frame.width_px;
}

static uint32_t plane_height(const struct picture *picture, int plane)
{
    const bool half = plane && picture->format.sampling == PIPERSR_YUV_420;
    return half ? (picture->frame.height_px + 1) / 2 : picture->frame.height_px;
}

static int plane_count(const pipersr_yuv_format *format)
{
    return format->sampling == PIPERSR_YUV_400 ? 1 : 3;
}

/* All bytes are the guard's. Rows are padded, and there is a row more at either end. */
static struct picture make_picture(const pipersr_yuv_format *format, uint32_t width,
                                   uint32_t height)
{
    struct picture picture = {.format = *format, .frame = {.width_px = width, .height_px = height}};
    const size_t sample = format->bits > 8 ? 2 : 1;
    for (int i = 0; i < plane_count(format); i++) {
        const size_t stride = plane_width(&picture, i) * sample + PADDING_BYTES;
        picture.bytes[i] = stride * (plane_height(&picture, i) + 2);
        picture.memory[i] = malloc(picture.bytes[i]);
        memset(picture.memory[i], GUARD, picture.bytes[i]);
        picture.frame.plane[i] = picture.memory[i] + stride;
        picture.frame.stride_bytes[i] = (ptrdiff_t)stride;
    }
    return picture;
}

static void free_picture(struct picture *picture)
{
    for (int i = 0; i < 3; i++)
        free(picture->memory[i]);
}

static unsigned get_code(const struct picture *picture, int plane, uint32_t x, uint32_t y)
{
    const unsigned char *row = (const unsigned char *)picture->frame.plane[plane] +
                               (ptrdiff_t)y * picture->frame.stride_bytes[plane];
    return picture->format.bits > 8 ? ((const uint16_t *)(const void *)row)[x] : row[x];
}

static void set_code(const struct picture *picture, int plane, uint32_t x, uint32_t y,
                     unsigned code)
{
    unsigned char *row = (unsigned char *)picture->frame.plane[plane] +
                         (ptrdiff_t)y * picture->frame.stride_bytes[plane];
    if (picture->format.bits > 8)
        ((uint16_t *)(void *)row)[x] = (uint16_t)code;
    else
        row[x] = (unsigned char)code;
}

/* Mostly colours within the RGB cube; one sample in sixteen is any code. */
static void fill(const struct picture *picture, unsigned seed)
{
    const unsigned codes = 1u << picture->format.bits;
    for (int i = 0; i < plane_count(&picture->format); i++) {
        const float middle = 0.5f * (float)codes, swing = (i ? 0.12f : 0.3f) * (float)codes;
        for (uint32_t y = 0; y < plane_height(picture, i); y++) {
            for (uint32_t x = 0; x < plane_width(picture, i); x++) {
                const unsigned any = check_random(&seed) >> 4;
                const float code = middle + swing * check_random_float(&seed);
                set_code(picture, i, x, y, any % 16 ? (unsigned)code : (any >> 8) % codes);
            }
        }
    }
}

/* Are the bytes that are no samples still the guard's? */
static bool guards_hold(const struct picture *picture)
{
    const size_t sample = picture->format.bits > 8 ? 2 : 1;
    for (int i = 0; i < plane_count(&picture->format); i++) {
        const size_t stride = (size_t)picture->frame.stride_bytes[i];
        const size_t row = plane_width(picture, i) * sample;
        for (size_t at = 0; at < picture->bytes[i]; at++) {
            const size_t y = at / stride;
            const bool inside = y >= 1 && y <= plane_height(picture, i) && at % stride < row;
            if (!inside && picture->memory[i][at] != GUARD)
                return false;
        }
    }
    return true;
}

static bool same_samples(const struct picture *a, const struct picture *b)
{
    for (int i = 0; i < plane_count(&a->format); i++) {
        if (memcmp(a->memory[i], b->memory[i], a->bytes[i]) != 0)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------- the reference in float64 --
 */

struct constants {
    double kr, kg, kb;
    double luma_step, luma_zero, chroma_step, chroma_zero, most;
    double x_place, y_place; /* of chroma sample 0, in luma samples */
    bool x_half, y_half;
};

static struct constants constants_of(const pipersr_yuv_format *format)
{
    static const double kr[] = {0.299, 0.2126, 0.2627}, kb[] = {0.114, 0.0722, 0.0593};
    const double unit = pow(2, (double)format->bits - 8), most = 256 * unit - 1;
    struct constants c = {.kr = kr[format->matrix], .kb = kb[format->matrix], .most = most};
    c.kg = 1 - c.kr - c.kb;
    c.luma_step = format->full_range ? most : 219 * unit;
    c.luma_zero = format->full_range ? 0 : 16 * unit;
    c.chroma_step = format->full_range ? most : 224 * unit;
    c.chroma_zero = 128 * unit;
    c.x_half = format->sampling == PIPERSR_YUV_420 || format->sampling == PIPERSR_YUV_422;
    c.y_half = format->sampling == PIPERSR_YUV_420;
    c.x_place = format->siting == PIPERSR_YUV_CENTRE ? 0.5 : 0;
    c.y_place = format->siting == PIPERSR_YUV_TOP_LEFT ? 0 : 0.5;
    return c;
}

/* Keys' cubic convolution kernel with a = -0.5. */
static double keys(double t)
{
    t = fabs(t);
    if (t < 1)
        return (1.5 * t - 2.5) * t * t + 1;
    return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

static int clamp_index(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static double clamp01(double value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* Chroma at the place of luma sample (x, y). */
static double chroma_at(const struct picture *picture, const struct constants *c, int plane, int x,
                        int y)
{
    const double cx = c->x_half ? (x - c->x_place) / 2 : x;
    const double cy = c->y_half ? (y - c->y_place) / 2 : y;
    double sum = 0;
    for (int j = (int)floor(cy) - 2; j <= (int)floor(cy) + 3; j++) {
        for (int i = (int)floor(cx) - 2; i <= (int)floor(cx) + 3; i++) {
            const double weight = keys(cx - i) * keys(cy - j);
            if (weight != 0)
                sum +=
                    weight * get_code(picture, plane,
                                      (uint32_t)clamp_index(i, (int)plane_width(picture, plane)),
                                      (uint32_t)clamp_index(j, (int)plane_height(picture, plane)));
        }
    }
    return (sum - c->chroma_zero) / c->chroma_step;
}

static float *rgb_of(const struct picture *picture)
{
    const struct constants c = constants_of(&picture->format);
    const int width = (int)picture->frame.width_px, height = (int)picture->frame.height_px;
    float *rgb = malloc(sizeof *rgb * 3 * (size_t)width * (size_t)height), *to = rgb;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, to += 3) {
            const unsigned code = get_code(picture, 0, (uint32_t)x, (uint32_t)y);
            const double luma = (code - c.luma_zero) / c.luma_step;
            const bool gray = picture->format.sampling == PIPERSR_YUV_400;
            const double cb = gray ? 0 : chroma_at(picture, &c, 1, x, y);
            const double cr = gray ? 0 : chroma_at(picture, &c, 2, x, y);
            const double red = luma + 2 * (1 - c.kr) * cr, blue = luma + 2 * (1 - c.kb) * cb;
            to[0] = (float)clamp01(red);
            to[1] = (float)clamp01((luma - c.kr * red - c.kb * blue) / c.kg);
            to[2] = (float)clamp01(blue);
        }
    }
    return rgb;
}

/* E'Y, E'CB or E'CR of the pixel nearest to (x, y). */
static double component(const struct constants *c, const float *rgb, int width, int height,
                        int plane, int x, int y)
{
    const float *at =
        rgb + 3 * ((size_t)clamp_index(y, height) * (size_t)width + (size_t)clamp_index(x, width));
    const double red = (double)at[0], green = (double)at[1], blue = (double)at[2];
    const double luma = c->kr * red + c->kg * green + c->kb * blue;
    return plane == 0   ? luma
           : plane == 1 ? (blue - luma) / (2 * (1 - c->kb))
                        : (red - luma) / (2 * (1 - c->kr));
}

/* Weights of the pixels -1, 0, 1 around pixel 2 i for chroma sample i. */
static void weights_of(bool half, double place, double weight[3])
{
    weight[0] = half && place == 0 ? 0.25 : 0;
    weight[1] = half ? 0.5 : 1;
    weight[2] = half ? (place == 0 ? 0.25 : 0.5) : 0;
}

/* The code before it is rounded. */
static double reference_code(const struct constants *c, const float *rgb, int width, int height,
                             int plane, int x, int y)
{
    if (plane == 0)
        return component(c, rgb, width, height, 0, x, y) * c->luma_step + c->luma_zero;
    double across[3], down[3], sum = 0;
    weights_of(c->x_half, c->x_place, across);
    weights_of(c->y_half, c->y_place, down);
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < 3; i++)
            sum += across[i] * down[j] *
                   component(c, rgb, width, height, plane, (c->x_half ? 2 * x : x) + i - 1,
                             (c->y_half ? 2 * y : y) + j - 1);
    }
    const double code = sum * c->chroma_step + c->chroma_zero;
    return code < 0 ? 0 : code > c->most ? c->most : code;
}

/* ----------------------------------------------------------------------------------- the tests --
 */

static pipersr_isa isa = PIPERSR_ISA_AUTO;

static pipersr_upscaler *create(const pipersr_model *model, pipersr_precision precision,
                                uint32_t threads, uint32_t strip, uint32_t band)
{
    pipersr_options options = pipersr_options_default();
    options.precision = precision;
    options.isa = isa;
    options.threads = threads;
    options.strip_width_px = strip;
    options.band_height_px = band;
    pipersr_upscaler *upscaler = NULL;
    pipersr_error error;
    const pipersr_status status = pipersr_upscaler_create(model, &options, &upscaler, &error);
    const bool may_lack = isa != PIPERSR_ISA_AUTO || precision != PIPERSR_PRECISION_FP32;
    CHECK(status == PIPERSR_OK || (status == PIPERSR_ERROR_UNSUPPORTED && may_lack), "%s",
          error.message);
    return upscaler;
}

static uint32_t scale_of(const pipersr_upscaler *upscaler)
{
    pipersr_upscaler_info info;
    pipersr_upscaler_get_info(upscaler, &info);
    return info.scale;
}

static struct picture upscale(pipersr_upscaler *upscaler, const struct picture *in)
{
    const uint32_t scale = scale_of(upscaler);
    struct picture out =
        make_picture(&in->format, in->frame.width_px * scale, in->frame.height_px * scale);
    CHECK(pipersr_upscale_yuv(upscaler, &in->format, &in->frame, &out.frame) == PIPERSR_OK, "%s",
          pipersr_upscaler_message(upscaler));
    CHECK(guards_hold(&out), "bytes beside the samples were written");
    return out;
}

static const char *name_of(const pipersr_yuv_format *format)
{
    static char text[96];
    static const char *const samplings[] = {"4:0:0", "4:2:0", "4:2:2", "4:4:4"};
    static const char *const matrices[] = {"BT.601", "BT.709", "BT.2020"};
    static const char *const sitings[] = {"left", "centre", "top left"};
    snprintf(text, sizeof text, "%s, %u bits, %s, %s range, %s", samplings[format->sampling],
             format->bits, matrices[format->matrix], format->full_range ? "full" : "limited",
             sitings[format->siting]);
    return text;
}

/* By how many samples, of how many, the output differed from the rounded reference; for 8 and 10
 * bits, and for more. */
static struct tally {
    uint64_t samples, differing;
} tallies[2];

static void compare(const struct picture *out, const float *rgb)
{
    const struct constants c = constants_of(&out->format);
    const int width = (int)out->frame.width_px, height = (int)out->frame.height_px;
    struct tally *tally = &tallies[out->format.bits > 10];
    double worst = 0;
    for (int plane = 0; plane < plane_count(&out->format); plane++) {
        for (uint32_t y = 0; y < plane_height(out, plane); y++) {
            for (uint32_t x = 0; x < plane_width(out, plane); x++) {
                const double expected =
                    floor(reference_code(&c, rgb, width, height, plane, (int)x, (int)y) + 0.5);
                const double difference = fabs(get_code(out, plane, x, y) - expected);
                tally->samples++;
                tally->differing += difference > 0;
                worst = fmax(worst, difference);
            }
        }
    }
    CHECK(worst <= 1, "%s, %d x %d: off by %g codes", name_of(&out->format), width, height, worst);
}

static void test_against_reference(pipersr_upscaler *upscaler, const pipersr_yuv_format *format,
                                   uint32_t width, uint32_t height)
{
    const uint32_t scale = scale_of(upscaler);
    struct picture in = make_picture(format, width, height);
    fill(&in, 11 + width * 100 + height);
    struct picture out = upscale(upscaler, &in);

    float *rgb = rgb_of(&in);
    float *larger = malloc(sizeof *larger * 3 * width * scale * height * scale);
    const ptrdiff_t stride = (ptrdiff_t)(width * 3 * sizeof *rgb);
    pipersr_frame from = {rgb, stride, width, height, PIPERSR_RGBF32};
    pipersr_frame to = {larger, stride * scale, width * scale, height * scale, PIPERSR_RGBF32};
    CHECK(pipersr_upscale(upscaler, &from, &to) == PIPERSR_OK, "%s",
          pipersr_upscaler_message(upscaler));
    compare(&out, larger);
    free(rgb);
    free(larger);
    free_picture(&in);
    free_picture(&out);
}

static const uint32_t sizes[][2] = {{19, 13}, {16, 10}, {1, 1}, {2, 9}, {9, 2}, {37, 6}};

static void test_all_formats(const pipersr_model *model)
{
    static const uint32_t bits[] = {8, 10, 9, 12, 16};
    pipersr_upscaler *upscaler = create(model, PIPERSR_PRECISION_FP32, 2, 8, 0);
    unsigned turn = 0;
    /* 3 sitings x 3 matrices x 2 ranges x 4 samplings x 5 depths. */
    for (unsigned i = 0; i < 360; i++) {
        const pipersr_yuv_format format = {
            .siting = (pipersr_yuv_siting)(i % 3),
            .matrix = (pipersr_yuv_matrix)(i / 3 % 3),
            .full_range = i / 9 % 2,
            .sampling = (pipersr_yuv_sampling)(i / 18 % 4),
            .bits = bits[i / 72],
        };
        /* Other than 8 and 10 bits, the small sizes: by turns. */
        const unsigned n_sizes = sizeof sizes / sizeof *sizes;
        const uint32_t *size = sizes[i < 144 ? i % 2 : turn++ % n_sizes];
        if (!check_quick() || i % 7 == 0)
            test_against_reference(upscaler, &format, size[0], size[1]);
        const uint32_t *small = sizes[turn++ % n_sizes];
        if (format.bits == 8 && (!check_quick() || i % 7 == 1))
            test_against_reference(upscaler, &format, small[0], small[1]);
    }
    pipersr_upscaler_free(upscaler);
}

/* Threads, strips and bands leave no trace. */
static void test_same_bytes(const pipersr_model *model, pipersr_precision precision, uint32_t width,
                            uint32_t height)
{
    static const uint32_t cuts[][3] = {{1, 8, 8},  {1, 12, 0}, {2, 20, 9}, {3, 33, 13},
                                       {2, 8, 21}, {1, 0, 11}, {3, 9, 8}};
    pipersr_upscaler *whole = create(model, precision, 1, 1 << 20, 1 << 20);
    if (!whole)
        return; /* this machine lacks the precision */
    for (unsigned i = 0; i < 12; i++) {
        const pipersr_yuv_format format = {
            .sampling = (pipersr_yuv_sampling)(i % 4),
            .siting = (pipersr_yuv_siting)(i / 4),
            .bits = i % 2 ? 8 : 10,
            .matrix = PIPERSR_YUV_BT709,
        };
        struct picture in = make_picture(&format, width, height);
        fill(&in, 5 + i);
        struct picture expected = upscale(whole, &in);
        for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++) {
            if (check_quick() && (i + k) % 6)
                continue;
            pipersr_upscaler *cut = create(model, precision, cuts[k][0], cuts[k][1], cuts[k][2]);
            struct picture out = upscale(cut, &in);
            CHECK(same_samples(&out, &expected), "%s, %s, %u threads, strips of %u, bands of %u",
                  name_of(&format), pipersr_precision_name(precision), cuts[k][0], cuts[k][1],
                  cuts[k][2]);
            free_picture(&out);
            pipersr_upscaler_free(cut);
        }
        free_picture(&in);
        free_picture(&expected);
    }
    pipersr_upscaler_free(whole);
}

static const pipersr_yuv_format plain = {.sampling = PIPERSR_YUV_420, .bits = 8};

static void test_allocations(const pipersr_model *model)
{
    pipersr_upscaler *upscaler = create(model, PIPERSR_PRECISION_FP32, 2, 0, 0);
    struct picture in = make_picture(&plain, 33, 21);
    pipersr_upscaler_info first, later;
    fill(&in, 3);
    struct picture out = upscale(upscaler, &in);
    pipersr_upscaler_get_info(upscaler, &first);
    for (int i = 0; i < 3; i++) {
        struct picture again = upscale(upscaler, &in);
        CHECK(same_samples(&out, &again), "the same frame came out differently");
        free_picture(&again);
    }
    pipersr_upscaler_get_info(upscaler, &later);
    CHECK(first.allocations > 0 && later.allocations == first.allocations,
          "%u allocations after the first frame, then %u", (unsigned)first.allocations,
          (unsigned)later.allocations);
    free_picture(&in);
    free_picture(&out);
    pipersr_upscaler_free(upscaler);
}

/* Frames that share a call come out as they do alone. */
static void test_frames_at_once(const pipersr_model *model)
{
    enum { N = 3 };
    pipersr_upscaler *upscaler = create(model, PIPERSR_PRECISION_FP32, 2, 0, 0);
    struct picture in[N], alone[N], together[N];
    pipersr_yuv_frame in_frames[N], out_frames[N];
    for (unsigned i = 0; i < N; i++) {
        in[i] = make_picture(&plain, 23, 17);
        fill(&in[i], 20 + i);
        alone[i] = upscale(upscaler, &in[i]);
        together[i] = make_picture(&plain, 46, 34);
        in_frames[i] = in[i].frame;
        out_frames[i] = together[i].frame;
    }
    CHECK(pipersr_upscale_yuv_frames(upscaler, &plain, in_frames, out_frames, N) == PIPERSR_OK,
          "%s", pipersr_upscaler_message(upscaler));
    for (unsigned i = 0; i < N; i++)
        CHECK(same_samples(&alone[i], &together[i]), "frame %u of %d at once differs", i, N);

    CHECK(pipersr_upscale_yuv_frames(upscaler, &plain, in_frames, out_frames, 0) ==
              PIPERSR_ERROR_ARGUMENT,
          "no frames");
    CHECK(pipersr_upscale_yuv_frames(upscaler, &plain, in_frames, out_frames,
                                     PIPERSR_MAX_FRAMES + 1) == PIPERSR_ERROR_ARGUMENT,
          "too many frames");
    in_frames[N - 1].width_px--;
    CHECK(pipersr_upscale_yuv_frames(upscaler, &plain, in_frames, out_frames, N) ==
              PIPERSR_ERROR_ARGUMENT,
          "a frame of another size");
    for (unsigned i = 0; i < N; i++) {
        free_picture(&in[i]);
        free_picture(&alone[i]);
        free_picture(&together[i]);
    }
    pipersr_upscaler_free(upscaler);
}

/* Rows from bottom to top, by a negative stride: the samples are the same, mirrored twice. */
static void test_negative_stride(const pipersr_model *model)
{
    pipersr_upscaler *upscaler = create(model, PIPERSR_PRECISION_FP32, 1, 0, 0);
    struct picture in = make_picture(&plain, 20, 14), turned = make_picture(&plain, 20, 14);
    fill(&in, 9);
    for (int i = 0; i < 3; i++) {
        const uint32_t rows = plane_height(&in, i);
        turned.frame.plane[i] = (unsigned char *)turned.frame.plane[i] +
                                (ptrdiff_t)(rows - 1) * turned.frame.stride_bytes[i];
        turned.frame.stride_bytes[i] *= -1;
        for (uint32_t y = 0; y < rows; y++) {
            for (uint32_t x = 0; x < plane_width(&in, i); x++)
                set_code(&turned, i, x, y, get_code(&in, i, x, y));
        }
    }
    struct picture a = upscale(upscaler, &in), b = upscale(upscaler, &turned);
    CHECK(same_samples(&a, &b), "a picture that lies bottom-up came out differently");
    free_picture(&in);
    free_picture(&turned);
    free_picture(&a);
    free_picture(&b);
    pipersr_upscaler_free(upscaler);
}

static void check_refused(pipersr_upscaler *upscaler, const pipersr_yuv_format *format,
                          const pipersr_yuv_frame *in, const pipersr_yuv_frame *out,
                          const char *what)
{
    CHECK(pipersr_upscale_yuv(upscaler, format, in, out) == PIPERSR_ERROR_ARGUMENT, "%s", what);
    CHECK(pipersr_upscaler_message(upscaler)[0] != '\0', "%s: no message", what);
}

static void test_bad_arguments(const pipersr_model *model)
{
    pipersr_upscaler *upscaler = create(model, PIPERSR_PRECISION_FP32, 1, 0, 0);
    struct picture in = make_picture(&plain, 11, 9), out = make_picture(&plain, 22, 18);
    pipersr_yuv_frame bad = in.frame;
    fill(&in, 1);

    CHECK(pipersr_upscale_yuv(NULL, &plain, &in.frame, &out.frame) == PIPERSR_ERROR_ARGUMENT,
          "no upscaler");
    check_refused(upscaler, NULL, &in.frame, &out.frame, "no format");
    check_refused(upscaler, &plain, NULL, &out.frame, "no input");
    check_refused(upscaler, &plain, &in.frame, NULL, "no output");
    const pipersr_yuv_format wrong[] = {
        {.sampling = PIPERSR_YUV_420, .bits = 7},
        {.sampling = PIPERSR_YUV_420, .bits = 17},
        {.sampling = (pipersr_yuv_sampling)4, .bits = 8},
        {.sampling = PIPERSR_YUV_420, .bits = 8, .matrix = (pipersr_yuv_matrix)3},
        {.sampling = PIPERSR_YUV_420, .bits = 8, .siting = (pipersr_yuv_siting)3},
        {.sampling = PIPERSR_YUV_420, .bits = 8, .full_range = 2},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_refused(upscaler, &wrong[i], &in.frame, &out.frame, "a wrong format");

    bad.width_px = 0;
    check_refused(upscaler, &plain, &bad, &out.frame, "no width");
    bad = out.frame;
    bad.height_px--;
    check_refused(upscaler, &plain, &in.frame, &bad, "a wrong output height");
    for (int i = 0; i < 3; i++) {
        bad = in.frame;
        bad.plane[i] = NULL;
        check_refused(upscaler, &plain, &bad, &out.frame, "a missing plane");
        bad = out.frame;
        bad.stride_bytes[i] = i ? 10 : 21;
        check_refused(upscaler, &plain, &in.frame, &bad, "a short stride");
    }
    /* Strides that would do, had 16-bit samples not to be aligned. */
    const pipersr_yuv_format deep = {.sampling = PIPERSR_YUV_400, .bits = 10};
    bad = in.frame;
    bad.width_px = 5;
    bad.height_px = 4;
    pipersr_yuv_frame bad_out = out.frame;
    bad_out.width_px = 10;
    bad_out.height_px = 8;
    bad.stride_bytes[0] = 17;
    check_refused(upscaler, &deep, &bad, &bad_out, "an odd stride of 16-bit samples");
    CHECK(guards_hold(&out) && get_code(&out, 0, 3, 3) == GUARD, "a refused call wrote");
    free_picture(&in);
    free_picture(&out);
    pipersr_upscaler_free(upscaler);
}

static pipersr_model *load(const char *folder, const char *name)
{
    char path[512];
    pipersr_model *model = NULL;
    pipersr_error error;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(pipersr_model_load_file(path, &model, &error) == PIPERSR_OK, "%s", error.message);
    return model;
}

static void test_default_model(void)
{
    static const pipersr_precision precisions[] = {PIPERSR_PRECISION_FP32, PIPERSR_PRECISION_BF16,
                                                   PIPERSR_PRECISION_INT8};
    pipersr_model *model = NULL;
    CHECK(pipersr_model_load_default(&model, NULL) == PIPERSR_OK, "no default model");
    for (size_t i = 0; i < 3 && !check_quick(); i++)
        test_same_bytes(model, precisions[i], 37, 27);
    /* Its tiles of four pixels make strips look further. */
    isa = PIPERSR_ISA_AVX2;
    if (!check_quick())
        test_same_bytes(model, PIPERSR_PRECISION_INT8, 38, 26);
    isa = PIPERSR_ISA_AUTO;
    pipersr_model_free(model);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"bn-f32.safetensors", "x3-c16.safetensors",
                                        "x4-c48.safetensors"};
    if (argc != 2)
        return 2;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pipersr_model *model = load(argv[1], names[i]);
        if (!model)
            return check_result();
        test_all_formats(model);
        test_same_bytes(model, PIPERSR_PRECISION_FP32, i ? 41 : 67, i ? 29 : 43);
        if (i == 0) {
            test_allocations(model);
            test_frames_at_once(model);
            test_negative_stride(model);
            test_bad_arguments(model);
        }
        pipersr_model_free(model);
    }
    test_default_model();
    for (int deep = 0; deep < 2; deep++) {
        const struct tally *tally = &tallies[deep];
        const double share = (double)tally->differing / (double)tally->samples;
        printf("%s: 1 code off the float64 reference in %.4f %% of %.0f samples\n",
               deep ? "12 and 16 bits" : "8 to 10 bits", 100 * share, (double)tally->samples);
        CHECK(share < (deep ? 0.02 : 0.002), "too many samples are a code off");
    }
    return check_result();
}
