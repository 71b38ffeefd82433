/* SPDX-License-Identifier: MIT */
#include "media/video_encoder.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/pixdesc.h>

#include "media/video_compat.h"
#include "media/video_encoder_choice.h"
#include "media/video_encoder_options.h"
#include "media/video_log.h"
#include "media/video_sequence_output.h"

bool media_video_encoder_takes_captions(const struct media_video_encoder *encoder)
{
    return media_encoder_has_option(encoder->codec, "a53cc");
}

static void describe_picture(AVCodecContext *context, const struct media_video_picture *picture)
{
    context->time_base = picture->time_base;
    context->framerate = picture->frame_rate;
    context->sample_aspect_ratio = picture->sample_aspect_ratio;
    context->colorspace = picture->tags.matrix;
    context->color_range = picture->tags.range;
    context->color_primaries = picture->tags.primaries;
    context->color_trc = picture->tags.transfer;
    context->chroma_sample_location = picture->tags.chroma_location;
}

enum media_status media_video_encoder_open(struct media_video_encoder *encoder,
                                           const struct media_video_options *options,
                                           const AVOutputFormat *muxer,
                                           const struct media_video_picture *picture,
                                           struct media_error *error)
{
    encoder->packet = av_packet_alloc();
    encoder->context = avcodec_alloc_context3(encoder->codec);
    if (encoder->packet == NULL || encoder->context == NULL) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    AVCodecContext *context = encoder->context;
    context->bit_rate = 0; /* quality rules, not a default rate */
    context->width = picture->width_px;
    context->height = picture->height_px;
    enum media_status status = MEDIA_OK;
    if (media_encoder_is_sequence(muxer)) {
        status = media_sequence_set_options(context, options, error);
    } else if (!media_encoder_is_y4m(muxer)) {
        status =
            media_encoder_set_options(context, options, &encoder->settings, &picture->hdr, error);
    }
    if (status != MEDIA_OK) {
        return status;
    }
    describe_picture(context, picture);
    context->pix_fmt = encoder->format;
    if (options->encoder_threads > 0) {
        context->thread_count = (int)options->encoder_threads;
    }
    if ((muxer->flags & AVFMT_GLOBALHEADER) != 0) {
        context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    }
    /* SVT-AV1 prints to standard error by itself unless this is set; a user's own choice stays. */
    if (strcmp(encoder->codec->name, "libsvtav1") == 0 && setenv("SVT_LOG", "0", 0) != 0) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    media_video_log_begin();
    if (avcodec_open2(context, encoder->codec, NULL) < 0) {
        char log[200];
        media_video_log_last(log, sizeof log);
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "the encoder %s refuses %dx%d %s or its options (preset %s)%s",
                          encoder->codec->name, context->width, context->height,
                          av_get_pix_fmt_name(encoder->format),
                          options->preset != NULL ? options->preset : "medium", log);
    }
    return options->encoder_opts != NULL ? media_encoder_check_opened(context, error) : MEDIA_OK;
}

static bool remember_duration(struct media_video_encoder *encoder, const AVFrame *frame)
{
    if (encoder->n_in_flight == encoder->max_in_flight) {
        size_t max = encoder->max_in_flight > 0 ? 2 * encoder->max_in_flight : 64;
        struct frame_time *grown = realloc(encoder->in_flight, max * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        encoder->in_flight = grown;
        encoder->max_in_flight = max;
    }
    encoder->in_flight[encoder->n_in_flight++] =
        (struct frame_time){.pts = frame->pts, .duration = media_frame_duration(frame)};
    return true;
}

static void restore_duration(struct media_video_encoder *encoder, AVPacket *packet)
{
    for (size_t i = 0; i < encoder->n_in_flight; i++) {
        if (encoder->in_flight[i].pts == packet->pts) {
            packet->duration = encoder->in_flight[i].duration;
            encoder->in_flight[i] = encoder->in_flight[--encoder->n_in_flight];
            return;
        }
    }
}

static enum media_status fail_encoding(const struct media_video_encoder *encoder, int av_status,
                                       struct media_error *error)
{
    if (av_status == AVERROR(ENOMEM)) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    char reason[AV_ERROR_MAX_STRING_SIZE], log[200];
    av_make_error_string(reason, sizeof reason, av_status);
    media_video_log_last(log, sizeof log);
    return media_fail(error, MEDIA_ERROR_INTERNAL, "the encoder %s failed: %s%s",
                      encoder->codec->name, reason, log);
}

static enum media_status receive_packets(struct media_video_encoder *encoder,
                                         media_encoded_sink *sink, void *opaque,
                                         struct media_error *error)
{
    for (;;) {
        int av_status = avcodec_receive_packet(encoder->context, encoder->packet);
        if (av_status == AVERROR(EAGAIN) || av_status == AVERROR_EOF) {
            return MEDIA_OK;
        }
        if (av_status < 0) {
            return fail_encoding(encoder, av_status, error);
        }
        encoder->n_packets++;
        restore_duration(encoder, encoder->packet);
        enum media_status status = sink(opaque, encoder->packet, error);
        if (status != MEDIA_OK) {
            return status;
        }
    }
}

enum media_status media_video_encoder_send(struct media_video_encoder *encoder,
                                           const AVFrame *frame, media_encoded_sink *sink,
                                           void *opaque, struct media_error *error)
{
    if (frame != NULL) {
        if (!remember_duration(encoder, frame)) {
            return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
        }
        encoder->n_frames++;
    }
    int av_status = avcodec_send_frame(encoder->context, frame);
    if (av_status < 0) {
        return fail_encoding(encoder, av_status, error);
    }
    enum media_status status = receive_packets(encoder, sink, opaque, error);
    if (status == MEDIA_OK && frame == NULL && encoder->n_packets != encoder->n_frames) {
        return media_fail(error, MEDIA_ERROR_INTERNAL,
                          "the encoder %s made %llu frames of %llu; the video would be incomplete",
                          encoder->codec->name, (unsigned long long)encoder->n_packets,
                          (unsigned long long)encoder->n_frames);
    }
    return status;
}

/* SVT-AV1 never returns from its end unless it has had a picture. */
static void satisfy_svt(struct media_video_encoder *encoder)
{
    AVCodecContext *context = encoder->context;
    if (context == NULL || !avcodec_is_open(context) || encoder->n_frames > 0 ||
        strcmp(encoder->codec->name, "libsvtav1") != 0) {
        return;
    }
    AVFrame *frame = av_frame_alloc();
    if (frame != NULL) {
        frame->format = context->pix_fmt;
        frame->width = context->width;
        frame->height = context->height;
        frame->pts = 0;
        if (av_frame_get_buffer(frame, 0) >= 0) {
            for (int i = 0; i < AV_NUM_DATA_POINTERS && frame->buf[i] != NULL; i++) {
                memset(frame->buf[i]->data, 0, (size_t)frame->buf[i]->size);
            }
            avcodec_send_frame(context, frame);
        }
    }
    av_frame_free(&frame);
}

void media_video_encoder_close(struct media_video_encoder *encoder)
{
    satisfy_svt(encoder);
    avcodec_free_context(&encoder->context);
    av_packet_free(&encoder->packet);
    free(encoder->in_flight);
    encoder->in_flight = NULL;
}
