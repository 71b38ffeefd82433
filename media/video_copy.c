/* SPDX-License-Identifier: MIT */
#include "media/video_copy.h"

#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/common.h>
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

int media_copy_compliance(const AVOutputFormat *muxer)
{
    /* FLAC and TrueHD in MP4 and descriptions of spherical and stereoscopic pictures are standard
     * by now, but older muxers still take them for experiments. */
    if (av_match_name(muxer->name, "mov,mp4")) {
        return FF_COMPLIANCE_EXPERIMENTAL;
    }
    /* y4m deeper than 8 bits is an extension of its first users, but everyone reads it. */
    return strcmp(muxer->name, "yuv4mpegpipe") == 0 ? FF_COMPLIANCE_UNOFFICIAL
                                                    : FF_COMPLIANCE_NORMAL;
}

int64_t media_copy_delay_us(const AVOutputFormat *muxer, const AVCodecParameters *parameters)
{
    /* Opus in Matroska: times are stored later by what a decoder drops at the start, and moved back
     * by readers. These versions of the muxer do not store them later. */
    if (avformat_version() > AV_VERSION_INT(59, 30, 100) ||
        !av_match_name(muxer->name, "matroska,webm") || parameters->codec_id != AV_CODEC_ID_OPUS) {
        return 0;
    }
    const AVRational opus_clock = {1, 48000};
    return av_rescale_q(parameters->initial_padding, opus_clock, AV_TIME_BASE_Q);
}

/* The streams that are there already: a container may take only one of a kind. */
static bool add_same_streams(AVFormatContext *trial, const AVFormatContext *to)
{
    for (unsigned i = 0; i < to->nb_streams; i++) {
        AVStream *added = avformat_new_stream(trial, NULL);
        if (added == NULL ||
            avcodec_parameters_copy(added->codecpar, to->streams[i]->codecpar) < 0 ||
            av_dict_copy(&added->metadata, to->streams[i]->metadata, 0) < 0) {
            return false;
        }
        added->time_base = to->streams[i]->time_base;
        added->avg_frame_rate = to->streams[i]->avg_frame_rate;
    }
    return true;
}

static bool header_can_be_written(const AVFormatContext *to, const AVStream *stream)
{
    enum { SCRATCH_BYTES = 4096 };
    AVFormatContext *trial = NULL;
    bool ok = false;
    if (avformat_alloc_output_context2(&trial, to->oformat, NULL, NULL) < 0) {
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
        trial->strict_std_compliance = media_copy_compliance(to->oformat);
        ok = add_same_streams(trial, to) && media_copy_add_stream(trial, stream, false) != NULL &&
             avformat_write_header(trial, NULL) >= 0;
        trial->pb = NULL;
        av_freep(&sink->buffer);
        avio_context_free(&sink);
    }
    avformat_free_context(trial);
    return ok;
}

/* The muxer of transport streams takes anything, but what it has no stream type for comes back as
 * nameless bytes. */
static bool is_nameless_in(const AVOutputFormat *muxer, const AVCodecParameters *parameters)
{
    static const enum AVCodecID named[] = {
        AV_CODEC_ID_MP1,
        AV_CODEC_ID_MP2,
        AV_CODEC_ID_MP3,
        AV_CODEC_ID_AAC,
        AV_CODEC_ID_AAC_LATM,
        AV_CODEC_ID_AC3,
        AV_CODEC_ID_EAC3,
        AV_CODEC_ID_DTS,
        AV_CODEC_ID_TRUEHD,
        AV_CODEC_ID_OPUS,
        AV_CODEC_ID_S302M,
        AV_CODEC_ID_DVB_SUBTITLE,
        AV_CODEC_ID_DVB_TELETEXT,
        AV_CODEC_ID_HDMV_PGS_SUBTITLE,
        AV_CODEC_ID_HDMV_TEXT_SUBTITLE,
    };
    bool has_type = parameters->codec_type == AVMEDIA_TYPE_AUDIO ||
                    parameters->codec_type == AVMEDIA_TYPE_SUBTITLE;
    if (!has_type || strcmp(muxer->name, "mpegts") != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (parameters->codec_id == named[i]) {
            return false;
        }
    }
    return true;
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
    /* Matroska has it as a tag, MP4 makes a track of that tag. */
    return parameters->codec_tag == MKTAG('t', 'm', 'c', 'd') &&
           av_dict_get(stream->metadata, "timecode", NULL, 0) != NULL &&
           av_match_name(muxer->name, "mov,mp4,matroska");
}

enum media_copy_verdict media_copy_judge(const AVFormatContext *to, const AVFormatContext *from,
                                         const AVStream *stream)
{
    const AVOutputFormat *muxer = to->oformat;
    if (is_made_again(muxer, from, stream)) {
        return MEDIA_COPY_REDUNDANT;
    }
    /* Matroska says no to codecs that it does write, in the wrappings of AVI and QuickTime. */
    bool refused = is_nameless_in(muxer, stream->codecpar) ||
                   (!is_matroska(muxer) && avformat_query_codec(muxer, stream->codecpar->codec_id,
                                                                FF_COMPLIANCE_NORMAL) == 0);
    return !refused && header_can_be_written(to, stream) ? MEDIA_COPY_KEEP : MEDIA_COPY_IMPOSSIBLE;
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
                         const struct media_range *range, bool strip)
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
        int64_t offset = av_rescale_q(offset_us, AV_TIME_BASE_Q, old->time_base);
        chapter->id = old->id;
        chapter->time_base = old->time_base;
        chapter->start = av_sat_add64(old->start, offset);
        chapter->end = av_sat_add64(old->end, offset);
        if (!media_range_takes_chapter(range, chapter)) {
            av_free(chapter);
            continue;
        }
        to->chapters[to->nb_chapters++] = chapter;
        if (!strip && av_dict_copy(&chapter->metadata, old->metadata, 0) < 0) {
            return false;
        }
    }
    return true;
}
