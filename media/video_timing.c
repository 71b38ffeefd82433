/* SPDX-License-Identifier: MIT */
#include "media/video_timing.h"

#include <libavutil/avstring.h>
#include <libavutil/common.h>

#include "media/video_compat.h"

enum {
    TOLERATED_GAP_US = 500000, /* headers are often a frame or two wrong */
    DISCONTINUITY_US = 10 * 1000000
};

static const int64_t max_time_us = (int64_t)1 << 52; /* 142 years, and still safe in nanoseconds */

void media_timing_begin(struct media_video_input *input)
{
    input->last_dts_us = AV_NOPTS_VALUE;
    input->last_end_us = AV_NOPTS_VALUE;
    input->last_pts = AV_NOPTS_VALUE;
    /* Transport streams start at any time of day. Other containers mean their start. */
    int64_t start_us = input->format->start_time;
    if ((input->format->iformat->flags & AVFMT_TS_DISCONT) != 0 && start_us > -max_time_us &&
        start_us < max_time_us) {
        input->offset_us = -start_us;
    }
}

/* Clocks of transport streams jump, for instance where recordings were joined; what follows a jump
 * is moved so that it goes on where the part before it ended. */
static void follow_clock(struct media_video_input *input, const AVPacket *packet,
                         const AVStream *stream)
{
    if ((input->format->iformat->flags & AVFMT_TS_DISCONT) == 0 || stream != input->stream ||
        packet->dts == AV_NOPTS_VALUE) {
        return;
    }
    int64_t dts_us = av_rescale_q(packet->dts, stream->time_base, AV_TIME_BASE_Q);
    int64_t jump_us = input->last_dts_us != AV_NOPTS_VALUE ? dts_us - input->last_dts_us : 0;
    if (jump_us > DISCONTINUITY_US || jump_us < -DISCONTINUITY_US) {
        int64_t frame_us =
            av_rescale_q(media_timing_frame_duration(input), stream->time_base, AV_TIME_BASE_Q);
        input->offset_us -= jump_us - frame_us;
    }
    input->last_dts_us = dts_us;
}

/* A time that a damaged file made up must not overflow what is reckoned with it. */
static bool is_plausible(int64_t time, const AVStream *stream)
{
    int64_t time_us = av_rescale_q(time, stream->time_base, AV_TIME_BASE_Q);
    return time_us > -max_time_us && time_us < max_time_us;
}

int64_t media_timing_start_us(int64_t start, AVRational time_base)
{
    const int64_t start_us =
        start != AV_NOPTS_VALUE ? av_rescale_q(start, time_base, AV_TIME_BASE_Q) : 0;
    return start_us > -max_time_us && start_us < max_time_us ? start_us : 0;
}

static void drop_implausible_times(AVPacket *packet, const AVStream *stream)
{
    if (packet->pts != AV_NOPTS_VALUE && !is_plausible(packet->pts, stream)) {
        packet->pts = AV_NOPTS_VALUE;
    }
    if (packet->dts != AV_NOPTS_VALUE && !is_plausible(packet->dts, stream)) {
        packet->dts = AV_NOPTS_VALUE;
    }
    if (packet->duration < 0 || !is_plausible(packet->duration, stream)) {
        packet->duration = 0;
    }
}

static void apply_offset(struct media_video_input *input, AVPacket *packet, const AVStream *stream)
{
    follow_clock(input, packet, stream);
    int64_t offset = av_rescale_q(input->offset_us, AV_TIME_BASE_Q, stream->time_base);
    if (packet->pts != AV_NOPTS_VALUE) {
        packet->pts += offset;
    }
    if (packet->dts != AV_NOPTS_VALUE) {
        packet->dts += offset;
    }
}

static void note_end(struct media_video_input *input, const AVPacket *packet,
                     const AVStream *stream)
{
    int64_t start = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (start != AV_NOPTS_VALUE) {
        int64_t end_us =
            av_rescale_q(av_sat_add64(start, packet->duration), stream->time_base, AV_TIME_BASE_Q);
        if (input->last_end_us == AV_NOPTS_VALUE || end_us > input->last_end_us) {
            input->last_end_us = end_us;
        }
    }
}

void media_timing_of_packet(struct media_video_input *input, AVPacket *packet,
                            const AVStream *stream)
{
    drop_implausible_times(packet, stream);
    note_end(input, packet, stream);
    apply_offset(input, packet, stream);
}

void media_timing_of_frame(struct media_video_input *input, AVFrame *frame)
{
    int64_t duration = media_frame_duration(frame);
    if (duration <= 0) {
        duration = media_timing_frame_duration(input);
        media_frame_set_duration(frame, duration);
    }
    frame->pts = frame->best_effort_timestamp;
    if (frame->pts == AV_NOPTS_VALUE) {
        /* With a known length of the frame before it that is no guess: AVI and program streams
         * leave times out where they follow from the frame rate. */
        int64_t step = input->last_duration > 0 ? input->last_duration : 1;
        input->n_retimed += input->last_pts != AV_NOPTS_VALUE && input->last_duration <= 0;
        frame->pts = input->last_pts != AV_NOPTS_VALUE ? input->last_pts + step : 0;
    } else if (input->last_pts != AV_NOPTS_VALUE && frame->pts <= input->last_pts) {
        frame->pts = input->last_pts + 1; /* late is better than lost */
        input->n_retimed++;
    }
    input->last_pts = frame->pts;
    input->last_duration = duration;
}

static uint64_t frames_in_file(const struct media_video_input *input)
{
    const AVStream *stream = input->stream;
    if (stream->nb_frames > 0) {
        return (uint64_t)stream->nb_frames;
    }
    if (stream->avg_frame_rate.num <= 0 || stream->avg_frame_rate.den <= 0) {
        return 0;
    }
    AVRational frame_time = av_inv_q(stream->avg_frame_rate);
    int64_t n_frames = 0;
    if (stream->duration > 0) {
        n_frames = av_rescale_q(stream->duration, stream->time_base, frame_time);
    } else if (input->format->duration > 0) {
        n_frames = av_rescale_q(input->format->duration, AV_TIME_BASE_Q, frame_time);
    }
    return n_frames > 0 ? (uint64_t)n_frames : 0;
}

uint64_t media_timing_expected_frames(const struct media_video_input *input)
{
    return media_range_expected_frames(&input->range, frames_in_file(input),
                                       input->stream->avg_frame_rate);
}

int64_t media_timing_frame_duration(const struct media_video_input *input)
{
    AVRational rate = input->stream->avg_frame_rate;
    if (rate.num <= 0 || rate.den <= 0) {
        rate = input->stream->r_frame_rate;
    }
    return rate.num > 0 && rate.den > 0 ? av_rescale_q(1, av_inv_q(rate), input->stream->time_base)
                                        : 0;
}

double media_timing_missing_seconds(const struct media_video_input *input)
{
    const AVFormatContext *format = input->format;
    if (input->range.has_end) {
        return 0; /* the rest was not wanted */
    }
    /* A stream that is not read might be the longest one. */
    for (unsigned i = 0; i < format->nb_streams; i++) {
        if (format->streams[i]->discard == AVDISCARD_ALL) {
            return 0;
        }
    }
    if (format->duration <= 0 || format->duration >= max_time_us ||
        input->last_end_us == AV_NOPTS_VALUE ||
        format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE) {
        return 0;
    }
    /* Matroska's duration is the time at the end, others' is from the first picture or sound. */
    bool from_zero = av_match_name("matroska", format->iformat->name);
    int64_t start_us = from_zero ? 0 : media_timing_start_us(format->start_time, AV_TIME_BASE_Q);
    int64_t missing_us = start_us + format->duration - input->last_end_us;
    return missing_us >= TOLERATED_GAP_US ? (double)missing_us / AV_TIME_BASE : 0;
}
