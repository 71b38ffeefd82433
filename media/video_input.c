/* SPDX-License-Identifier: MIT */
#include "media/video_input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "media/video_log.h"
#include "media/video_losses.h"
#include "media/video_timing.h"

enum {
    MAX_ERRORS_IN_A_ROW = 64, /* then feed the decoder: it may be stuck on what it has */
};

static bool is_set(const atomic_bool *flag)
{
    return flag != NULL && atomic_load(flag);
}

enum media_status media_video_input_fail(const struct media_video_input *input, int av_status,
                                         const char *what, struct media_error *error)
{
    if (av_status == AVERROR(ENOMEM)) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    if (av_status == AVERROR_EXIT || (input->sequence != NULL && is_set(input->sequence->cancel))) {
        return media_fail(error, MEDIA_ERROR_CANCELLED, "cancelled");
    }
    if (input->sequence != NULL && input->sequence->failure.message[0] != '\0') {
        return media_fail(error, MEDIA_ERROR_INPUT, "%s", input->sequence->failure.message);
    }
    if (input->io.error_number != 0) {
        return media_fail(error, MEDIA_ERROR_INPUT, "cannot read %s: %s", input->name,
                          strerror(input->io.error_number));
    }
    char reason[AV_ERROR_MAX_STRING_SIZE], log[200];
    av_make_error_string(reason, sizeof reason, av_status);
    media_video_log_last(log, sizeof log);
    /* An errno that the system did not give means nothing where there are words. */
    const bool is_errno = av_status > -256;
    return is_errno && log[0] != '\0'
               ? media_fail(error, MEDIA_ERROR_INPUT, "%s %s%s", what, input->name, log)
               : media_fail(error, MEDIA_ERROR_INPUT, "%s %s: %s%s", what, input->name, reason,
                            log);
}

/* Of a packet of the picture: do all that follow belong behind the range? */
static bool ends_picture(const struct media_video_input *input, const AVPacket *packet)
{
    return input->range.has_end && packet->dts != AV_NOPTS_VALUE &&
           av_compare_ts(packet->dts, input->stream->time_base, input->range.finish_us,
                         AV_TIME_BASE_Q) >= 0;
}

enum media_status media_video_input_pass(struct media_video_input *input, AVPacket *packet,
                                         bool *ended, struct media_error *error)
{
    *ended = false;
    while (!media_range_is_over(&input->range, input->format, input->stream)) {
        int av_status = av_read_frame(input->format, packet);
        if (av_status == AVERROR(EAGAIN)) {
            continue;
        }
        if (av_status == AVERROR_EXIT || av_status == AVERROR(ENOMEM) ||
            (av_status < 0 && input->io.error_number != 0)) {
            return media_video_input_fail(input, av_status, "cannot read", error);
        }
        if (av_status < 0) {
            break;
        }
        const AVStream *stream = input->format->streams[packet->stream_index];
        media_timing_of_packet(input, packet, stream);
        if (stream == input->stream) {
            input->range.picture_ended |= ends_picture(input, packet);
        } else if (media_range_takes_packet(&input->range, packet, stream)) {
            return MEDIA_OK;
        }
        av_packet_unref(packet);
    }
    *ended = true;
    return MEDIA_OK;
}

static void note_damage(struct media_video_input *input)
{
    input->n_damaged++;
    if (input->sequence != NULL) {
        media_video_sequence_note_damage(input->sequence);
    }
}

/* Reads one packet and hands it to the decoder or to the sink. */
static enum media_status read_packet(struct media_video_input *input, media_packet_sink *sink,
                                     void *opaque, struct media_error *error)
{
    AVPacket *packet = input->packet;
    int av_status = av_read_frame(input->format, packet);
    if (av_status == AVERROR(EAGAIN)) {
        return MEDIA_OK;
    }
    if (av_status < 0) {
        if (av_status == AVERROR_EXIT || av_status == AVERROR(ENOMEM) ||
            input->io.error_number != 0 ||
            (input->sequence != NULL && !media_video_sequence_is_at_end(input->sequence))) {
            return media_video_input_fail(input, av_status, "cannot read", error);
        }
        /* Damage that the demuxer cannot get over ends the file early: keep what came before. */
        input->n_damaged += av_status != AVERROR_EOF;
        input->demuxer_ended = true;
        avcodec_send_packet(input->decoder, NULL);
        return MEDIA_OK;
    }
    const AVStream *stream = input->format->streams[packet->stream_index];
    enum media_status status = MEDIA_OK;
    if (input->sequence != NULL &&
        !media_video_sequence_take(input->sequence, stream->codecpar->codec_id, packet)) {
        note_damage(input);
    }
    media_timing_of_packet(input, packet, stream);
    if (stream != input->stream) {
        if (media_range_takes_packet(&input->range, packet, stream)) {
            status = sink(opaque, packet, error);
        }
    } else if (!input->range.picture_ended) {
        av_status = avcodec_send_packet(input->decoder, packet);
        if (av_status == AVERROR(ENOMEM)) {
            status = media_video_input_fail(input, av_status, "cannot decode", error);
        } else if (av_status < 0 || (packet->flags & AV_PKT_FLAG_CORRUPT) != 0) {
            note_damage(input);
        }
    }
    av_packet_unref(packet);
    return status;
}

/* What other streams have in the range and the file behind its last frame. */
static enum media_status read_rest(struct media_video_input *input, media_packet_sink *sink,
                                   void *opaque, struct media_error *error)
{
    enum media_status status = MEDIA_OK;
    while (status == MEDIA_OK && !input->demuxer_ended &&
           !media_range_is_over(&input->range, input->format, input->stream)) {
        status = read_packet(input, sink, opaque, error);
    }
    return status;
}

/* A decoded frame: *kept if it is one of the range. Damage before the range is not the output's. */
static enum media_status take_decoded(struct media_video_input *input, AVFrame *frame, bool *kept,
                                      struct media_error *error)
{
    const bool had_begun = input->range.began;
    if (input->sequence != NULL && !media_video_sequence_describe(input->sequence, frame)) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    media_timing_of_frame(input, frame);
    enum media_status status =
        media_range_filter_frame(&input->range, frame, input->stream, kept, error);
    if (input->range.has_start && !had_begun) {
        input->n_damaged = input->n_retimed = 0;
    }
    if (status == MEDIA_OK && *kept) {
        const bool is_faulty =
            (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame->decode_error_flags != 0;
        input->n_faulty += is_faulty;
        if (is_faulty && input->sequence != NULL) {
            media_video_sequence_note_damage(input->sequence);
        }
        status =
            media_losses_of_frame(frame, input->stream, input->allow_lossy, &input->losses, error);
    }
    return status;
}

/* Each picture is a file of its own: one that is left out would move all that follow. */
static enum media_status check_pictures(const struct media_video_input *input,
                                        struct media_error *error)
{
    if (!input->sequence->is_damaged) {
        return MEDIA_OK;
    }
    char log[200];
    char *name = media_video_sequence_damaged(input->sequence);
    media_video_log_last(log, sizeof log);
    enum media_status status;
    if (strstr(log, "exceeds specified max pixel count") != NULL) {
        status = media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                            "%s is too large: at most %" PRId64
                            " pixels are taken; --max-pixels sets the limit",
                            name != NULL ? name : input->name, input->max_frame_px);
    } else {
        status = media_fail(error, MEDIA_ERROR_INPUT, "%s is damaged and cannot be decoded%s",
                            name != NULL ? name : input->name, log);
    }
    free(name);
    return status;
}

static enum media_status check_damage(const struct media_video_input *input,
                                      struct media_error *error)
{
    const bool counts = input->range.began || !input->range.has_start;
    if (input->sequence != NULL) {
        return check_pictures(input, error);
    }
    if (!input->strict || !counts || input->n_damaged + input->n_faulty == 0) {
        return MEDIA_OK;
    }
    char log[200];
    media_video_log_last(log, sizeof log);
    return media_fail(error, MEDIA_ERROR_INPUT,
                      "%s is damaged behind frame %" PRIu64 ", and --strict stops there%s",
                      input->name, input->n_decoded, log);
}

static enum media_status decode(struct media_video_input *input, AVFrame *frame, bool *got_frame,
                                media_packet_sink *sink, void *opaque, struct media_error *error)
{
    int n_errors = 0;
    *got_frame = media_range_take_next(&input->range, frame);
    while (!*got_frame) {
        if (input->range.picture_ended) {
            return read_rest(input, sink, opaque, error);
        }
        int av_status = avcodec_receive_frame(input->decoder, frame);
        if (av_status >= 0) {
            enum media_status status = take_decoded(input, frame, got_frame, error);
            if (status != MEDIA_OK) {
                return status;
            }
            continue;
        }
        if (av_status == AVERROR(ENOMEM)) {
            return media_video_input_fail(input, av_status, "cannot decode", error);
        }
        if (av_status == AVERROR_EOF) {
            *got_frame = media_range_take_last(&input->range, frame, input->stream);
            return MEDIA_OK;
        }
        if (av_status != AVERROR(EAGAIN) && n_errors < MAX_ERRORS_IN_A_ROW) {
            note_damage(input);
            n_errors++;
        } else if (input->demuxer_ended) {
            return MEDIA_OK; /* a decoder that forgets to report its end */
        } else {
            enum media_status status = read_packet(input, sink, opaque, error);
            if (status != MEDIA_OK) {
                return status;
            }
        }
    }
    return MEDIA_OK;
}

static enum media_status read_frame(struct media_video_input *input, AVFrame *frame,
                                    bool *got_frame, media_packet_sink *sink, void *opaque,
                                    struct media_error *error)
{
    struct media_deinterlacer *deinterlacer = &input->deinterlacer;
    for (;;) {
        enum media_status status =
            media_deinterlacer_receive(deinterlacer, frame, got_frame, error);
        if (status != MEDIA_OK || *got_frame || deinterlacer->at_end) {
            return status;
        }
        status = decode(input, frame, got_frame, sink, opaque, error);
        if (status == MEDIA_OK) {
            status = check_damage(input, error);
        }
        if (status != MEDIA_OK) {
            return status;
        }
        input->n_decoded += *got_frame;
        if (*got_frame && !media_deinterlacer_wants(deinterlacer, frame)) {
            return MEDIA_OK;
        }
        status =
            media_deinterlacer_send(deinterlacer, *got_frame ? frame : NULL, input->stream, error);
        if (status != MEDIA_OK) {
            return status;
        }
    }
}

enum media_status media_video_input_read(struct media_video_input *input, AVFrame *frame,
                                         bool *got_frame, media_packet_sink *sink, void *opaque,
                                         struct media_error *error)
{
    enum media_status status = read_frame(input, frame, got_frame, sink, opaque, error);
    input->n_frames += status == MEDIA_OK && *got_frame;
    return status;
}

bool media_video_input_is_file(const struct media_video_input *input)
{
    return input->sequence != NULL || input->io.regular_file;
}

void media_video_input_close(struct media_video_input *input)
{
    media_deinterlacer_free(&input->deinterlacer);
    media_range_free(&input->range);
    avcodec_free_context(&input->decoder);
    media_video_sequence_close(&input->sequence, &input->format);
    av_packet_free(&input->packet);
    media_video_io_close(&input->io);
}
