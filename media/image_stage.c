/* SPDX-License-Identifier: MIT */
#include "media/image_stage.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "media/image_report.h"

enum {
    BATCH_ROWS = 32, /* pushed at once: enough to keep the engine's threads busy */
    BLEED_ROWS = 16, /* context that pipersr_bleed_transparent() needs on either side */
    WINDOW_ROWS = BLEED_ROWS + BATCH_ROWS + BLEED_ROWS,
    SINK_TILE_ROWS = 32 /* rows that libvips asks for at once */
};

struct stage {
    VipsImage *in; /* a reference: libvips keeps none for a generate function */
    struct media_image_stage_options options;
    pipersr_format format;
    unsigned bands;
    size_t sample_bytes; /* of the input and of the engine */
    uint32_t width_px, height_px;
    unsigned scale;

    /* The input rows [window_top, window_bottom) of the current page, and the same with colour bled
     * under transparent pixels. */
    unsigned char *window, *bled;
    size_t window_stride_bytes;
    uint32_t window_top, window_bottom;

    uint32_t page_top; /* of the current page, in input rows from the very top */
    uint32_t pushed;   /* input rows of the current page that the engine has */

    /* Output rows of the engine that nobody has asked for yet. */
    unsigned char *ready;
    size_t ready_stride_bytes;
    uint32_t ready_room, ready_first, ready_end;
    uint32_t delivered; /* output rows handed out, from the very top */

    /* Of everything above. libvips calls from several threads, one at a time: its lock does it, but
     * the thread sanitizer does not see into that library. */
    pthread_mutex_t mutex;
};

static int fail(struct stage *stage, enum media_status status, const char *text)
{
    struct media_image_failure *failure = stage->options.failure;
    if (failure->status == MEDIA_OK)
        failure->status = media_fail(&failure->error, status, "%s", text);
    vips_error("pipersr", "%s", text);
    return -1;
}

static int fail_engine(struct stage *stage, pipersr_status status)
{
    struct media_error error;
    enum media_status result = media_fail_engine(&error, status, stage->options.upscaler);
    return fail(stage, result, error.message);
}

static int fail_input(struct stage *stage)
{
    struct media_image_failure *failure = stage->options.failure;
    if (failure->status == MEDIA_OK)
        failure->status =
            media_image_fail_vips(&failure->error, MEDIA_ERROR_INPUT, "cannot be read",
                                  "the file is damaged or cut short");
    return -1;
}

static bool cancelled(const struct stage *stage)
{
    const struct media_job *job = stage->options.job;
    return job->cancel && atomic_load(job->cancel);
}

static bool has_alpha(const struct stage *stage)
{
    return stage->bands == 2 || stage->bands == 4;
}

/* Samples of 9 to 15 bits come shifted up: white would be 0xffc0. Repeating the upper bits below
 * makes it 0xffff. */
static void fill_lower_bits(uint16_t *samples, size_t count, unsigned bits)
{
    for (size_t i = 0; i < count; i++)
        samples[i] = (uint16_t)(samples[i] | samples[i] >> bits);
}

/* Appends input rows to the window until it ends at `bottom` (in rows of the page). */
static int read_rows(struct stage *stage, VipsRegion *input, uint32_t bottom)
{
    if (stage->window_bottom >= bottom)
        return 0;
    uint32_t rows = bottom - stage->window_bottom;
    VipsRect area = {0, (int)(stage->page_top + stage->window_bottom), (int)stage->width_px,
                     (int)rows};
    if (vips_region_prepare(input, &area))
        return fail_input(stage);
    for (uint32_t y = 0; y < rows; y++) {
        unsigned char *row =
            stage->window +
            (size_t)(stage->window_bottom - stage->window_top + y) * stage->window_stride_bytes;
        memcpy(row, VIPS_REGION_ADDR(input, 0, area.top + (int)y), stage->window_stride_bytes);
        if (stage->options.source_bits)
            fill_lower_bits((uint16_t *)(void *)row, (size_t)stage->width_px * stage->bands,
                            stage->options.source_bits);
    }
    stage->window_bottom = bottom;
    return 0;
}

/* Drops the rows above `top` from the window. */
static void drop_rows(struct stage *stage, uint32_t top)
{
    uint32_t drop = top - stage->window_top;
    if (top <= stage->window_top)
        return;
    memmove(stage->window, stage->window + drop * stage->window_stride_bytes,
            (stage->window_bottom - top) * stage->window_stride_bytes);
    stage->window_top = top;
}

static bool any_transparent(const struct stage *stage)
{
    uint32_t rows = stage->window_bottom - stage->window_top;
    size_t pixels = (size_t)rows * stage->width_px;
    if (stage->sample_bytes == 1) {
        for (size_t i = 0; i < pixels; i++) {
            if (stage->window[(i + 1) * stage->bands - 1] == 0)
                return true;
        }
        return false;
    }
    const uint16_t *samples = (const uint16_t *)(const void *)stage->window;
    for (size_t i = 0; i < pixels; i++) {
        if (samples[(i + 1) * stage->bands - 1] == 0)
            return true;
    }
    return false;
}

/* Where the engine may read the window's rows: with colour under its transparent pixels. NULL after
 * a failure. */
static const unsigned char *visible_rows(struct stage *stage)
{
    if (!has_alpha(stage) || !any_transparent(stage))
        return stage->window;
    uint32_t rows = stage->window_bottom - stage->window_top;
    memcpy(stage->bled, stage->window, (size_t)rows * stage->window_stride_bytes);
    pipersr_frame frame = {stage->bled, (ptrdiff_t)stage->window_stride_bytes, stage->width_px,
                           rows, stage->format};
    pipersr_status status = pipersr_bleed_transparent(&frame);
    if (status != PIPERSR_OK) {
        fail(stage, status == PIPERSR_ERROR_MEMORY ? MEDIA_ERROR_MEMORY : MEDIA_ERROR_INTERNAL,
             status == PIPERSR_ERROR_MEMORY ? "out of memory for the transparent pixels"
                                            : "the transparent pixels cannot be filled");
        return NULL;
    }
    return stage->bled;
}

static int make_room(struct stage *stage, uint32_t rows)
{
    if (rows <= stage->ready_room)
        return 0;
    size_t size_bytes;
    unsigned char *larger = NULL;
    if (!__builtin_mul_overflow((size_t)rows, stage->ready_stride_bytes, &size_bytes))
        larger = realloc(stage->ready, size_bytes);
    if (!larger)
        return fail(stage, MEDIA_ERROR_MEMORY, "out of memory for the output's rows");
    stage->ready = larger;
    stage->ready_room = rows;
    return 0;
}

static int begin_page(struct stage *stage)
{
    pipersr_status status = pipersr_rows_begin(stage->options.upscaler, stage->width_px,
                                               stage->options.page_height_px, stage->format);
    stage->window_top = stage->window_bottom = 0;
    return status == PIPERSR_OK ? 0 : fail_engine(stage, status);
}

static void report(const struct stage *stage)
{
    const struct media_job *job = stage->options.job;
    if (!stage->options.report_progress || !job->on_progress)
        return;
    struct media_progress progress = {.done = stage->delivered,
                                      .total = (uint64_t)stage->height_px * stage->scale,
                                      .unit = "rows"};
    job->on_progress(job->opaque, &progress);
}

/* Gives the engine one more batch. */
static int push_batch(struct stage *stage, VipsRegion *input)
{
    uint32_t page_height = stage->options.page_height_px;
    if (cancelled(stage))
        return fail(stage, MEDIA_ERROR_CANCELLED, "cancelled");
    report(stage);
    if (stage->pushed == 0 && begin_page(stage))
        return -1;

    uint32_t context = has_alpha(stage) ? BLEED_ROWS : 0;
    uint32_t rows = VIPS_MIN(BATCH_ROWS, page_height - stage->pushed);
    drop_rows(stage, stage->pushed > context ? stage->pushed - context : 0);
    if (read_rows(stage, input, VIPS_MIN(stage->pushed + rows + context, page_height)))
        return -1;
    const unsigned char *pixels = visible_rows(stage);
    if (!pixels || make_room(stage, pipersr_rows_output(stage->options.upscaler, rows)))
        return -1;

    uint32_t produced = 0;
    pipersr_status status = pipersr_rows_push(
        stage->options.upscaler,
        pixels + (size_t)(stage->pushed - stage->window_top) * stage->window_stride_bytes,
        (ptrdiff_t)stage->window_stride_bytes, rows, stage->ready,
        (ptrdiff_t)stage->ready_stride_bytes, &produced);
    if (status != PIPERSR_OK)
        return fail_engine(stage, status);
    stage->ready_first = 0;
    stage->ready_end = produced;
    stage->pushed += rows;
    if (stage->pushed == page_height) {
        stage->page_top += page_height;
        stage->pushed = 0;
    }
    return 0;
}

/* Samples of 16 bits to the nearest of 8 bits. */
static void round_to_8(const uint16_t *in, unsigned char *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (unsigned char)((in[i] * 255u + 32767u) / 65535u);
}

/* Samples of 16 bits to the nearest of `bits`, in the upper bits: libvips' writers only shift. */
static void round_to_bits(const uint16_t *in, uint16_t *out, size_t count, unsigned bits)
{
    uint32_t white = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++)
        out[i] = (uint16_t)(((in[i] * white + 32767u) / 65535u) << (16 - bits));
}

static void hand_out(const struct stage *stage, const unsigned char *row, void *out, int left_px,
                     int width_px)
{
    size_t first = (size_t)left_px * stage->bands;
    size_t count = (size_t)width_px * stage->bands;
    const uint16_t *samples = (const uint16_t *)(const void *)row + first;
    unsigned bits = stage->sample_bytes == 2 ? stage->options.sink_bits : 0;
    if (bits == 8)
        round_to_8(samples, out, count);
    else if (bits)
        round_to_bits(samples, out, count, bits);
    else
        memcpy(out, row + first * stage->sample_bytes, count * stage->sample_bytes);
}

static int generate_rows(struct stage *stage, VipsRegion *region, void *sequence)
{
    const VipsRect *area = &region->valid;
    if ((uint32_t)area->top != stage->delivered)
        return fail(stage, MEDIA_ERROR_INTERNAL, "the writer asked for rows out of order");

    for (int y = area->top; y < VIPS_RECT_BOTTOM(area); y++) {
        while (stage->ready_first == stage->ready_end) {
            if (push_batch(stage, sequence))
                return -1;
        }
        hand_out(stage, stage->ready + (size_t)stage->ready_first * stage->ready_stride_bytes,
                 VIPS_REGION_ADDR(region, area->left, y), area->left, area->width);
        stage->ready_first++;
        stage->delivered++;
    }
    if (stage->delivered == stage->height_px * stage->scale)
        report(stage);
    return 0;
}

static int generate(VipsRegion *region, void *sequence, void *a, void *b, gboolean *stop)
{
    struct stage *stage = b;
    (void)a;
    (void)stop;
    pthread_mutex_lock(&stage->mutex);
    const int result = generate_rows(stage, region, sequence);
    pthread_mutex_unlock(&stage->mutex);
    return result;
}

static void free_stage(void *data)
{
    struct stage *stage = data;
    pthread_mutex_lock(&stage->mutex); /* after the last of them */
    pthread_mutex_unlock(&stage->mutex);
    pthread_mutex_destroy(&stage->mutex);
    g_object_unref(stage->in);
    free(stage->window);
    free(stage->bled);
    free(stage->ready);
    free(stage);
}

static pipersr_format engine_format(unsigned bands, bool narrow)
{
    static const pipersr_format formats[2][4] = {
        {PIPERSR_GRAY16, PIPERSR_GRAYA16, PIPERSR_RGB16, PIPERSR_RGBA16},
        {PIPERSR_GRAY8, PIPERSR_GRAYA8, PIPERSR_RGB8, PIPERSR_RGBA8}};
    return formats[narrow][bands - 1];
}

static struct stage *new_stage(VipsImage *in, const struct media_image_stage_options *options)
{
    pipersr_upscaler_info info;
    pipersr_upscaler_get_info(options->upscaler, &info);
    bool narrow = vips_image_get_format(in) == VIPS_FORMAT_UCHAR;

    struct stage *stage = calloc(1, sizeof(*stage));
    if (!stage)
        return NULL;
    if (pthread_mutex_init(&stage->mutex, NULL) != 0) {
        free(stage);
        return NULL;
    }
    stage->in = g_object_ref(in);
    stage->options = *options;
    stage->bands = (unsigned)vips_image_get_bands(in);
    stage->format = engine_format(stage->bands, narrow);
    stage->sample_bytes = narrow ? 1 : 2;
    if (narrow)
        stage->options.source_bits = 0;
    stage->width_px = (uint32_t)vips_image_get_width(in);
    stage->height_px = (uint32_t)vips_image_get_height(in);
    stage->scale = info.scale;
    stage->window_stride_bytes = (size_t)stage->width_px * stage->bands * stage->sample_bytes;
    stage->ready_stride_bytes = stage->window_stride_bytes * info.scale;
    stage->window = malloc(WINDOW_ROWS * stage->window_stride_bytes);
    if (has_alpha(stage))
        stage->bled = malloc(WINDOW_ROWS * stage->window_stride_bytes);
    if (!stage->window || (has_alpha(stage) && !stage->bled)) {
        free_stage(stage);
        return NULL;
    }
    return stage;
}

/* What the stage's output looks like: libvips' own header fields, scaled. */
static void set_header(VipsImage *image, const struct stage *stage)
{
    image->Xsize = (int)(stage->width_px * stage->scale);
    image->Ysize = (int)(stage->height_px * stage->scale);
    if (stage->sample_bytes == 2 && stage->options.sink_bits == 8) {
        image->BandFmt = VIPS_FORMAT_UCHAR;
        image->Type = stage->bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    }
    uint32_t page_height = stage->options.page_height_px;
    if (page_height < stage->height_px)
        vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, (int)(page_height * stage->scale));
    else
        vips_image_remove(image, VIPS_META_PAGE_HEIGHT);
}

enum media_status media_image_stage(VipsImage *in, const struct media_image_stage_options *options,
                                    VipsImage **out, struct media_error *error)
{
    struct stage *stage = new_stage(in, options);
    if (!stage)
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory for rows of this width");
    VipsImage *image = vips_image_new();
    g_object_set_data_full(G_OBJECT(image), "pipersr-stage", stage, free_stage);

    int result = vips_image_pio_input(in);
    if (result == 0)
        result = vips_image_pipelinev(image, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL);
    if (result == 0) {
        set_header(image, stage);
        result = vips_image_generate(image, vips_start_one, generate, vips_stop_one, in, stage);
    }
    /* Rows are asked for in order and by one thread at a time behind this. */
    if (result == 0)
        result = vips_sequential(image, out, "tile_height", SINK_TILE_ROWS, NULL);
    g_object_unref(image);
    if (result)
        return media_image_fail_vips(error, MEDIA_ERROR_INTERNAL, "cannot be processed", NULL);
    return MEDIA_OK;
}
