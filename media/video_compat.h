/* SPDX-License-Identifier: MIT
 *
 * What differs between FFmpeg 5.1, 6 and 7 and is used here.
 */
#ifndef MEDIA_VIDEO_COMPAT_H
#define MEDIA_VIDEO_COMPAT_H

#include <stdbool.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>

/* Duration of a frame in its time base, 0 if unknown. */
static inline int64_t media_frame_duration(const AVFrame *frame)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    return frame->duration;
#else
    return frame->pkt_duration;
#endif
}

static inline void media_frame_set_duration(AVFrame *frame, int64_t duration)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    frame->duration = duration;
#else
    frame->pkt_duration = duration;
#endif
}

static inline bool media_frame_interlaced(const AVFrame *frame)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    return (frame->flags & AV_FRAME_FLAG_INTERLACED) != 0;
#else
    return frame->interlaced_frame != 0;
#endif
}

static inline bool media_frame_top_field_first(const AVFrame *frame)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    return (frame->flags & AV_FRAME_FLAG_TOP_FIELD_FIRST) != 0;
#else
    return frame->top_field_first != 0;
#endif
}

static inline void media_frame_set_interlaced(AVFrame *frame, bool top_field_first)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    frame->flags |= AV_FRAME_FLAG_INTERLACED;
    frame->flags &= ~AV_FRAME_FLAG_TOP_FIELD_FIRST;
    frame->flags |= top_field_first ? AV_FRAME_FLAG_TOP_FIELD_FIRST : 0;
#else
    frame->interlaced_frame = 1;
    frame->top_field_first = top_field_first;
#endif
}

static inline void media_frame_clear_interlaced(AVFrame *frame)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    frame->flags &= ~(AV_FRAME_FLAG_INTERLACED | AV_FRAME_FLAG_TOP_FIELD_FIRST);
#else
    frame->interlaced_frame = 0;
    frame->top_field_first = 0;
#endif
}

/* Side data of a stream; libavformat 60.15 moved it into its codec parameters. */
static inline const uint8_t *
media_stream_side_data(const AVStream *stream, enum AVPacketSideDataType type, size_t *size_bytes)
{
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVPacketSideData *entry = av_packet_side_data_get(
        stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, type);
    *size_bytes = entry != NULL ? entry->size : 0;
    return entry != NULL ? entry->data : NULL;
#else
    return av_stream_get_side_data(stream, type, size_bytes);
#endif
}

/* A copy of `data` becomes side data of the stream; false when out of memory. */
static inline bool media_stream_set_side_data(AVStream *stream, enum AVPacketSideDataType type,
                                              const uint8_t *data, size_t size_bytes)
{
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    AVCodecParameters *parameters = stream->codecpar;
    AVPacketSideData *entry = av_packet_side_data_new(
        &parameters->coded_side_data, &parameters->nb_coded_side_data, type, size_bytes, 0);
    uint8_t *copy = entry != NULL ? entry->data : NULL;
#else
    uint8_t *copy = av_stream_new_side_data(stream, type, size_bytes);
#endif
    if (copy != NULL) {
        memcpy(copy, data, size_bytes);
    }
    return copy != NULL;
}

/* Side data of a copied stream that avcodec_parameters_copy() does not carry by itself. */
static inline bool media_stream_copy_side_data(AVStream *to, const AVStream *from)
{
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    (void)to;
    (void)from;
    return true;
#else
    for (int i = 0; i < from->nb_side_data; i++) {
        const AVPacketSideData *entry = &from->side_data[i];
        if (!media_stream_set_side_data(to, entry->type, entry->data, entry->size)) {
            return false;
        }
    }
    return true;
#endif
}

/* The pixel formats that an encoder takes, ended by AV_PIX_FMT_NONE; NULL: any. */
static inline const enum AVPixelFormat *media_encoder_formats(const AVCodec *codec)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100)
    const void *formats = NULL;
    int count = 0;
    avcodec_get_supported_config(NULL, codec, AV_CODEC_CONFIG_PIX_FORMAT, 0, &formats, &count);
    return formats;
#else
    return codec->pix_fmts;
#endif
}

#endif
