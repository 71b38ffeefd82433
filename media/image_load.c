/* SPDX-License-Identifier: MIT */
#include "media/image_load.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/image_report.h"
#include "media/image_spool.h"

enum { HEAD_BYTES = 64 };
static const uint64_t default_max_pixels = 1ull << 32;
/* Of one page, for readers that decode it in one piece: some of them end the process when there is
 * no memory. 1 GiB with four channels. */
static const uint64_t max_pixels_in_memory = 1ull << 28;
static const char damaged[] = "the file is damaged or cut short";

static enum media_status fail_open(int reason, struct media_error *error)
{
    const char *advice = reason == ENOENT ? "; check the name" : "";
    return media_fail(error, MEDIA_ERROR_INPUT, "cannot be read: %s%s", strerror(reason), advice);
}

static enum media_status open_source(const char *path, VipsSource **source,
                                     struct media_error *error)
{
    int fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return fail_open(errno, error);
    }
    struct stat status;
    enum media_status result = MEDIA_OK;
    if (fstat(fd, &status) < 0)
        result = fail_open(errno, error);
    else if (S_ISDIR(status.st_mode))
        result = media_fail(error, MEDIA_ERROR_INPUT, "this is a folder; name a file in it");
    else if (S_ISREG(status.st_mode) && status.st_size == 0)
        result = media_fail(error, MEDIA_ERROR_INPUT, "the file is empty");

    if (result == MEDIA_OK) {
        *source = vips_source_new_from_descriptor(fd); /* works on a duplicate */
        if (!*source)
            result = media_image_fail_vips(error, MEDIA_ERROR_INPUT, "cannot be read", NULL);
    }
    if (fd != STDIN_FILENO)
        close(fd);
    return result;
}

static enum media_status recognise(VipsSource *source, const struct media_image_format **format,
                                   bool *animated_png, struct media_error *error)
{
    unsigned char *head = NULL;
    gint64 size = vips_source_sniff_at_most(source, &head, HEAD_BYTES);
    if (size < 0)
        return media_image_fail_vips(error, MEDIA_ERROR_INPUT, "cannot be read", NULL);
    if (size == 0)
        return media_fail(error, MEDIA_ERROR_INPUT, "there is nothing in it");

    *format = media_image_format_of_data(head, (size_t)size);
    if (!*format)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "not a picture that can be read here; convert it to PNG first");
    if (!media_image_format_readable(*format))
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "%s, which the installed libvips cannot read; convert it to PNG first",
                          (*format)->title);
    if ((*format)->kind == MEDIA_IMAGE_TIFF && size >= 10 && memcmp(head + 8, "CR", 2) == 0)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "a camera's raw file (CR2); develop it to TIFF or JPEG first");
    /* An animated PNG says so right behind its header, in a chunk that libvips skips. */
    *animated_png =
        (*format)->kind == MEDIA_IMAGE_PNG && size >= 41 && memcmp(head + 37, "acTL", 4) == 0;
    return MEDIA_OK;
}

static bool can_have_pages(const struct media_image_format *format)
{
    return format->paging != MEDIA_IMAGE_SINGLE;
}

/* Damaged pixels must fail the job, not pass as gray areas. The GIF reader takes a frame that
 * cannot be decoded for a warning. The JPEG reader's warnings include harmless ones. */
static VipsFailOn fail_level(const struct media_image_format *format)
{
    return format->kind == MEDIA_IMAGE_GIF ? VIPS_FAIL_ON_WARNING : VIPS_FAIL_ON_ERROR;
}

/* Reads the header; pixels follow when they are asked for. `pages`: 1, or -1 for all. */
static VipsImage *load(VipsSource *source, const struct media_image_format *format, int pages)
{
    VipsImage *image = NULL;
    int result;
    if (can_have_pages(format))
        result = vips_call(format->loader, source, &image, "access", VIPS_ACCESS_SEQUENTIAL,
                           "fail_on", fail_level(format), "n", pages, NULL);
    else
        result = vips_call(format->loader, source, &image, "access", VIPS_ACCESS_SEQUENTIAL,
                           "fail_on", fail_level(format), NULL);
    return result == 0 ? image : NULL;
}

static int page_count(VipsImage *image)
{
    int pages = vips_image_get_n_pages(image);
    return pages > 1 ? pages : 1;
}

static enum media_status check_size(const struct media_image_input *input, uint64_t max_pixels,
                                    struct media_error *error)
{
    uint64_t pixels = (uint64_t)vips_image_get_width(input->image) *
                      (uint64_t)vips_image_get_height(input->image);
    if (max_pixels == 0)
        max_pixels = default_max_pixels;
    if (pixels > max_pixels)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "it has %d x %d pixels, more than the limit of %" PRIu64
                          "; raise the limit if you trust the file",
                          vips_image_get_width(input->image), vips_image_get_height(input->image),
                          max_pixels);
    return MEDIA_OK;
}

static bool is_set(VipsImage *image, const char *field)
{
    int value = 0;
    return vips_image_get_typeof(image, field) && vips_image_get_int(image, field, &value) == 0 &&
           value != 0;
}

/* Interlaced PNG and progressive JPEG come coarse first: all of it is there or nothing. */
static bool is_read_whole(const struct media_image_input *input)
{
    return input->format->reads_whole || is_set(input->image, "interlaced") ||
           is_set(input->image, "jpeg-multiscan");
}

static enum media_status check_memory(const struct media_image_input *input,
                                      struct media_error *error)
{
    const int width_px = vips_image_get_width(input->image);
    const int height_px = vips_image_get_page_height(input->image);
    if (!is_read_whole(input) || (uint64_t)width_px * (uint64_t)height_px <= max_pixels_in_memory)
        return MEDIA_OK;
    return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                      "it has %d x %d pixels, and %s of this kind is decoded in one piece, at most "
                      "%" PRIu64 " pixels; convert it to TIFF first",
                      width_px, height_px, input->format->title, max_pixels_in_memory);
}

static void note_left_pages(const struct media_job *job, int pages, enum media_image_paging paging)
{
    media_image_note(job, "only the first of %d %s is used, the output holds one picture", pages,
                     paging == MEDIA_IMAGE_ANIMATION ? "frames" : "pages");
}

/* Replaces the first page by all of them if the target can hold them. */
static enum media_status open_pages(const char *path, enum media_image_paging keep,
                                    const struct media_job *job, struct media_image_input *input,
                                    struct media_error *error)
{
    int pages = page_count(input->image);
    if (pages == 1 || !can_have_pages(input->format)) {
        if (pages > 1 && input->format->kind != MEDIA_IMAGE_PNG)
            media_image_note(job, "only the main one of its %d pictures is used", pages);
        return MEDIA_OK;
    }
    if (keep != input->format->paging) {
        note_left_pages(job, pages, input->format->paging);
        return MEDIA_OK;
    }
    /* A turned page would have to be turned by itself; scanners don't write such files. */
    if (vips_image_get_orientation(input->image) != 1) {
        media_image_note(job, "only the first of %d pages is used, the pages are rotated", pages);
        return MEDIA_OK;
    }

    VipsSource *source = NULL;
    if (input->blob)
        source = vips_source_new_from_blob(input->blob);
    else {
        enum media_status status = open_source(path, &source, error);
        if (status != MEDIA_OK)
            return status;
    }
    VipsImage *all = source ? load(source, input->format, -1) : NULL;
    g_clear_object(&source);
    if (all) {
        g_object_unref(input->image);
        input->image = all;
        return MEDIA_OK;
    }
    if (input->format->paging == MEDIA_IMAGE_PAGES) {
        vips_error_clear();
        media_image_note(job, "only the first of %d pages is used, the pages differ in size",
                         pages);
        return MEDIA_OK;
    }
    return media_image_fail_vips(error, MEDIA_ERROR_INPUT, "cannot be read", damaged);
}

/* Applies the orientation tag, once: libvips removes it. */
static enum media_status turn_upright(struct media_image_input *input, struct media_error *error)
{
    int orientation = vips_image_get_orientation(input->image);
    if (orientation == 1 || input->pages > 1)
        return MEDIA_OK;

    VipsImage *kept = NULL, *upright = NULL;
    int result;
    if (orientation == 2) /* mirrored left to right: each row by itself */
        result = vips_autorot(input->image, &upright, NULL);
    else {
        result = media_image_spool(input->image, &kept);
        if (result == 0)
            result = vips_autorot(kept, &upright, NULL);
    }
    g_clear_object(&kept);
    if (result)
        return media_image_fail_vips(error, MEDIA_ERROR_INPUT, "cannot be read", damaged);
    g_object_unref(input->image);
    input->image = upright;
    input->page_height_px = (uint32_t)vips_image_get_height(upright);
    return MEDIA_OK;
}

static enum media_status open_all(const char *path, VipsSource *source,
                                  enum media_image_paging keep, uint64_t max_pixels,
                                  const struct media_job *job, struct media_image_input *input,
                                  struct media_error *error)
{
    bool animated_png = false;
    enum media_status status = recognise(source, &input->format, &animated_png, error);
    if (status != MEDIA_OK)
        return status;
    if (animated_png)
        media_image_note(job, "only the first frame of this animated PNG is used");

    VipsSource *seekable = NULL;
    if (can_have_pages(input->format) && strcmp(path, "-") == 0) {
        input->blob = vips_source_map_blob(source);
        if (input->blob)
            seekable = vips_source_new_from_blob(input->blob);
        if (!seekable)
            return media_image_fail_vips(error, MEDIA_ERROR_INPUT, "cannot be read", NULL);
    }
    input->image = load(seekable ? seekable : source, input->format, 1);
    g_clear_object(&seekable);
    if (!input->image)
        return media_image_fail_vips(error, MEDIA_ERROR_INPUT, "cannot be read", damaged);

    status = check_size(input, max_pixels, error);
    if (status == MEDIA_OK)
        status = check_memory(input, error);
    if (status == MEDIA_OK)
        status = open_pages(path, keep, job, input, error);
    if (status == MEDIA_OK)
        status = check_size(input, max_pixels, error);
    if (status != MEDIA_OK)
        return status;

    int page_height_px = vips_image_get_page_height(input->image);
    int height_px = vips_image_get_height(input->image);
    input->page_height_px = (uint32_t)page_height_px;
    input->pages = (uint32_t)(height_px / page_height_px);
    return MEDIA_OK;
}

enum media_status media_image_open_as_stored(const char *path, enum media_image_paging keep,
                                             uint64_t max_pixels, const struct media_job *job,
                                             struct media_image_input *input,
                                             struct media_error *error)
{
    *input = (struct media_image_input){0};
    VipsSource *source = NULL;
    enum media_status status = open_source(path, &source, error);
    if (status == MEDIA_OK) {
        status = open_all(path, source, keep, max_pixels, job, input, error);
        g_object_unref(source);
    }
    if (status != MEDIA_OK)
        media_image_close(input);
    return status;
}

enum media_status media_image_open(const char *path, enum media_image_paging keep,
                                   uint64_t max_pixels, const struct media_job *job,
                                   struct media_image_input *input, struct media_error *error)
{
    enum media_status status =
        media_image_open_as_stored(path, keep, max_pixels, job, input, error);
    if (status == MEDIA_OK) {
        status = turn_upright(input, error);
        if (status != MEDIA_OK)
            media_image_close(input);
    }
    return status;
}

void media_image_close(struct media_image_input *input)
{
    g_clear_object(&input->image);
    if (input->blob)
        vips_area_unref(VIPS_AREA(input->blob));
    *input = (struct media_image_input){0};
}
