/* SPDX-License-Identifier: MIT */
#include "media/video_limits.h"

#include <inttypes.h>

#include <libavutil/avstring.h>

enum media_status media_video_limits_check_format(const struct media_video_limits *limits,
                                                  const char *name, const AVInputFormat *format,
                                                  struct media_error *error)
{
    if (limits == NULL || limits->demuxers == NULL) {
        return MEDIA_OK;
    }
    for (const char *const *each = limits->demuxers; *each != NULL; each++) {
        if (av_match_name(*each, format->name)) {
            return MEDIA_OK;
        }
    }
    return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                      "%s is in a format that is not taken here (%s); MP4, MOV, MKV or WebM are",
                      name, format->name);
}

/* By the stream's header or the file's; 0: they do not tell. */
static double duration_s(const struct media_video_input *input)
{
    const AVStream *stream = input->stream;
    if (stream->duration > 0 && stream->duration != AV_NOPTS_VALUE) {
        return (double)stream->duration * av_q2d(stream->time_base);
    }
    return input->format->duration > 0 ? (double)input->format->duration / AV_TIME_BASE : 0;
}

enum media_status media_video_limits_check_stream(const struct media_video_limits *limits,
                                                  const struct media_video_input *input,
                                                  struct media_error *error)
{
    if (limits == NULL) {
        return MEDIA_OK;
    }
    if (limits->max_duration_s != 0 && duration_s(input) > limits->max_duration_s) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "%s lasts %.0f s, more than the limit of %" PRIu32 " s", input->name,
                          duration_s(input), limits->max_duration_s);
    }
    return MEDIA_OK;
}
