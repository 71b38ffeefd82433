/* SPDX-License-Identifier: MIT */
#include "media/video_sequence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/pixdesc.h>

#include "media/video_io.h"
#include "media/video_log.h"

static const char scheme[] = "file:";
static const char number_key[] = "pipersr.number"; /* in a frame's metadata */

enum {
    MAX_URL_BYTES = 1000, /* the demuxer has room for 1024 */
    HEAD_BYTES = 4096,
};

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

/* ---------------------------------------------------------------------------------- the files --
 */

static int fail_file(struct media_video_sequence *sequence, const char *path, const char *reason)
{
    if (sequence->failure.message[0] == '\0') {
        media_fail(&sequence->failure, MEDIA_ERROR_INPUT, "cannot read %s: %s", path, reason);
    }
    return AVERROR(EIO);
}

/* Takes the place of libavformat's own. */
static int open_file(AVFormatContext *format, AVIOContext **context, const char *url, int flags,
                     AVDictionary **options)
{
    struct media_video_sequence *sequence = format->opaque;
    const char *path = url;
    (void)options;
    *context = NULL;
    if ((flags & AVIO_FLAG_WRITE) != 0 || !av_strstart(url, scheme, &path)) {
        return AVERROR(EACCES);
    }
    struct stat about;
    if (stat(path, &about) != 0) {
        return fail_file(sequence, path, strerror(errno));
    }
    if (!S_ISREG(about.st_mode)) {
        return fail_file(sequence, path, "not a regular file");
    }
    if (about.st_size == 0) {
        return fail_file(sequence, path, "the file is empty");
    }
    struct media_video_io *io = malloc(sizeof *io);
    struct media_error error = {.message = ""};
    if (io == NULL || media_video_io_open_input(io, path, sequence->cancel, &error) != MEDIA_OK) {
        free(io);
        return fail_file(sequence, path, error.message[0] != '\0' ? error.message : "no memory");
    }
    *context = io->context;
    return 0;
}

static int close_file(AVFormatContext *format, AVIOContext *context)
{
    (void)format;
    struct media_video_io *io = context->opaque;
    int status = media_video_io_close(io);
    free(io);
    return status == 0 ? 0 : AVERROR(status);
}

/* --------------------------------------------------------------------------------- the opening --
 */

/* What the pictures are is decided by what is in the first. AV_CODEC_ID_NONE for no picture. */
static enum AVCodecID codec_of_head(uint8_t *head, size_t size)
{
    AVProbeData probe = {.filename = "", .buf = head, .buf_size = (int)size};
    const AVInputFormat *found = av_probe_input_format(&probe, 1);
    const char *end = found != NULL ? strstr(found->name, "_pipe") : NULL;
    if (end == NULL) {
        return AV_CODEC_ID_NONE;
    }
    static const struct {
        const char *demuxer, *codec;
    } renamed[] = {{"jpeg", "mjpeg"}, {"j2k", "jpeg2000"}, {"svg", ""}};
    char name[32];
    snprintf(name, sizeof name, "%.*s", (int)(end - found->name), found->name);
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        if (strcmp(name, renamed[i].demuxer) == 0) {
            snprintf(name, sizeof name, "%s", renamed[i].codec);
        }
    }
    const AVCodecDescriptor *codec = avcodec_descriptor_get_by_name(name);
    return codec != NULL ? codec->id : AV_CODEC_ID_NONE;
}

static enum media_status find_codec(const struct media_video_sequence *sequence,
                                    enum AVCodecID *codec, struct media_error *error)
{
    uint8_t head[HEAD_BYTES + AVPROBE_PADDING_SIZE] = {0};
    char *name = media_sequence_name(sequence->pattern, sequence->extent.first);
    if (name == NULL) {
        return fail_memory(error);
    }
    enum media_status status = MEDIA_OK;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd >= 0 ? read(fd, head, HEAD_BYTES) : -1;
    if (size < 0) {
        status = media_fail(error, MEDIA_ERROR_INPUT, "cannot read %s: %s", name, strerror(errno));
    } else {
        *codec = codec_of_head(head, (size_t)size);
        if (*codec == AV_CODEC_ID_NONE || avcodec_find_decoder(*codec) == NULL) {
            status =
                media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                           "%s is not a picture that can be read here as part of a sequence", name);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    free(name);
    return status;
}

/* The pattern in the demuxer's form, where folders are patterns too. Malloc'd. */
static char *demuxer_url(const char *pattern)
{
    const char *slash = strrchr(pattern, '/');
    const char *name = slash != NULL ? slash + 1 : pattern;
    char *url = malloc(sizeof scheme + 2 * strlen(pattern));
    if (url == NULL) {
        return NULL;
    }
    char *to = url + sprintf(url, "%s", scheme);
    for (const char *from = pattern; from < name; from++) {
        *to++ = *from;
        if (*from == '%') {
            *to++ = '%';
        }
    }
    sprintf(to, "%s", name);
    return url;
}

static enum media_status open_demuxer(const struct media_video_sequence *sequence,
                                      AVFormatContext **format, const char *url,
                                      const struct media_video_options *options,
                                      struct media_error *error)
{
    AVDictionary *settings = NULL;
    char rate[32];
    snprintf(rate, sizeof rate, "%u/%u", options->framerate_num, options->framerate_den);
    av_dict_set(&settings, "framerate", options->framerate_num > 0 ? rate : "25", 0);
    av_dict_set(&settings, "pattern_type", "sequence", 0);
    av_dict_set_int(&settings, "start_number", (int64_t)sequence->extent.first, 0);
    av_dict_set_int(&settings, "start_number_range", 1, 0);
    int av_status = avformat_open_input(format, url, av_find_input_format("image2"), &settings);
    av_dict_free(&settings);
    if (av_status >= 0) {
        return MEDIA_OK;
    }
    if (sequence->failure.message[0] != '\0') {
        return media_fail(error, MEDIA_ERROR_INPUT, "%s", sequence->failure.message);
    }
    char log[200];
    media_video_log_last(log, sizeof log);
    return media_fail(error, MEDIA_ERROR_INPUT, "cannot open %s%s", sequence->pattern, log);
}

enum media_status media_video_sequence_open(struct media_video_sequence **sequence,
                                            AVFormatContext **format, const char *pattern,
                                            const struct media_video_options *options,
                                            const atomic_bool *cancel, struct media_error *error)
{
    struct media_video_sequence *new = calloc(1, sizeof *new);
    *sequence = new;
    if (new == NULL || (new->pattern = strdup(pattern)) == NULL) {
        return fail_memory(error);
    }
    new->cancel = cancel;
    char *url = demuxer_url(pattern);
    enum AVCodecID codec = AV_CODEC_ID_NONE;
    enum media_status status = url == NULL ? fail_memory(error) : MEDIA_OK;
    if (status == MEDIA_OK && strlen(url) > MAX_URL_BYTES) {
        status =
            media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                       "the name %s is too long for a sequence; change into its folder", pattern);
    }
    if (status == MEDIA_OK) {
        status =
            media_sequence_find(pattern, options->has_start_number ? &options->start_number : NULL,
                                &new->extent, error);
    }
    if (status == MEDIA_OK) {
        status = find_codec(new, &codec, error);
    }
    if (status == MEDIA_OK) {
        *format = avformat_alloc_context();
        status = *format != NULL ? MEDIA_OK : fail_memory(error);
    }
    if (status == MEDIA_OK) {
        (*format)->opaque = new;
        (*format)->io_open = open_file;
        (*format)->io_close2 = close_file;
        (*format)->video_codec_id = codec;
        status = open_demuxer(new, format, url, options, error);
    }
    free(url);
    return status;
}

/* --------------------------------------------------------------------------------- the reading --
 */

/* Is there an end of image behind the last scan? A preview in front of it has one of its own. */
static bool is_whole_jpeg(const uint8_t *data, int size)
{
    enum { MARK = 0xff, SCAN = 0xda, END = 0xd9 };
    bool ended = false;
    for (int i = 0; i + 1 < size; i++) {
        if (data[i] == MARK && (data[i + 1] == SCAN || data[i + 1] == END)) {
            ended = data[i + 1] == END;
        }
    }
    return ended;
}

bool media_video_sequence_take(struct media_video_sequence *sequence, enum AVCodecID codec,
                               const AVPacket *packet)
{
    sequence->number = sequence->extent.first;
    if (packet->pts > 0) {
        sequence->number += (uint64_t)packet->pts;
    }
    return codec != AV_CODEC_ID_MJPEG || is_whole_jpeg(packet->data, packet->size);
}

bool media_video_sequence_is_at_end(const struct media_video_sequence *sequence)
{
    return sequence->number == sequence->extent.first + sequence->extent.count - 1;
}

void media_video_sequence_note_damage(struct media_video_sequence *sequence)
{
    if (!sequence->is_damaged) {
        sequence->damaged = sequence->number;
    }
    sequence->is_damaged = true;
}

char *media_video_sequence_damaged(const struct media_video_sequence *sequence)
{
    return media_sequence_name(sequence->pattern, sequence->damaged);
}

bool media_video_sequence_describe(const struct media_video_sequence *sequence, AVFrame *frame)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
    const bool is_grey = format != NULL && format->nb_components < 3 &&
                         (format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) == 0;
    if (is_grey && frame->color_range == AVCOL_RANGE_UNSPECIFIED) {
        frame->color_range = AVCOL_RANGE_JPEG;
    }
    return av_dict_set_int(&frame->metadata, number_key, (int64_t)sequence->number, 0) >= 0;
}

uint64_t media_video_sequence_number(const struct media_video_sequence *sequence,
                                     const AVFrame *frame)
{
    const AVDictionaryEntry *number = av_dict_get(frame->metadata, number_key, NULL, 0);
    return number != NULL ? strtoull(number->value, NULL, 10) : sequence->extent.first;
}

void media_video_sequence_set_tags(enum AVPixelFormat format, struct media_colour_tags *tags)
{
    if (media_colour_is_rgb(format)) {
        return;
    }
    tags->matrix = AVCOL_SPC_BT709;
    tags->range = AVCOL_RANGE_MPEG;
    tags->chroma_location = AVCHROMA_LOC_UNSPECIFIED;
    if (tags->primaries == AVCOL_PRI_UNSPECIFIED) {
        tags->primaries = AVCOL_PRI_BT709;
    }
    /* Players show a video of BT.709 as they show an sRGB picture. */
    if (tags->transfer == AVCOL_TRC_UNSPECIFIED || tags->transfer == AVCOL_TRC_IEC61966_2_1) {
        tags->transfer = AVCOL_TRC_BT709;
    }
}

char *media_video_sequence_list(const char *pattern, const uint64_t *start, size_t *length,
                                uint64_t *size_bytes, struct media_error *error)
{
    struct media_sequence_extent extent;
    if (media_sequence_find(pattern, start, &extent, error) != MEDIA_OK) {
        return NULL;
    }
    char *text = NULL;
    FILE *list = open_memstream(&text, length);
    *size_bytes = 0;
    for (uint64_t i = 0; list != NULL && i < extent.count; i++) {
        struct stat about;
        char *name = media_sequence_name(pattern, extent.first + i);
        if (name != NULL && stat(name, &about) == 0) {
            *size_bytes += (uint64_t)about.st_size;
            fprintf(list, "%" PRIu64 " %lld %lld.%09ld\n", extent.first + i,
                    (long long)about.st_size, (long long)about.st_mtim.tv_sec,
                    about.st_mtim.tv_nsec);
        }
        free(name);
    }
    if (list == NULL || fclose(list) != 0) {
        free(text);
        fail_memory(error);
        return NULL;
    }
    return text;
}

void media_video_sequence_close(struct media_video_sequence **sequence, AVFormatContext **format)
{
    avformat_close_input(format);
    if (*sequence != NULL) {
        free((*sequence)->pattern);
    }
    free(*sequence);
    *sequence = NULL;
}
