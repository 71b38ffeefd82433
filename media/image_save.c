/* SPDX-License-Identifier: MIT */
#include "media/image_save.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "media/image_report.h"

/* Where the bytes go. Our own, and not libvips' target for files, for the sake of the reason of a
 * failed write: "disk full" and "pipe closed" are not "internal error". */
struct sink {
    int fd;
    int reason; /* errno of the first failed write, or 0 */
};

static gint64 write_some(int fd, const void *data, gint64 length)
{
    for (;;) {
        ssize_t n = write(fd, data, (size_t)length);
        if (n >= 0)
            return n;
        if (errno == EAGAIN) { /* a pipe in non-blocking mode */
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            if (poll(&ready, 1, -1) < 0 && errno != EINTR)
                return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
}

static gint64 on_write(VipsTargetCustom *target, const void *data, gint64 length, void *opaque)
{
    struct sink *sink = opaque;
    (void)target;
    gint64 n = sink->reason ? -1 : write_some(sink->fd, data, length);
    if (n < 0 && !sink->reason)
        sink->reason = errno;
    return n;
}

static gint64 on_read(VipsTargetCustom *target, void *data, gint64 length, void *opaque)
{
    const struct sink *sink = opaque;
    (void)target;
    return read(sink->fd, data, (size_t)length);
}

static gint64 on_seek(VipsTargetCustom *target, gint64 offset, int whence, void *opaque)
{
    const struct sink *sink = opaque;
    (void)target;
    return lseek(sink->fd, (off_t)offset, whence);
}

static VipsTarget *new_target(struct sink *sink)
{
    VipsTargetCustom *target = vips_target_custom_new();
    if (!target)
        return NULL;
    g_signal_connect(target, "write", G_CALLBACK(on_write), sink);
    g_signal_connect(target, "read", G_CALLBACK(on_read), sink);
    g_signal_connect(target, "seek", G_CALLBACK(on_seek), sink);
    return VIPS_TARGET(target);
}

static int save_heif(VipsImage *image, VipsTarget *target, const struct media_image_format *format,
                     const struct media_image_save_options *options)
{
    bool avif = format->kind == MEDIA_IMAGE_AVIF;
    return vips_heifsave_target(
        image, target, "Q", options->lossless ? 100 : options->quality, "lossless",
        (gboolean)options->lossless, "bitdepth", options->heif_depth_bits, "compression",
        avif ? VIPS_FOREIGN_HEIF_COMPRESSION_AV1 : VIPS_FOREIGN_HEIF_COMPRESSION_HEVC, "strip",
        (gboolean)options->strip, NULL);
}

static int save(VipsImage *image, VipsTarget *target, const struct media_image_format *format,
                const struct media_image_save_options *options)
{
    gboolean strip = options->strip, lossless = options->lossless;
    switch (format->kind) {
    case MEDIA_IMAGE_PNG:
        /* All filters: photos come out a third smaller than with none. */
        return vips_pngsave_target(image, target, "compression", 6, "filter",
                                   VIPS_FOREIGN_PNG_FILTER_ALL, "strip", strip, NULL);
    case MEDIA_IMAGE_JPEG:
        /* Without the options that hold the whole picture in memory (progressive, optimised). */
        return vips_jpegsave_target(image, target, "Q", options->quality, "strip", strip, NULL);
    case MEDIA_IMAGE_WEBP:
        return vips_webpsave_target(image, target, "Q", options->quality, "lossless", lossless,
                                    "smart_subsample", TRUE, "strip", strip, NULL);
    case MEDIA_IMAGE_TIFF:
        /* Classic TIFF ends at 4 GiB. Compression may save it, but nobody knows beforehand. */
        return vips_tiffsave_target(
            image, target, "compression", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE, "predictor",
            VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, "bigtiff",
            (gboolean)(VIPS_IMAGE_SIZEOF_IMAGE(image) > 4000000000u), "strip", strip, NULL);
    case MEDIA_IMAGE_GIF:
        return vips_gifsave_target(image, target, "strip", strip, NULL);
    case MEDIA_IMAGE_AVIF:
    case MEDIA_IMAGE_HEIC:
        return save_heif(image, target, format, options);
    case MEDIA_IMAGE_JXL:
        return vips_jxlsave_target(image, target, "Q", options->quality, "lossless", lossless,
                                   "strip", strip, NULL);
    }
    vips_error("pipersr", "no writer for %s", format->title);
    return -1;
}

static enum media_status fail_write(int reason, struct media_error *error)
{
    const char *advice = "";
    if (reason == ENOSPC || reason == EDQUOT)
        advice = "; free some space or choose another folder";
    else if (reason == EPIPE)
        advice = "; the program that reads it has ended";
    return media_fail(error, MEDIA_ERROR_OUTPUT, "the output cannot be written: %s%s",
                      strerror(reason), advice);
}

/* A TIFF cannot be written in one go; for standard output it is put together in a temporary file.
 * tmpfile() gives one without a name. */
static int copy_out(int from, struct sink *sink)
{
    char buffer[1 << 16];
    if (lseek(from, 0, SEEK_SET) < 0)
        return errno;
    for (;;) {
        ssize_t n = read(from, buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : 0;
        for (ssize_t done = 0; done < n;) {
            gint64 written = write_some(sink->fd, buffer + done, n - done);
            if (written < 0)
                return errno;
            done += written;
        }
    }
}

static enum media_status save_to(VipsImage *image, const struct media_image_format *format,
                                 const struct media_image_save_options *options, struct sink *sink,
                                 const struct media_image_failure *pipeline,
                                 struct media_error *error)
{
    VipsTarget *target = new_target(sink);
    int result = target ? save(image, target, format, options) : -1;
    g_clear_object(&target);

    if (pipeline->status != MEDIA_OK) {
        vips_error_clear();
        return media_fail(error, pipeline->status, "%s", pipeline->error.message);
    }
    if (sink->reason) {
        vips_error_clear();
        return fail_write(sink->reason, error);
    }
    if (result)
        return media_image_fail_vips(error, MEDIA_ERROR_OUTPUT, "cannot be written",
                                     "try another output format");
    return MEDIA_OK;
}

static enum media_status save_to_stdout(VipsImage *image, const struct media_image_format *format,
                                        const struct media_image_save_options *options,
                                        const struct media_image_failure *pipeline,
                                        struct media_error *error)
{
    struct sink out = {.fd = STDOUT_FILENO};
    if (format->kind != MEDIA_IMAGE_TIFF)
        return save_to(image, format, options, &out, pipeline, error);

    FILE *temporary = tmpfile();
    if (!temporary)
        return fail_write(errno, error);
    struct sink file = {.fd = fileno(temporary)};
    enum media_status status = save_to(image, format, options, &file, pipeline, error);
    int reason = status == MEDIA_OK ? copy_out(file.fd, &out) : 0;
    fclose(temporary);
    return reason ? fail_write(reason, error) : status;
}

enum media_status media_image_save(VipsImage *image, const struct media_image_format *format,
                                   const struct media_image_save_options *options, const char *path,
                                   const struct media_image_failure *pipeline,
                                   struct media_error *error)
{
    if (strcmp(path, "-") == 0)
        return save_to_stdout(image, format, options, pipeline, error);

    struct sink sink = {.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
    if (sink.fd < 0)
        return fail_write(errno, error);
    enum media_status status = save_to(image, format, options, &sink, pipeline, error);
    if (close(sink.fd) < 0 && status == MEDIA_OK)
        status = fail_write(errno, error);
    return status;
}
