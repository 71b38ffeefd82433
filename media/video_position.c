/* SPDX-License-Identifier: MIT */
#include "media/video_position.h"

#include <inttypes.h>
#include <string.h>

#include <libavutil/avstring.h>

#include "media/video_log.h"

static enum media_status pass_over(void *opaque, AVPacket *packet, struct media_error *error)
{
    (void)opaque;
    (void)packet;
    (void)error;
    return MEDIA_OK;
}

enum media_status media_position_next(struct media_video_input *input, AVFrame *frame,
                                      bool *got_frame, struct media_error *error)
{
    av_frame_unref(frame);
    return media_video_input_read(input, frame, got_frame, pass_over, NULL, error);
}

void media_position_mark(const AVFrame *frame, struct media_frame_mark *mark)
{
    mark->pts = frame->pts;
    media_digest_of_frame(frame, mark->sha256);
}

static enum media_status fail_lost(const struct media_video_input *input, uint64_t number,
                                   struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_INPUT,
                      "frame %" PRIu64 " of %s is not what it was: the file or its decoder has "
                      "changed; begin anew",
                      number, input->name);
}

static bool is_marked(const AVFrame *frame, const struct media_frame_mark *mark)
{
    struct media_frame_mark found;
    if (frame->pts != mark->pts) {
        return false;
    }
    media_position_mark(frame, &found);
    return strcmp(found.sha256, mark->sha256) == 0;
}

/* ----------------------------------------------------------------------------------- by seeking */

/* Containers with an index of the whole stream and timestamps that need no counting. */
static bool can_seek(const struct media_video_input *input)
{
    const char *name = input->format->iformat->name;
    return media_video_input_is_file(input) &&
           (av_match_name("mp4", name) || av_match_name("matroska", name) ||
            av_match_name("image2", name));
}

/* Decodes from a keyframe `early_s` before the frame or more. *found is false if the frame does not
 * come out as it should. */
static enum media_status try_seek(struct media_video_input *input,
                                  const struct media_frame_mark *mark, int early_s, AVFrame *frame,
                                  bool *found, struct media_error *error)
{
    AVRational time_base = input->stream->time_base;
    int64_t early_us = input->offset_us + (int64_t)early_s * AV_TIME_BASE;
    int64_t target = mark->pts - av_rescale_q(early_us, AV_TIME_BASE_Q, time_base);
    *found = false;
    if (avformat_seek_file(input->format, input->stream->index, INT64_MIN, target, target, 0) < 0) {
        return MEDIA_OK;
    }
    avcodec_flush_buffers(input->decoder);
    input->demuxer_ended = false;
    av_frame_free(&input->range.next);
    input->last_dts_us = AV_NOPTS_VALUE;
    input->last_pts = AV_NOPTS_VALUE;
    input->last_duration = 0;
    for (;;) {
        bool got_frame;
        enum media_status status = media_position_next(input, frame, &got_frame, error);
        if (status != MEDIA_OK) {
            return status;
        }
        if (!got_frame || frame->pts > mark->pts) {
            return MEDIA_OK;
        }
        if (frame->pts == mark->pts) {
            *found = is_marked(frame, mark);
            return MEDIA_OK;
        }
    }
}

static enum media_status seek(struct media_video_input *input, const struct media_frame_mark *mark,
                              AVFrame *frame, bool *found, struct media_error *error)
{
    /* The picture may need references from before the nearest keyframe (open GOPs), and some
     * demuxers go by decoding times. */
    static const int early_s[] = {0, 1, 10};
    for (size_t i = 0; i < sizeof early_s / sizeof early_s[0]; i++) {
        enum media_status status = try_seek(input, mark, early_s[i], frame, found, error);
        if (status != MEDIA_OK || *found) {
            return status;
        }
    }
    return MEDIA_OK;
}

/* ---------------------------------------------------------------------------------- linearly -- */

enum media_status media_position_first(struct media_video_input *input, const char *path,
                                       const struct media_video_options *options,
                                       const atomic_bool *cancel, AVFrame *frame,
                                       struct media_error *error)
{
    bool got_frame = false;
    enum media_status status = media_video_input_open(input, path, options, cancel, error);
    if (status == MEDIA_OK) {
        status = media_position_next(input, frame, &got_frame, error);
    }
    if (status == MEDIA_OK && !got_frame) {
        char log[200];
        media_video_log_last(log, sizeof log);
        status = media_fail(error, MEDIA_ERROR_INPUT, "no frame of %s could be decoded%s",
                            input->name, log);
    }
    return status;
}

static enum media_status decode_up_to(struct media_video_input *input, uint64_t number,
                                      const struct media_frame_mark *mark, AVFrame *frame,
                                      struct media_error *error)
{
    bool got_frame = true;
    enum media_status status = MEDIA_OK;
    while (status == MEDIA_OK && got_frame && input->n_frames <= number) {
        status = media_position_next(input, frame, &got_frame, error);
    }
    if (status == MEDIA_OK && (!got_frame || !is_marked(frame, mark))) {
        status = fail_lost(input, number, error);
    }
    return status;
}

enum media_status media_position_at(struct media_video_input *input, const char *path,
                                    const struct media_video_options *options,
                                    const atomic_bool *cancel, uint64_t number,
                                    const struct media_frame_mark *mark, bool linear,
                                    AVFrame *frame, struct media_error *error)
{
    enum media_status status = media_position_first(input, path, options, cancel, frame, error);
    if (status != MEDIA_OK || number == 0) {
        return status;
    }
    bool found = false;
    if (!linear && can_seek(input)) {
        status = seek(input, mark, frame, &found, error);
        if (status == MEDIA_ERROR_CANCELLED || status == MEDIA_ERROR_MEMORY) {
            return status;
        }
        if (status == MEDIA_OK && found) {
            input->n_decoded = input->n_frames = number + 1;
            input->n_damaged = input->n_faulty = 0;
            return MEDIA_OK;
        }
        media_video_input_close(input);
        status = media_position_first(input, path, options, cancel, frame, error);
    }
    return status == MEDIA_OK ? decode_up_to(input, number, mark, frame, error) : status;
}
