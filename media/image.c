/* SPDX-License-Identifier: MIT */
#include "media/image.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include "media/image_colour.h"
#include "media/image_formats.h"
#include "media/image_load.h"
#include "media/image_metadata.h"
#include "media/image_report.h"
#include "media/image_save.h"
#include "media/image_stage.h"

enum {
    MAX_VIPS_THREADS = 2,  /* decoding and encoding are small beside the network */
    MAX_WIDTH_PX = 1048576 /* the engine's */
};

/* What libvips has to say either fails the job, and is then in its error text, or is of no use to
 * the user. */
static void drop_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer opaque)
{
    (void)domain;
    (void)level;
    (void)text;
    (void)opaque;
}

/* A reader that goes away must fail the write, not end the process. */
static void ignore_broken_pipes(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}

enum media_status media_image_init(const char *program_path, unsigned threads,
                                   struct media_error *error)
{
    if (VIPS_INIT(program_path)) {
        enum media_status status = media_fail(error, MEDIA_ERROR_INTERNAL,
                                              "libvips cannot be started: %s", vips_error_buffer());
        vips_error_clear();
        return status;
    }
    g_log_set_handler("VIPS", (GLogLevelFlags)(G_LOG_LEVEL_MASK & ~G_LOG_LEVEL_ERROR), drop_log,
                      NULL);
    vips_block_untrusted_set(TRUE);
    vips_concurrency_set(threads > 0 && threads < MAX_VIPS_THREADS ? (int)threads
                                                                   : MAX_VIPS_THREADS);
    /* Nothing is opened twice: a cache of operations would only hold files and memory. */
    vips_cache_set_max(0);
    ignore_broken_pipes();
    return MEDIA_OK;
}

void media_image_shutdown(void)
{
    vips_shutdown();
}

char *media_image_describe(void)
{
    char *reads = media_image_format_list(false);
    char *writes = media_image_format_list(true);
    char *line = NULL;
    if (reads && writes &&
        asprintf(&line, "libvips %s; reads %s; writes %s", vips_version_string(), reads, writes) <
            0)
        line = NULL;
    free(reads);
    free(writes);
    return line;
}

bool media_image_recognise(const void *head, size_t size)
{
    const struct media_image_format *format = media_image_format_of_data(head, size);
    return format && media_image_format_readable(format);
}

bool media_image_can_write(const char *path_or_format)
{
    const struct media_image_format *format = media_image_format_of_name(path_or_format);
    return format && media_image_format_writable(format);
}

static enum media_status choose_format(const char *target_path,
                                       const struct media_image_options *options,
                                       const struct media_image_format **format,
                                       struct media_error *error)
{
    const char *name = options->format ? options->format : target_path ? target_path : "png";
    *format = media_image_format_of_name(name);
    if (!*format)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "'%s' is no picture format that can be written; use .png, .jpg, .webp or "
                          ".tif",
                          name);
    if (!media_image_format_writable(*format))
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "the installed libvips cannot write %s; use .png, .jpg, .webp or .tif",
                          (*format)->title);
    return MEDIA_OK;
}

/* Before the work, not after hours of it. */
static enum media_status check_output_size(const struct media_image_input *input, unsigned scale,
                                           const struct media_image_format *format,
                                           struct media_error *error)
{
    uint64_t width = (uint64_t)vips_image_get_width(input->image) * scale;
    uint64_t page_height = (uint64_t)input->page_height_px * scale;
    uint64_t limit = format->max_side_px ? format->max_side_px : VIPS_MAX_COORD;
    if (width > limit || page_height > limit)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "the output would have %" PRIu64 " x %" PRIu64
                          " pixels, %s ends at %" PRIu64 " on a side; choose %s",
                          width, page_height, format->title, limit,
                          format->max_side_px ? "PNG or TIFF" : "a smaller picture");
    if (format->max_page_px && width * page_height > format->max_page_px)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "the output would have %" PRIu64 " pixels, %s ends at %" PRIu64
                          "; choose PNG or TIFF",
                          width * page_height, format->title, format->max_page_px);
    if (width > MAX_WIDTH_PX || page_height * input->pages > VIPS_MAX_COORD)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "the output would have %" PRIu64 " x %" PRIu64
                          " pixels in all, the limit is %d x %d; cut it into parts",
                          width, page_height * input->pages, MAX_WIDTH_PX, VIPS_MAX_COORD);
    return MEDIA_OK;
}

/* One upscaling on its way. */
struct run {
    const struct media_job *job;
    const struct media_image_format *format;
    const struct media_image_options *options;
    struct media_image_input input;
    struct media_image_save_options save;
    struct media_image_failure failure;
    unsigned source_bits, sink_bits;
};

/* How many bits the samples had, and how many they will have. */
static void plan_depth(struct run *run, VipsImage *prepared)
{
    bool deep = vips_image_get_format(prepared) == VIPS_FORMAT_USHORT;
    bool heif = run->format->kind == MEDIA_IMAGE_AVIF || run->format->kind == MEDIA_IMAGE_HEIC;
    run->save.heif_depth_bits = 8;
    if (!deep)
        return;

    int source_bits = 16;
    if (vips_image_get_typeof(prepared, "heif-bitdepth") &&
        vips_image_get_int(prepared, "heif-bitdepth", &source_bits) == 0 && source_bits > 8 &&
        source_bits < 16)
        run->source_bits = (unsigned)source_bits;
    else
        source_bits = 16;

    int room_bits = heif ? media_image_heif_depth(run->format) : run->format->sixteen_bit ? 16 : 8;
    if (source_bits > room_bits)
        media_image_note(run->job,
                         "its %d bits per sample are rounded to %d, the most that "
                         "%s can hold here",
                         source_bits, room_bits, run->format->title);
    if (heif && source_bits <= 10 && room_bits > 10)
        room_bits = 10;
    if (room_bits < 16)
        run->sink_bits = (unsigned)room_bits;
    if (heif)
        run->save.heif_depth_bits = room_bits;
}

static void note_lost_metadata(const struct run *run, VipsImage *image)
{
    if (run->options->strip)
        return;
    bool exif = vips_image_get_typeof(image, VIPS_META_EXIF_NAME) != 0;
    bool xmp = vips_image_get_typeof(image, VIPS_META_XMP_NAME) != 0;
    if (run->format->kind == MEDIA_IMAGE_TIFF && exif)
        media_image_note(run->job, "its EXIF data is left out, libvips cannot write it to TIFF");
    if (run->format->kind == MEDIA_IMAGE_GIF && (exif || xmp))
        media_image_note(run->job, "its EXIF and XMP data are left out, GIF cannot hold them");
}

static void note_lossless(const struct run *run)
{
    if (!run->options->lossless)
        return;
    if (run->format->kind == MEDIA_IMAGE_JPEG || run->format->kind == MEDIA_IMAGE_GIF)
        media_image_note(run->job, "%s cannot be lossless", run->format->title);
    /* libvips does not let us choose the identity matrix. */
    if (run->format->kind == MEDIA_IMAGE_AVIF || run->format->kind == MEDIA_IMAGE_HEIC)
        media_image_note(run->job,
                         "%s is lossless but for rounding to YCbCr: a sample may differ by 1",
                         run->format->title);
}

/* Puts the passes behind each other: *out is the upscaled picture. */
static enum media_status chain_stages(struct run *run, VipsImage *prepared, VipsImage **out,
                                      struct media_error *error)
{
    VipsImage *image = g_object_ref(prepared);
    uint32_t page_height_px = run->input.page_height_px;
    for (unsigned i = 0; i < run->job->passes; i++) {
        bool last = i + 1 == run->job->passes;
        struct media_image_stage_options options = {
            .job = run->job,
            .upscaler = run->job->pass[i],
            .page_height_px = page_height_px,
            .source_bits = i == 0 ? run->source_bits : 0,
            .sink_bits = last ? run->sink_bits : 0,
            .report_progress = last,
            .failure = &run->failure,
        };
        VipsImage *larger = NULL;
        enum media_status status = media_image_stage(image, &options, &larger, error);
        g_object_unref(image);
        if (status != MEDIA_OK)
            return status;
        page_height_px = (uint32_t)vips_image_get_height(larger) / run->input.pages;
        image = larger;
    }
    *out = image;
    return MEDIA_OK;
}

static enum media_status save_result(struct run *run, VipsImage *image, const char *output_path,
                                     struct media_error *error)
{
    VipsImage *owned = NULL;
    if (vips_copy(image, &owned, NULL))
        return media_image_fail_vips(error, MEDIA_ERROR_INTERNAL, "cannot be processed", NULL);
    note_lost_metadata(run, owned);
    media_image_settle_metadata(owned, run->input.pages, run->options->strip);
    /* Told to keep metadata, these writers would make up an EXIF block where there was none. */
    bool makes_up = run->format->kind != MEDIA_IMAGE_PNG && run->format->kind != MEDIA_IMAGE_TIFF;
    run->save.strip = run->options->strip || (makes_up && !media_image_is_described(owned));
    enum media_status status =
        media_image_save(owned, run->format, &run->save, output_path, &run->failure, error);
    g_object_unref(owned);
    return status;
}

static enum media_status process(struct run *run, const char *output_path,
                                 struct media_error *error)
{
    enum media_status status = check_output_size(&run->input, run->job->scale, run->format, error);
    VipsImage *prepared = NULL, *large = NULL;
    if (status == MEDIA_OK)
        status = media_image_prepare_colour(run->input.image, run->format, run->options->strip,
                                            run->job, &prepared, error);
    if (status == MEDIA_OK) {
        plan_depth(run, prepared);
        note_lossless(run);
        status = chain_stages(run, prepared, &large, error);
    }
    if (status == MEDIA_OK)
        status = save_result(run, large, output_path, error);
    g_clear_object(&large);
    g_clear_object(&prepared);
    return status;
}

enum media_status media_image_upscale(const struct media_job *job, const char *input_path,
                                      const char *output_path, const char *target_path,
                                      const struct media_image_options *options,
                                      struct media_error *error)
{
    struct run run = {.job = job, .options = options};
    enum media_status status = choose_format(target_path, options, &run.format, error);
    if (status != MEDIA_OK)
        return status;
    run.save.quality = options->quality ? options->quality : run.format->quality;
    run.save.lossless = options->lossless;

    status = media_image_open(input_path, run.format->paging, options->max_pixels, job, &run.input,
                              error);
    if (status == MEDIA_OK) {
        status = process(&run, output_path, error);
        media_image_close(&run.input);
    }
    return status;
}

static enum media_status copy_pixels(VipsImage *image, pipersr_frame *frame,
                                     struct media_error *error)
{
    size_t size = 0;
    void *pixels = vips_image_write_to_memory(image, &size);
    if (!pixels)
        return media_image_fail_vips(error, MEDIA_ERROR_INPUT, "cannot be read",
                                     "the file is damaged or cut short");
    *frame = (pipersr_frame){.data = malloc(size),
                             .stride_bytes = (ptrdiff_t)VIPS_IMAGE_SIZEOF_LINE(image),
                             .width_px = (uint32_t)vips_image_get_width(image),
                             .height_px = (uint32_t)vips_image_get_height(image),
                             .format = PIPERSR_RGB8};
    if (frame->data)
        memcpy(frame->data, pixels, size);
    g_free(pixels);
    return frame->data ? MEDIA_OK
                       : media_fail(error, MEDIA_ERROR_MEMORY, "out of memory for the picture");
}

/* To 8-bit RGB, gray spread to three channels. */
static int to_rgb8(VipsImage *image, VipsImage **out)
{
    VipsImage *rgb = NULL, *colours = NULL;
    int result = vips_colourspace(image, &rgb, VIPS_INTERPRETATION_sRGB, NULL);
    if (result == 0)
        result = vips_extract_band(rgb, &colours, 0, "n", 3, NULL);
    if (result == 0)
        result = vips_cast(colours, out, VIPS_FORMAT_UCHAR, NULL);
    g_clear_object(&colours);
    g_clear_object(&rgb);
    return result;
}

enum media_status media_image_load_rgb8(const char *path, pipersr_frame *frame,
                                        struct media_error *error)
{
    *frame = (pipersr_frame){0};
    const struct media_image_format *lossless = media_image_format_of_name("png");
    struct media_image_input input;
    enum media_status status = media_image_open(path, MEDIA_IMAGE_SINGLE, 0, NULL, &input, error);
    if (status != MEDIA_OK)
        return status;
    VipsImage *prepared = NULL, *rgb = NULL;
    status = media_image_prepare_colour(input.image, lossless, false, NULL, &prepared, error);
    if (status == MEDIA_OK) {
        if (to_rgb8(prepared, &rgb))
            status = media_image_fail_vips(error, MEDIA_ERROR_INPUT, "cannot be read", NULL);
        else
            status = copy_pixels(rgb, frame, error);
    }
    g_clear_object(&rgb);
    g_clear_object(&prepared);
    media_image_close(&input);
    return status;
}
