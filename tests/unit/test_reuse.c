/* SPDX-License-Identifier: MIT
 *
 * Reuse between the frames of a video: the same bytes as without it, for every layout of samples,
 * precision, number of threads and way of handing the frames over; and that what stays is reused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pipersr.h"
#include "src/cover.h"

enum { N_FRAMES = 8, MAX_PLANES = 3, GUARD = 0xA5 };

struct layout {
    const char *name;
    bool planar;
    pipersr_yuv_format yuv;
    pipersr_format format;
};

static const struct layout layouts[] = {
    {.name = "4:2:0 left",
     .planar = true,
     .yuv = {PIPERSR_YUV_420, 8, PIPERSR_YUV_BT709, 0, PIPERSR_YUV_LEFT}},
    {.name = "4:2:0 centre, 10 bits",
     .planar = true,
     .yuv = {PIPERSR_YUV_420, 10, PIPERSR_YUV_BT601, 1, PIPERSR_YUV_CENTRE}},
    {.name = "4:2:0 top left, 10 bits",
     .planar = true,
     .yuv = {PIPERSR_YUV_420, 10, PIPERSR_YUV_BT2020, 0, PIPERSR_YUV_TOP_LEFT}},
    {.name = "4:2:2 left",
     .planar = true,
     .yuv = {PIPERSR_YUV_422, 8, PIPERSR_YUV_BT709, 0, PIPERSR_YUV_LEFT}},
    {.name = "4:2:2 centre, 10 bits",
     .planar = true,
     .yuv = {PIPERSR_YUV_422, 10, PIPERSR_YUV_BT709, 0, PIPERSR_YUV_CENTRE}},
    {.name = "4:4:4",
     .planar = true,
     .yuv = {PIPERSR_YUV_444, 8, PIPERSR_YUV_BT709, 1, PIPERSR_YUV_LEFT}},
    {.name = "4:4:4, 10 bits",
     .planar = true,
     .yuv = {PIPERSR_YUV_444, 10, PIPERSR_YUV_BT709, 0, PIPERSR_YUV_LEFT}},
    {.name = "4:0:0",
     .planar = true,
     .yuv = {PIPERSR_YUV_400, 8, PIPERSR_YUV_BT709, 0, PIPERSR_YUV_LEFT}},
    {.name = "4:0:0, 10 bits",
     .planar = true,
     .yuv = {PIPERSR_YUV_400, 10, PIPERSR_YUV_BT709, 0, PIPERSR_YUV_LEFT}},
    {.name = "RGB", .format = PIPERSR_RGB8},
    {.name = "RGBA, 16 bits", .format = PIPERSR_RGBA16},
    {.name = "gray, 16 bits", .format = PIPERSR_GRAY16},
};

enum { N_LAYOUTS = sizeof layouts / sizeof *layouts };

/* ------------------------------------------------------------------------------------ frames -- */

struct plane {
    unsigned char *data; /* height rows of stride bytes */
    uint32_t width, height;
    size_t sample_bytes, stride;
    unsigned highest; /* value of a sample */
};

struct frame {
    uint32_t width, height;
    int n_planes;
    struct plane plane[MAX_PLANES];
};

static struct frame make_frame(const struct layout *layout, uint32_t width, uint32_t height)
{
    struct frame frame = {.width = width, .height = height, .n_planes = 1};
    const bool gray = layout->yuv.sampling == PIPERSR_YUV_400;
    if (layout->planar && !gray)
        frame.n_planes = MAX_PLANES;
    for (int i = 0; i < frame.n_planes; i++) {
        struct plane *plane = &frame.plane[i];
        const bool half_x = i && layout->yuv.sampling != PIPERSR_YUV_444;
        const bool half_y = i && layout->yuv.sampling == PIPERSR_YUV_420;
        plane->width = half_x ? (width + 1) / 2 : width;
        plane->height = half_y ? (height + 1) / 2 : height;
        if (layout->planar) {
            plane->sample_bytes = layout->yuv.bits > 8 ? 2 : 1;
            plane->highest = (1u << layout->yuv.bits) - 1;
        } else {
            plane->sample_bytes = (unsigned)layout->format >> 4;
            plane->width *= (unsigned)layout->format & 0xf; /* channels are samples of the row */
            plane->highest = plane->sample_bytes == 2 ? 0xffff : 0xff;
        }
        plane->stride = (plane->width + 3) * plane->sample_bytes;
        plane->data = malloc(plane->stride * plane->height);
        memset(plane->data, GUARD, plane->stride * plane->height);
    }
    return frame;
}

static void free_frame(struct frame *frame)
{
    for (int i = 0; i < frame->n_planes; i++)
        free(frame->plane[i].data);
}

static void set_sample(const struct plane *plane, uint32_t x, uint32_t y, unsigned value)
{
    unsigned char *row = plane->data + y * plane->stride;
    if (plane->sample_bytes == 2)
        ((uint16_t *)(void *)row)[x] = (uint16_t)value;
    else
        row[x] = (unsigned char)value;
}

static unsigned get_sample(const struct plane *plane, uint32_t x, uint32_t y)
{
    const unsigned char *row = plane->data + y * plane->stride;
    return plane->sample_bytes == 2 ? ((const uint16_t *)(const void *)row)[x] : row[x];
}

/* New samples for the columns and rows given, in halves for half as many. */
static void fill(const struct frame *frame, uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1,
                 unsigned *seed)
{
    for (int i = 0; i < frame->n_planes; i++) {
        const struct plane *plane = &frame->plane[i];
        const uint64_t width = plane->width, height = plane->height;
        for (uint32_t y = (uint32_t)(y0 * height / frame->height); y < y1 * height / frame->height;
             y++)
            for (uint32_t x = (uint32_t)(x0 * width / frame->width); x < x1 * width / frame->width;
                 x++)
                set_sample(plane, x, y, (check_random(seed) >> 8) % (plane->highest + 1));
    }
}

/* The smallest change there is, and a large one. */
static void change_sample(const struct plane *plane, uint32_t x, uint32_t y, bool large)
{
    const unsigned value = get_sample(plane, x, y);
    set_sample(plane, x, y, large ? plane->highest - value : value ^ 1);
}

static void copy_frame(const struct frame *from, const struct frame *to)
{
    for (int i = 0; i < from->n_planes; i++)
        memcpy(to->plane[i].data, from->plane[i].data,
               from->plane[i].stride * from->plane[i].height);
}

static bool same_frames(const struct frame *a, const struct frame *b)
{
    for (int i = 0; i < a->n_planes; i++)
        if (memcmp(a->plane[i].data, b->plane[i].data, a->plane[i].stride * a->plane[i].height))
            return false;
    return true;
}

/* A clip: what changes in each frame is another thing. */
static void make_clip(const struct layout *layout, uint32_t width, uint32_t height, unsigned seed,
                      struct frame *in)
{
    for (int i = 0; i < N_FRAMES; i++) {
        in[i] = make_frame(layout, width, height);
        if (i > 0)
            copy_frame(&in[i - 1], &in[i]);
        const struct plane *luma = &in[i].plane[0];
        const struct plane *last = &in[i].plane[in[i].n_planes - 1];
        const uint32_t x = check_random(&seed) % luma->width,
                       y = check_random(&seed) % luma->height;
        switch (i) {
        case 0:
        case 6:
            fill(&in[i], 0, 0, width, height, &seed);
            break;
        case 1: /* nothing */
            break;
        case 2:
            change_sample(luma, x, y, true);
            break;
        case 3: /* of chroma, where there is any */
            change_sample(last, x % last->width, y % last->height, true);
            break;
        case 4:
            fill(&in[i], width * 3 / 4, height * 4 / 5, width, height, &seed);
            break;
        case 5:
            change_sample(luma, x, y, false);
            fill(&in[i], width / 8, height / 8, width / 6, height / 5, &seed);
            fill(&in[i], width * 6 / 8, height * 5 / 8, width * 7 / 8, height * 7 / 8, &seed);
            break;
        default:
            change_sample(luma, 0, 0, true);
        }
    }
}

/* ------------------------------------------------------------------------------------- calls -- */

static pipersr_yuv_frame yuv_view(const struct frame *frame)
{
    pipersr_yuv_frame view = {.width_px = frame->width, .height_px = frame->height};
    for (int i = 0; i < frame->n_planes; i++) {
        view.plane[i] = frame->plane[i].data;
        view.stride_bytes[i] = (ptrdiff_t)frame->plane[i].stride;
    }
    return view;
}

static pipersr_frame view(const struct frame *frame, pipersr_format format)
{
    return (pipersr_frame){frame->plane[0].data, (ptrdiff_t)frame->plane[0].stride, frame->width,
                           frame->height, format};
}

static void upscale_alone(pipersr_upscaler *upscaler, const struct layout *layout,
                          const struct frame *in, const struct frame *out)
{
    pipersr_status status;
    if (layout->planar) {
        const pipersr_yuv_frame from = yuv_view(in), to = yuv_view(out);
        status = pipersr_upscale_yuv(upscaler, &layout->yuv, &from, &to);
    } else {
        const pipersr_frame from = view(in, layout->format), to = view(out, layout->format);
        status = pipersr_upscale(upscaler, &from, &to);
    }
    CHECK(status == PIPERSR_OK, "%s: %s", layout->name, pipersr_upscaler_message(upscaler));
}

/* Frames first .. first + n - 1 of a clip. */
static uint64_t upscale_next(pipersr_upscaler *upscaler, const struct layout *layout,
                             const struct frame *in, const struct frame *out, int first, int n)
{
    uint64_t reused_px = UINT64_MAX;
    pipersr_status status;
    const int n_before = first < PIPERSR_MAX_BEFORE ? first : PIPERSR_MAX_BEFORE;
    if (layout->planar) {
        pipersr_yuv_frame from[N_FRAMES], to[N_FRAMES];
        pipersr_yuv_frame from_before[PIPERSR_MAX_BEFORE], to_before[PIPERSR_MAX_BEFORE];
        for (int i = 0; i < n_before; i++) {
            from_before[i] = yuv_view(&in[first - 1 - i]);
            to_before[i] = yuv_view(&out[first - 1 - i]);
        }
        for (int i = 0; i < n; i++) {
            from[i] = yuv_view(&in[first + i]);
            to[i] = yuv_view(&out[first + i]);
        }
        status =
            pipersr_upscale_next_yuv_frames(upscaler, &layout->yuv, from, to, (uint32_t)n,
                                            from_before, to_before, (uint32_t)n_before, &reused_px);
    } else {
        pipersr_frame from[N_FRAMES], to[N_FRAMES];
        pipersr_frame from_before[PIPERSR_MAX_BEFORE], to_before[PIPERSR_MAX_BEFORE];
        for (int i = 0; i < n_before; i++) {
            from_before[i] = view(&in[first - 1 - i], layout->format);
            to_before[i] = view(&out[first - 1 - i], layout->format);
        }
        for (int i = 0; i < n; i++) {
            from[i] = view(&in[first + i], layout->format);
            to[i] = view(&out[first + i], layout->format);
        }
        status = pipersr_upscale_next_frames(upscaler, from, to, (uint32_t)n, from_before,
                                             to_before, (uint32_t)n_before, &reused_px);
    }
    CHECK(status == PIPERSR_OK, "%s: %s", layout->name, pipersr_upscaler_message(upscaler));
    return reused_px;
}

static pipersr_upscaler *create(const pipersr_model *model, pipersr_precision precision,
                                uint32_t threads, uint32_t strip)
{
    pipersr_options options = pipersr_options_default();
    options.precision = precision;
    options.threads = threads;
    options.strip_width_px = strip;
    pipersr_upscaler *upscaler = NULL;
    pipersr_error error;
    const pipersr_status status = pipersr_upscaler_create(model, &options, &upscaler, &error);
    CHECK(status == PIPERSR_OK ||
              (status == PIPERSR_ERROR_UNSUPPORTED && precision != PIPERSR_PRECISION_FP32),
          "%s", error.message);
    return upscaler;
}

static uint32_t scale_of(const pipersr_upscaler *upscaler)
{
    pipersr_upscaler_info info;
    pipersr_upscaler_get_info(upscaler, &info);
    return info.scale;
}

/* ------------------------------------------------------------------------------------- tests -- */

struct size {
    uint32_t width, height;
};

/* Returns the pixels that were reused when the frames were given `at_once` at a time. */
static uint64_t check_way(pipersr_upscaler *upscaler, const struct layout *layout,
                          const struct frame *in, const struct frame *expected, int at_once)
{
    const uint32_t scale = scale_of(upscaler);
    struct frame out[N_FRAMES];
    uint64_t reused_px = 0;
    for (int i = 0; i < N_FRAMES; i++)
        out[i] = make_frame(layout, in[i].width * scale, in[i].height * scale);
    for (int first = 0; first < N_FRAMES; first += at_once) {
        const int n = N_FRAMES - first < at_once ? N_FRAMES - first : at_once;
        reused_px += upscale_next(upscaler, layout, in, out, first, n);
    }
    for (int i = 0; i < N_FRAMES; i++) {
        CHECK(same_frames(&out[i], &expected[i]), "%s, %ux%u: frame %d differs, %d at once",
              layout->name, in[i].width, in[i].height, i, at_once);
        free_frame(&out[i]);
    }
    return reused_px;
}

static void test_layout(const pipersr_model *model, const struct layout *layout, struct size size,
                        pipersr_precision precision, uint32_t threads, uint32_t strip)
{
    static const int ways[] = {1, 3, N_FRAMES};
    pipersr_upscaler *upscaler = create(model, precision, threads, strip);
    if (!upscaler)
        return;
    struct frame in[N_FRAMES], expected[N_FRAMES];
    const uint32_t scale = scale_of(upscaler);
    make_clip(layout, size.width, size.height, 11 + size.width * 7 + threads, in);
    for (int i = 0; i < N_FRAMES; i++) {
        expected[i] = make_frame(layout, size.width * scale, size.height * scale);
        upscale_alone(upscaler, layout, &in[i], &expected[i]);
    }
    for (size_t i = threads == 1 ? 0 : 1; i < sizeof ways / sizeof *ways; i++) {
        const uint64_t reused_px = check_way(upscaler, layout, in, expected, ways[i]);
        const uint64_t frame_px = (uint64_t)size.width * size.height;
        /* Frame 1 repeats frame 0; 0 and 6 are new. */
        CHECK(reused_px >= frame_px && reused_px <= (N_FRAMES - 2) * frame_px,
              "%s: %llu pixels reused", layout->name, (unsigned long long)reused_px);
    }
    for (int i = 0; i < N_FRAMES; i++) {
        free_frame(&in[i]);
        free_frame(&expected[i]);
    }
    pipersr_upscaler_free(upscaler);
}

/* A small change in a large frame must not cost the whole frame, and a second look at the same
 * clip must not allocate. */
static void test_worth(const pipersr_model *model)
{
    enum { WIDTH = 320, HEIGHT = 200, N = 4 };
    const struct layout *layout = &layouts[0];
    pipersr_upscaler *upscaler = create(model, PIPERSR_PRECISION_AUTO, 2, 0);
    const uint32_t scale = scale_of(upscaler);
    struct frame in[N], out[N];
    unsigned seed = 3;
    for (int i = 0; i < N; i++) {
        in[i] = make_frame(layout, WIDTH, HEIGHT);
        out[i] = make_frame(layout, WIDTH * scale, HEIGHT * scale);
        if (i == 0)
            fill(&in[i], 0, 0, WIDTH, HEIGHT, &seed);
        else
            copy_frame(&in[i - 1], &in[i]);
        change_sample(&in[i].plane[0], (uint32_t)(40 + 70 * i), (uint32_t)(30 + 40 * i), true);
    }
    pipersr_upscaler_info before, after;
    upscale_next(upscaler, layout, in, out, 0, N);
    pipersr_upscaler_get_info(upscaler, &before);
    const uint64_t reused_px = upscale_next(upscaler, layout, in, out, 0, N);
    pipersr_upscaler_get_info(upscaler, &after);
    /* int8 looks some 20 pixels around, Winograd's fp32 at most 64. */
    CHECK(reused_px > (uint64_t)(N - 1) * (WIDTH * HEIGHT - 136 * 136), "%llu pixels reused",
          (unsigned long long)reused_px);
    CHECK(after.allocations == before.allocations, "%llu allocations for known frames",
          (unsigned long long)(after.allocations - before.allocations));
    for (int i = 0; i < N; i++) {
        free_frame(&in[i]);
        free_frame(&out[i]);
    }
    pipersr_upscaler_free(upscaler);
}

/* A part that takes turns between some looks, as it does where encoders code the types of frames
 * differently: when each has been seen once, nothing is computed any more, however many frames are
 * given at once. What has more looks than PIPERSR_MAX_BEFORE is computed always, and is right. */
static void test_turns(const pipersr_model *model, const struct layout *layout,
                       pipersr_precision precision, int n_looks)
{
    static const int ways[] = {1, 3, N_FRAMES};
    const struct size size = {256, 64};
    pipersr_upscaler *upscaler = create(model, precision, 2, 0);
    if (!upscaler)
        return;
    const uint32_t scale = scale_of(upscaler);
    struct frame in[N_FRAMES], expected[N_FRAMES];
    unsigned seed = 9;
    for (int i = 0; i < N_FRAMES; i++) {
        in[i] = make_frame(layout, size.width, size.height);
        expected[i] = make_frame(layout, size.width * scale, size.height * scale);
        if (i == 0)
            fill(&in[i], 0, 0, size.width, size.height, &seed);
        else
            copy_frame(&in[i < n_looks ? i - 1 : i - n_looks], &in[i]);
        if (i < n_looks)
            fill(&in[i], 8, 0, 24, size.height, &seed);
        upscale_alone(upscaler, layout, &in[i], &expected[i]);
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const uint64_t reused_px = check_way(upscaler, layout, in, expected, ways[i]);
        const uint64_t frame_px = (uint64_t)size.width * size.height;
        /* The part and its surround, 100 pixels wide at most, while it is new. */
        const uint64_t least_px = (uint64_t)(N_FRAMES - n_looks) * frame_px +
                                  (uint64_t)(n_looks - 1) * (frame_px - 100 * size.height);
        const uint64_t most_px = (N_FRAMES - 1) * (frame_px - 16 * size.height);
        CHECK(n_looks <= PIPERSR_MAX_BEFORE ? reused_px >= least_px : reused_px <= most_px,
              "%s: %d looks, %d at once: %llu pixels reused", layout->name, n_looks, ways[i],
              (unsigned long long)reused_px);
    }
    for (int i = 0; i < N_FRAMES; i++) {
        free_frame(&in[i]);
        free_frame(&expected[i]);
    }
    pipersr_upscaler_free(upscaler);
}

static void test_arguments(const pipersr_model *model)
{
    const struct layout *layout = &layouts[9];
    pipersr_upscaler *upscaler = create(model, PIPERSR_PRECISION_FP32, 1, 0);
    struct frame in = make_frame(layout, 20, 10), other = make_frame(layout, 22, 10);
    struct frame out = make_frame(layout, 40, 20);
    const pipersr_frame from = view(&in, PIPERSR_RGB8), to = view(&out, PIPERSR_RGB8);
    const pipersr_frame wrong = view(&other, PIPERSR_RGB8);
    CHECK(pipersr_upscale_next_frames(NULL, &from, &to, 1, NULL, NULL, 0, NULL) ==
              PIPERSR_ERROR_ARGUMENT,
          "no upscaler");
    CHECK(pipersr_upscale_next_frames(upscaler, &from, &to, 1, &from, NULL, 1, NULL) ==
              PIPERSR_ERROR_ARGUMENT,
          "a frame before without output");
    CHECK(pipersr_upscale_next_frames(upscaler, &from, &to, 1, &wrong, &to, 1, NULL) ==
              PIPERSR_ERROR_ARGUMENT,
          "a frame before of another size");
    CHECK(pipersr_upscale_next_frames(upscaler, &from, &to, 1, &from, &to, PIPERSR_MAX_BEFORE + 1,
                                      NULL) == PIPERSR_ERROR_ARGUMENT,
          "too many frames before");
    CHECK(pipersr_upscale_next_frames(upscaler, &from, &to, 0, NULL, NULL, 0, NULL) ==
              PIPERSR_ERROR_ARGUMENT,
          "no frames");
    CHECK(pipersr_upscale_next_yuv_frames(upscaler, NULL, NULL, NULL, 1, NULL, NULL, 0, NULL) ==
              PIPERSR_ERROR_ARGUMENT,
          "no format");
    CHECK(pipersr_upscale_next_frames(upscaler, &from, &to, 1, NULL, NULL, 0, NULL) == PIPERSR_OK,
          "the count is optional");
    free_frame(&in);
    free_frame(&other);
    free_frame(&out);
    pipersr_upscaler_free(upscaler);
}

/* Every mark is in one rectangle, none in two, and rectangles cost no more than the whole. */
static void test_cover(void)
{
    enum { COLUMNS = 40, ROWS = 25 };
    unsigned seed = 5;
    for (int round = 0; round < 400; round++) {
        uint8_t spared[COLUMNS * ROWS], covered[COLUMNS * ROWS] = {0};
        uint32_t counts[COLUMNS + ROWS];
        struct psr_rect rects[PSR_MOST_RECTS];
        const struct psr_cover_request request = {spared, COLUMNS, ROWS, round % 7, round % 5, 2};
        double cost = -1, sum = 0;
        memset(spared, 3, sizeof spared);
        const unsigned blobs = check_random(&seed) % 12;
        for (unsigned i = 0; i < blobs; i++) {
            const unsigned x = check_random(&seed) % COLUMNS, y = check_random(&seed) % ROWS;
            const unsigned side = 1 + check_random(&seed) % 9;
            for (unsigned dy = 0; dy < side && y + dy < ROWS; dy++)
                for (unsigned dx = 0; dx < side && x + dx < COLUMNS; dx++)
                    spared[(y + dy) * COLUMNS + x + dx] = 0;
        }
        const uint32_t n = psr_cover(&request, counts, rects, &cost);
        CHECK(n <= PSR_MOST_RECTS && (n == 0) == (blobs == 0), "%u rectangles", n);
        for (uint32_t i = 0; i < n; i++) {
            sum += psr_cover_cost(&request, &rects[i]);
            for (uint32_t y = rects[i].y0; y < rects[i].y1; y++)
                for (uint32_t x = rects[i].x0; x < rects[i].x1; x++)
                    covered[y * COLUMNS + x]++;
        }
        int missed = 0, twice = 0;
        for (int i = 0; i < COLUMNS * ROWS; i++) {
            missed += !spared[i] && !covered[i];
            twice += covered[i] > 1;
        }
        CHECK(missed == 0 && twice == 0, "%d marks missed, %d cells twice", missed, twice);
        CHECK(cost > sum - 1e-6 && cost < sum + 1e-6, "cost %g is not the sum %g", cost, sum);
    }
}

static pipersr_model *load(const char *name)
{
    const pipersr_built_in_model *built_in = pipersr_model_find_built_in(name);
    pipersr_model *model = NULL;
    if (built_in)
        pipersr_model_load_memory(built_in->data, built_in->size_bytes, &model, NULL);
    else
        pipersr_model_load_default(&model, NULL);
    return model;
}

/* The thread sanitizer sees the same crossings of threads in fewer cases, and takes minutes for
 * all. */
static bool is_quick(void)
{
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return check_quick();
}

int main(int argc, char **argv)
{
    static const struct size sizes[] = {{97, 75}, {128, 96}, {9, 130}};
    static const pipersr_precision precisions[] = {PIPERSR_PRECISION_FP32, PIPERSR_PRECISION_INT8,
                                                   PIPERSR_PRECISION_BF16};
    pipersr_model *fast = load("pipersr-x2-fast"), *deep = load("pipersr-x2-video"), *x3 = NULL;
    test_cover();
    test_arguments(fast);
    test_worth(fast);
    test_turns(fast, &layouts[0], PIPERSR_PRECISION_INT8, 2);
    test_turns(fast, &layouts[1], PIPERSR_PRECISION_INT8, PIPERSR_MAX_BEFORE);
    test_turns(fast, &layouts[9], PIPERSR_PRECISION_FP32, 3);
    test_turns(fast, &layouts[9], PIPERSR_PRECISION_INT8, PIPERSR_MAX_BEFORE + 1);
    for (size_t i = 0; i < N_LAYOUTS; i += is_quick() ? 3 : 1)
        for (size_t p = 0; p < sizeof precisions / sizeof *precisions; p++) {
            const uint32_t threads = 1 + (uint32_t)(i + p) % 3;
            test_layout(fast, &layouts[i], sizes[(i + p) % 3], precisions[p], threads, 0);
        }
    if (!is_quick()) {
        test_layout(deep, &layouts[0], sizes[1], PIPERSR_PRECISION_FP32, 2, 0);
        test_layout(deep, &layouts[2], sizes[1], PIPERSR_PRECISION_INT8, 3, 20);
    }
    if (argc > 1 && pipersr_model_load_file(argv[1], &x3, NULL) == PIPERSR_OK) {
        test_layout(x3, &layouts[0], sizes[0], PIPERSR_PRECISION_FP32, 2, 0);
        test_layout(x3, &layouts[10], sizes[1], PIPERSR_PRECISION_FP32, 2, 33);
    }
    CHECK(argc < 2 || x3, "%s cannot be loaded", argv[1]);
    pipersr_model_free(fast);
    pipersr_model_free(deep);
    pipersr_model_free(x3);
    return check_result();
}
