/* SPDX-License-Identifier: MIT */
#include "media/video_timecode.h"

#include <libavutil/timecode.h>

enum { MOST_FRAMES = 1000000000 };

/* How many frames of the input come before this one; 0 if that is not known. */
static int frames_before(const struct media_video_input *input, const AVFrame *first_frame,
                         AVRational rate)
{
    if (!input->range.has_start || rate.num <= 0 || rate.den <= 0) {
        return 0;
    }
    const int64_t begin_us =
        av_rescale_q(first_frame->pts, input->stream->time_base, AV_TIME_BASE_Q) -
        input->range.begin_us + input->range.start_us;
    const int64_t frames = av_rescale_q(begin_us, AV_TIME_BASE_Q, av_inv_q(rate));
    return frames > 0 && frames <= MOST_FRAMES ? (int)frames : 0;
}

static bool move(AVDictionary **metadata, AVRational rate, int frames)
{
    const AVDictionaryEntry *tag = av_dict_get(*metadata, "timecode", NULL, 0);
    AVTimecode code;
    char text[AV_TIMECODE_STR_SIZE];
    if (tag == NULL || av_timecode_init_from_string(&code, rate, tag->value, NULL) < 0) {
        return true;
    }
    code.flags |= AV_TIMECODE_FLAG_24HOURSMAX;
    av_timecode_make_string(&code, text, frames);
    return av_dict_set(metadata, "timecode", text, 0) >= 0;
}

bool media_timecode_move(AVFormatContext *to, const struct media_video_input *input,
                         const AVFrame *first_frame)
{
    AVStream *stream = input->stream;
    const AVRational rate = av_guess_frame_rate(input->format, stream, NULL);
    const int frames = frames_before(input, first_frame, rate);
    if (frames == 0) {
        return true;
    }
    bool ok = move(&to->metadata, rate, frames);
    for (unsigned i = 0; ok && i < to->nb_streams; i++) {
        ok = move(&to->streams[i]->metadata, rate, frames);
    }
    return ok;
}
