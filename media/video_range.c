/* SPDX-License-Identifier: MIT */
#include "media/video_range.h"

#include <stdlib.h>

#include <libavutil/common.h>

#include "media/video_compat.h"
#include "media/video_timing.h"

enum {
    /* A frame that begins this much after START leaves a gap that its forerunner fills. */
    LONGEST_GAP_US = 100000,
    /* Frames are found by decoding times, which may be that much before presentation. */
    PREROLL_US = 1000000,
    /* Transport and program streams are entered anywhere; the next keyframe may be far. */
    PREROLL_WITHOUT_INDEX_US = 10000000,
    /* How far streams may lie apart in the file. */
    INTERLEAVING_US = 10000000
};

static void seek(const struct media_range *range, AVFormatContext *format, const AVStream *stream)
{
    const bool has_index = (format->iformat->flags & AVFMT_TS_DISCONT) == 0;
    const int64_t first_us = media_timing_start_us(format->start_time, AV_TIME_BASE_Q);
    const int64_t target_us =
        first_us + range->start_us - (has_index ? PREROLL_US : PREROLL_WITHOUT_INDEX_US);
    if (target_us <= first_us) {
        return;
    }
    /* Where that fails, what comes before is decoded and left out. */
    const int64_t target = av_rescale_q(target_us, AV_TIME_BASE_Q, stream->time_base);
    avformat_seek_file(format, stream->index, INT64_MIN, target, target, 0);
}

enum media_status media_range_begin(struct media_range *range,
                                    const struct media_video_options *options,
                                    AVFormatContext *format, const AVStream *stream, bool can_seek,
                                    int64_t offset_us, struct media_error *error)
{
    *range = (struct media_range){
        .has_start = options->start_us > 0,
        .has_end = options->end_us > 0 || options->duration_us > 0,
        .start_us = options->start_us,
        .end_us =
            options->duration_us > 0 ? options->start_us + options->duration_us : options->end_us,
        .offset_us = offset_us,
    };
    if (!range->has_start && !range->has_end) {
        return MEDIA_OK;
    }
    const int64_t first_us = media_timing_start_us(format->start_time, AV_TIME_BASE_Q);
    if (range->has_start) {
        range->offset_us = -(first_us + range->start_us);
    }
    range->begin_us = first_us + range->start_us + range->offset_us;
    range->finish_us = first_us + range->end_us + range->offset_us;
    range->n_streams = format->nb_streams;
    range->stream_ended = calloc(format->nb_streams, sizeof *range->stream_ended);
    if (range->stream_ended == NULL) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    if (range->has_start && can_seek) {
        seek(range, format, stream);
    }
    return MEDIA_OK;
}

/* ------------------------------------------------------------------------------- the picture -- */

static bool is_before(int64_t time, AVRational time_base, int64_t limit_us)
{
    return av_compare_ts(time, time_base, limit_us, AV_TIME_BASE_Q) < 0;
}

static bool leaves_gap(const struct media_range *range, const AVFrame *frame,
                       const AVStream *stream)
{
    return !is_before(frame->pts, stream->time_base, range->begin_us + LONGEST_GAP_US);
}

static void move_to_begin(const struct media_range *range, AVFrame *frame, int64_t end,
                          const AVStream *stream)
{
    frame->pts = av_rescale_q(range->begin_us, AV_TIME_BASE_Q, stream->time_base);
    media_frame_set_duration(frame, end - frame->pts);
}

enum media_status media_range_filter_frame(struct media_range *range, AVFrame *frame,
                                           const AVStream *stream, bool *kept,
                                           struct media_error *error)
{
    *kept = false;
    if (range->has_end && !is_before(frame->pts, stream->time_base, range->finish_us)) {
        range->picture_ended = true;
        if (range->before != NULL && !range->began && leaves_gap(range, frame, stream)) {
            /* One frame is on screen throughout the range. */
            move_to_begin(range, range->before, frame->pts, stream);
            av_frame_unref(frame);
            av_frame_move_ref(frame, range->before);
            range->began = *kept = true;
            return MEDIA_OK;
        }
        av_frame_unref(frame);
        return MEDIA_OK;
    }
    if (range->began || !range->has_start) {
        range->began = *kept = true;
        return MEDIA_OK;
    }
    if (is_before(frame->pts, stream->time_base, range->begin_us)) {
        if (range->before == NULL) {
            range->before = av_frame_alloc();
            if (range->before == NULL) {
                return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
            }
        }
        av_frame_unref(range->before);
        av_frame_move_ref(range->before, frame);
        return MEDIA_OK;
    }
    range->began = *kept = true;
    if (range->before != NULL && leaves_gap(range, frame, stream)) {
        move_to_begin(range, range->before, frame->pts, stream);
        range->next = range->before;
        range->before = NULL;
        /* Exchange the two. */
        AVFrame *later = av_frame_alloc();
        if (later == NULL) {
            return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
        }
        av_frame_move_ref(later, frame);
        av_frame_move_ref(frame, range->next);
        av_frame_free(&range->next);
        range->next = later;
    }
    av_frame_free(&range->before);
    return MEDIA_OK;
}

bool media_range_take_next(struct media_range *range, AVFrame *frame)
{
    if (range->next == NULL) {
        return false;
    }
    av_frame_move_ref(frame, range->next);
    av_frame_free(&range->next);
    return true;
}

bool media_range_take_last(struct media_range *range, AVFrame *frame, const AVStream *stream)
{
    if (range->began || range->before == NULL || range->before->buf[0] == NULL) {
        return false;
    }
    const int64_t end = range->before->pts + media_frame_duration(range->before);
    if (is_before(end, stream->time_base, range->begin_us + 1)) {
        return false;
    }
    move_to_begin(range, range->before, end, stream);
    av_frame_move_ref(frame, range->before);
    range->began = true;
    return true;
}

/* ------------------------------------------------------------------------- the other streams -- */

static bool cut_subtitle(const struct media_range *range, AVPacket *packet, AVRational time_base)
{
    int64_t end = av_sat_add64(packet->pts, packet->duration);
    if (range->has_start && is_before(packet->pts, time_base, range->begin_us)) {
        if (is_before(end, time_base, range->begin_us + 1)) {
            return false;
        }
        packet->pts = packet->dts = av_rescale_q(range->begin_us, AV_TIME_BASE_Q, time_base);
    }
    if (range->has_end && !is_before(end, time_base, range->finish_us)) {
        end = av_rescale_q(range->finish_us, AV_TIME_BASE_Q, time_base);
    }
    packet->duration = end - packet->pts;
    return packet->duration > 0;
}

bool media_range_takes_packet(struct media_range *range, AVPacket *packet, const AVStream *stream)
{
    if (!range->has_start && !range->has_end) {
        return true;
    }
    if ((stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
        packet->pts = packet->dts =
            av_rescale_q(range->begin_us, AV_TIME_BASE_Q, stream->time_base);
        return true;
    }
    const int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (time == AV_NOPTS_VALUE) {
        return !range->has_start;
    }
    if (range->has_end && !is_before(time, stream->time_base, range->finish_us)) {
        if ((unsigned)packet->stream_index < range->n_streams) {
            range->stream_ended[packet->stream_index] = true;
        }
        range->far_behind |=
            !is_before(time, stream->time_base, range->finish_us + INTERLEAVING_US);
        return false;
    }
    if (stream->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE && packet->duration > 0 &&
        packet->pts != AV_NOPTS_VALUE) {
        return cut_subtitle(range, packet, stream->time_base);
    }
    return !range->has_start || !is_before(time, stream->time_base, range->begin_us);
}

bool media_range_takes_chapter(const struct media_range *range, AVChapter *chapter)
{
    const AVRational time_base = chapter->time_base;
    if (range->has_start) {
        const int64_t begin = av_rescale_q(range->begin_us, AV_TIME_BASE_Q, time_base);
        chapter->start = chapter->start < begin ? begin : chapter->start;
    }
    if (range->has_end) {
        const int64_t finish = av_rescale_q(range->finish_us, AV_TIME_BASE_Q, time_base);
        chapter->end = chapter->end > finish ? finish : chapter->end;
    }
    return chapter->start < chapter->end || (!range->has_start && !range->has_end);
}

bool media_range_is_over(const struct media_range *range, const AVFormatContext *format,
                         const AVStream *stream)
{
    if (!range->picture_ended || range->far_behind) {
        return range->picture_ended;
    }
    for (unsigned i = 0; i < range->n_streams; i++) {
        const AVStream *other = format->streams[i];
        if (other != stream && other->codecpar->codec_type == AVMEDIA_TYPE_AUDIO &&
            other->discard != AVDISCARD_ALL && !range->stream_ended[i]) {
            return false;
        }
    }
    return true;
}

uint64_t media_range_expected_frames(const struct media_range *range, uint64_t n_frames,
                                     AVRational frame_rate)
{
    if ((!range->has_start && !range->has_end) || n_frames == 0) {
        return n_frames;
    }
    if (frame_rate.num <= 0 || frame_rate.den <= 0) {
        return 0;
    }
    const AVRational frame_time = av_inv_q(frame_rate);
    const int64_t first = av_rescale_q(range->start_us, AV_TIME_BASE_Q, frame_time);
    int64_t last = (int64_t)n_frames;
    if (range->has_end) {
        const int64_t end = av_rescale_q(range->end_us, AV_TIME_BASE_Q, frame_time);
        last = end < last ? end : last;
    }
    return last > first ? (uint64_t)(last - first) : 0;
}

void media_range_free(struct media_range *range)
{
    av_frame_free(&range->before);
    av_frame_free(&range->next);
    free(range->stream_ended);
    range->stream_ended = NULL;
}
