/* SPDX-License-Identifier: MIT */
#include "media/video_copy.h"

#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>

#include "media/video_compat.h"

static bool is_cover(const AVStream *stream)
{
    return (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
}

static bool is_matroska(const AVOutputFormat *muxer)
{
    return strcmp(muxer->name, "matroska") == 0;
}

#if LIBAVFORMAT_VERSION_MAJOR >= 61
static int discard_bytes(void *opaque, const uint8_t *buffer, int size)
#else
static int discard_bytes(void *opaque, uint8_t *buffer, int size)
#endif
{
    (void)opaque;
    (void)buffer;
    return size;
}

static int64_t discard_seek(void *opaque, int64_t offset, int whence)
{
    (void)opaque;
    return whence == AVSEEK_SIZE ? AVERROR(ENOSYS) : offset;
}

static bool header_can_be_written(const AVOutputFormat *muxer, const AVStream *stream)
{
    enum { SCRATCH_BYTES = 4096 };
    AVFormatContext *trial = NULL;
    bool ok = false;
    if (avformat_alloc_output_context2(&trial, muxer, NULL, NULL) < 0) {
        return false;
    }
    uint8_t *scratch = av_malloc(SCRATCH_BYTES);
    AVIOContext *sink = scratch != NULL ? avio_alloc_context(scratch, SCRATCH_BYTES, 1, NULL, NULL,
                                                             discard_bytes, discard_seek)
                                        : NULL;
    if (sink == NULL) {
        av_free(scratch);
    } else {
        trial->pb = sink;
        ok = media_copy_add_stream(trial, stream, false) != NULL &&
             avformat_write_header(trial, NULL) >= 0;
        trial->pb = NULL;
        av_freep(&sink->buffer);
        avio_context_free(&sink);
    }
    avformat_free_context(trial);
    return ok;
}

static bool is_made_again(const AVOutputFormat *muxer, const AVFormatContext *from,
                          const AVStream *stream)
{
    const AVCodecParameters *parameters = stream->codecpar;
    if (parameters->codec_type != AVMEDIA_TYPE_DATA) {
        return false;
    }
    if (parameters->codec_tag == MKTAG('t', 'e', 'x', 't') && from->nb_chapters > 0) {
        return true;
    }
    return parameters->codec_tag == MKTAG('t', 'm', 'c', 'd') &&
           av_match_name(muxer->name, "mov,mp4");
}

enum media_copy_verdict media_copy_judge(const AVOutputFormat *muxer, const AVFormatContext *from,
                                         const AVStream *stream)
{
    if (is_made_again(muxer, from, stream)) {
        return MEDIA_COPY_REDUNDANT;
    }
    /* Matroska says no to codecs that it does write, in the wrappings of AVI and QuickTime. */
    bool refused = !is_matroska(muxer) && avformat_query_codec(muxer, stream->codecpar->codec_id,
                                                               FF_COMPLIANCE_NORMAL) == 0;
    return !refused && header_can_be_written(muxer, stream) ? MEDIA_COPY_KEEP
                                                            : MEDIA_COPY_IMPOSSIBLE;
}

void media_copy_describe(const AVStream *stream, char *text, size_t size_bytes)
{
    const char *kind = av_get_media_type_string(stream->codecpar->codec_type);
    snprintf(text, size_bytes, "stream %d (%s, %s)", stream->index,
             is_cover(stream) ? "cover picture"
             : kind != NULL   ? kind
                              : "unknown",
             avcodec_get_name(stream->codecpar->codec_id));
}

/* The demuxer has the cover as a packet, Matroska wants it as an attachment. */
static bool turn_into_attachment(AVStream *to, const AVStream *from)
{
    AVCodecParameters *parameters = to->codecpar;
    const AVPacket *picture = &from->attached_pic;
    bool png = parameters->codec_id == AV_CODEC_ID_PNG;
    if (picture->size <= 0 || (!png && parameters->codec_id != AV_CODEC_ID_MJPEG)) {
        return false;
    }
    uint8_t *bytes = av_mallocz((size_t)picture->size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, picture->data, (size_t)picture->size);
    av_freep(&parameters->extradata);
    parameters->extradata = bytes;
    parameters->extradata_size = picture->size;
    parameters->codec_type = AVMEDIA_TYPE_ATTACHMENT;
    /* These names are Matroska's own convention for covers. */
    return av_dict_set(&to->metadata, "filename", png ? "cover.png" : "cover.jpg", 0) >= 0 &&
           av_dict_set(&to->metadata, "mimetype", png ? "image/png" : "image/jpeg", 0) >= 0;
}

/* A codec's tag in the old container, where the new one knows it too or has none of its own. */
static uint32_t tag_for(const AVOutputFormat *muxer, const AVCodecParameters *parameters)
{
    unsigned int other;
    bool keep = muxer->codec_tag == NULL ||
                av_codec_get_id(muxer->codec_tag, parameters->codec_tag) == parameters->codec_id ||
                !av_codec_get_tag2(muxer->codec_tag, parameters->codec_id, &other);
    return keep ? parameters->codec_tag : 0;
}

AVStream *media_copy_add_stream(AVFormatContext *to, const AVStream *stream, bool strip)
{
    AVStream *added = avformat_new_stream(to, NULL);
    if (added == NULL || avcodec_parameters_copy(added->codecpar, stream->codecpar) < 0 ||
        !media_stream_copy_side_data(added, stream)) {
        return NULL;
    }
    bool attachment = stream->codecpar->codec_type == AVMEDIA_TYPE_ATTACHMENT;
    /* An attachment's file name and type are what it is, not remarks about it. */
    if ((!strip || attachment) && av_dict_copy(&added->metadata, stream->metadata, 0) < 0) {
        return NULL;
    }
    added->codecpar->codec_tag = tag_for(to->oformat, stream->codecpar);
    added->time_base = stream->time_base;
    added->avg_frame_rate = stream->avg_frame_rate;
    added->r_frame_rate = stream->r_frame_rate;
    added->sample_aspect_ratio = stream->sample_aspect_ratio;
    added->disposition = stream->disposition;
    added->duration = stream->duration;
    if (is_cover(stream) && is_matroska(to->oformat) && !turn_into_attachment(added, stream)) {
        return NULL;
    }
    return added;
}

static bool copy_except(AVDictionary **to, AVDictionary *from, const char *const *except)
{
    if (av_dict_copy(to, from, 0) < 0) {
        return false;
    }
    for (; *except != NULL; except++) {
        if (av_dict_set(to, *except, NULL, 0) < 0) {
            return false;
        }
    }
    return true;
}

bool media_copy_metadata(AVFormatContext *to, const AVFormatContext *from)
{
    /* Facts about the old file's format, which would be wrong in the new one. */
    static const char *const except[] = {"major_brand", "minor_version", "compatible_brands",
                                         "encoder", NULL};
    return copy_except(&to->metadata, from->metadata, except);
}

bool media_copy_encoded_metadata(AVStream *to, const AVStream *from)
{
    static const char *const except[] = {"encoder",
                                         "BPS",
                                         "BPS-eng",
                                         "DURATION",
                                         "DURATION-eng",
                                         "NUMBER_OF_BYTES",
                                         "NUMBER_OF_BYTES-eng",
                                         "NUMBER_OF_FRAMES",
                                         "NUMBER_OF_FRAMES-eng",
                                         "_STATISTICS_TAGS",
                                         "_STATISTICS_TAGS-eng",
                                         "_STATISTICS_WRITING_APP",
                                         "_STATISTICS_WRITING_APP-eng",
                                         "_STATISTICS_WRITING_DATE_UTC",
                                         "_STATISTICS_WRITING_DATE_UTC-eng",
                                         "alpha_mode",
                                         "rotate",
                                         NULL};
    return copy_except(&to->metadata, from->metadata, except);
}

bool media_copy_chapters(AVFormatContext *to, const AVFormatContext *from, int64_t offset_us,
                         bool strip)
{
    if (from->nb_chapters == 0) {
        return true;
    }
    to->chapters = av_calloc(from->nb_chapters, sizeof *to->chapters);
    if (to->chapters == NULL) {
        return false;
    }
    for (unsigned i = 0; i < from->nb_chapters; i++) {
        const AVChapter *old = from->chapters[i];
        AVChapter *chapter = av_mallocz(sizeof *chapter);
        if (chapter == NULL) {
            return false;
        }
        to->chapters[to->nb_chapters++] = chapter;
        int64_t offset = av_rescale_q(offset_us, AV_TIME_BASE_Q, old->time_base);
        chapter->id = old->id;
        chapter->time_base = old->time_base;
        chapter->start = old->start + offset;
        chapter->end = old->end + offset;
        if (!strip && av_dict_copy(&chapter->metadata, old->metadata, 0) < 0) {
            return false;
        }
    }
    return true;
}
