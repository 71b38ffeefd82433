/* SPDX-License-Identifier: MIT */
#include "media/video_sequence_output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <libavutil/opt.h>

#include "media/video_encoder_choice.h"
#include "media/video_encoder_options.h"

/* What other programs read without surprises: no palettes, no YUV in TIFF. */
static const enum AVPixelFormat png_formats[] = {
    AV_PIX_FMT_RGB24, AV_PIX_FMT_RGBA,     AV_PIX_FMT_RGB48BE, AV_PIX_FMT_RGBA64BE,
    AV_PIX_FMT_GRAY8, AV_PIX_FMT_GRAY16BE, AV_PIX_FMT_NONE};
static const enum AVPixelFormat tiff_formats[] = {
    AV_PIX_FMT_RGB24, AV_PIX_FMT_RGBA,     AV_PIX_FMT_RGB48LE, AV_PIX_FMT_RGBA64LE,
    AV_PIX_FMT_GRAY8, AV_PIX_FMT_GRAY16LE, AV_PIX_FMT_NONE};
static const enum AVPixelFormat jpeg_formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P,
                                                  AV_PIX_FMT_YUV444P, AV_PIX_FMT_NONE};
static const enum AVPixelFormat webp_formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVA420P,
                                                  AV_PIX_FMT_NONE};
static const enum AVPixelFormat lossless_webp_formats[] = {AV_PIX_FMT_RGB32, AV_PIX_FMT_NONE};
static const enum AVPixelFormat bmp_formats[] = {AV_PIX_FMT_BGR24, AV_PIX_FMT_NONE};
static const enum AVPixelFormat ppm_formats[] = {AV_PIX_FMT_RGB24, AV_PIX_FMT_RGB48BE,
                                                 AV_PIX_FMT_NONE};

struct picture_format {
    const char *extension, *encoder;
    const enum AVPixelFormat *formats;
};

static const struct picture_format picture_formats[] = {
    {"png", "png", png_formats},     {"jpg", "mjpeg", jpeg_formats},
    {"jpeg", "mjpeg", jpeg_formats}, {"tif", "tiff", tiff_formats},
    {"tiff", "tiff", tiff_formats},  {"webp", "libwebp", webp_formats},
    {"bmp", "bmp", bmp_formats},     {"ppm", "ppm", ppm_formats},
};

enum { N_FORMATS = sizeof picture_formats / sizeof picture_formats[0] };

static const struct picture_format *find_format(const char *extension)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (strcasecmp(picture_formats[i].extension, extension) == 0) {
            return &picture_formats[i];
        }
    }
    return NULL;
}

const char *media_video_sequence_format(const char *pattern, const char *format)
{
    const char *dot = strrchr(pattern, '.');
    const struct picture_format *found = format != NULL ? find_format(format)
                                         : dot != NULL  ? find_format(dot + 1)
                                                        : NULL;
    return found != NULL ? found->extension : NULL;
}

bool media_encoder_is_sequence(const AVOutputFormat *muxer)
{
    return strcmp(muxer->name, "image2pipe") == 0;
}

bool media_encoder_describes_colour(const AVOutputFormat *muxer)
{
    return !media_encoder_is_y4m(muxer) && !media_encoder_is_sequence(muxer);
}

/* ---------------------------------------------------------------------------------- the encoder --
 */

enum media_status media_sequence_choose(struct media_video_encoder *encoder,
                                        const struct media_video_options *options,
                                        const enum AVPixelFormat **formats,
                                        struct media_error *error)
{
    const struct picture_format *format = find_format(options->sequence);
    if (options->codec != NULL || options->crf >= 0 || options->preset != NULL) {
        return media_fail(
            error, MEDIA_ERROR_UNSUPPORTED,
            "pictures take --quality or --lossless; leave --codec, --crf and --preset "
            "out");
    }
    encoder->codec = format != NULL ? avcodec_find_encoder_by_name(format->encoder) : NULL;
    if (encoder->codec == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "this build of FFmpeg cannot write %s pictures", options->sequence);
    }
    *formats = options->lossless && format->formats == webp_formats ? lossless_webp_formats
                                                                    : format->formats;
    return MEDIA_OK;
}

/* libjpeg's scale of quality, as photos have it, in steps of FFmpeg's quantiser: the tables of both
 * have the same mean at about that. */
static int jpeg_quantiser(int quality)
{
    const double percent = quality < 50 ? 5000.0 / quality : 200 - 2.0 * quality;
    const int quantiser = (int)(0.17 * percent);
    return quantiser < 1 ? 1 : quantiser > 31 ? 31 : quantiser;
}

enum media_status media_sequence_set_options(AVCodecContext *context,
                                             const struct media_video_options *options,
                                             struct media_error *error)
{
    enum { JPEG_QUALITY = 92, WEBP_QUALITY = 90 };
    const bool is_jpeg = context->codec->id == AV_CODEC_ID_MJPEG;
    const bool is_webp = context->codec->id == AV_CODEC_ID_WEBP;
    int av_status = 0;
    if (is_jpeg) {
        context->flags |= AV_CODEC_FLAG_QSCALE;
        context->global_quality =
            FF_QP2LAMBDA * jpeg_quantiser(options->quality > 0 ? options->quality : JPEG_QUALITY);
    } else if (is_webp) {
        av_status = av_opt_set_double(context, "quality",
                                      options->quality > 0 ? options->quality : WEBP_QUALITY,
                                      AV_OPT_SEARCH_CHILDREN);
        if (av_status >= 0 && options->lossless) {
            av_status = av_opt_set_int(context, "lossless", 1, AV_OPT_SEARCH_CHILDREN);
        }
    }
    if (av_status < 0) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "the encoder %s takes no quality",
                          context->codec->name);
    }
    return media_encoder_set_own_options(context, options->encoder_opts, error);
}

void media_sequence_set_tags(enum AVPixelFormat format, bool is_webp, bool is_rgb,
                             struct media_colour_tags *tags)
{
    if (media_colour_is_rgb(format)) {
        tags->matrix = AVCOL_SPC_RGB;
        tags->range = AVCOL_RANGE_JPEG;
    } else if (is_webp) {
        tags->matrix = AVCOL_SPC_SMPTE170M;
        tags->range = AVCOL_RANGE_MPEG;
    } else {
        tags->matrix = AVCOL_SPC_SMPTE170M;
        tags->range = AVCOL_RANGE_JPEG;
    }
    tags->chroma_location = AVCHROMA_LOC_CENTER;
    /* A video's transfer is what players show as if it were sRGB. In a picture its name would make
     * readers convert it. */
    if (!is_rgb) {
        tags->transfer = AVCOL_TRC_UNSPECIFIED;
        tags->primaries = AVCOL_PRI_UNSPECIFIED;
    }
}

/* ---------------------------------------------------------------------------------- the writing --
 */

static enum media_status fail_writing(struct media_sequence_writer *writer, int reason,
                                      struct media_error *error)
{
    if (writer->error_number == 0) {
        writer->error_number = reason;
    }
    return media_fail(error, MEDIA_ERROR_OUTPUT, "cannot write the pictures: %s", strerror(reason));
}

enum media_status media_sequence_writer_open(struct media_sequence_writer *writer,
                                             const char *folder, struct media_error *error)
{
    *writer = (struct media_sequence_writer){.last_pts = AV_NOPTS_VALUE};
    writer->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    writer->is_open = writer->folder_fd >= 0;
    return writer->is_open ? MEDIA_OK : fail_writing(writer, errno, error);
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n_written = write(fd, data, size);
        if (n_written >= 0) {
            data += n_written;
            size -= (size_t)n_written;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static void note_time(struct media_sequence_writer *writer, int64_t pts)
{
    if (writer->last_pts != AV_NOPTS_VALUE) {
        const int64_t step = pts - writer->last_pts;
        /* Containers that count milliseconds round each time by itself. */
        const int64_t tolerance = 1 + writer->step / 8;
        writer->is_uneven |= writer->step > 0 &&
                             (step < writer->step - tolerance || step > writer->step + tolerance);
        writer->step = writer->step > 0 ? writer->step : step;
    }
    writer->last_pts = pts;
}

enum media_status media_sequence_writer_put(struct media_sequence_writer *writer,
                                            const AVPacket *packet, struct media_error *error)
{
    char name[24];
    snprintf(name, sizeof name, "%" PRIu64, writer->count + 1);
    int fd = openat(writer->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return fail_writing(writer, errno, error);
    }
    writer->count++;
    note_time(writer, packet->pts);
    int reason = write_all(fd, packet->data, (size_t)packet->size);
    if (close(fd) != 0 && reason == 0) {
        reason = errno;
    }
    return reason == 0 ? MEDIA_OK : fail_writing(writer, reason, error);
}

void media_sequence_writer_close(struct media_sequence_writer *writer)
{
    if (writer->is_open) {
        close(writer->folder_fd);
    }
    writer->is_open = false;
}
