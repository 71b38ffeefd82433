/* SPDX-License-Identifier: MIT */
#include "media/video_encoder.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/pixdesc.h>

#include "media/video_compat.h"
#include "media/video_encoder_options.h"
#include "media/video_log.h"

/* What the y4m muxer can describe; its "encoder" is not asked, it takes anything. */
static const enum AVPixelFormat y4m_formats[] = {
    AV_PIX_FMT_YUV420P,   AV_PIX_FMT_YUV422P,   AV_PIX_FMT_YUV444P,   AV_PIX_FMT_GRAY8,
    AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_GRAY10,
    AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV422P12, AV_PIX_FMT_YUV444P12, AV_PIX_FMT_GRAY12,
    AV_PIX_FMT_YUV420P16, AV_PIX_FMT_YUV422P16, AV_PIX_FMT_YUV444P16, AV_PIX_FMT_GRAY16,
    AV_PIX_FMT_YUV411P,   AV_PIX_FMT_NONE};

static bool is_y4m(const AVOutputFormat *muxer)
{
    return strcmp(muxer->name, "yuv4mpegpipe") == 0;
}

/* The first of our codecs that the muxer takes or does not know about (MPEG-TS), NULL if none. */
static const char *default_codec(const AVOutputFormat *muxer)
{
    static const struct {
        const char *name;
        enum AVCodecID id;
    } codecs[] = {{"h264", AV_CODEC_ID_H264},
                  {"vp9", AV_CODEC_ID_VP9},
                  {"av1", AV_CODEC_ID_AV1},
                  {"hevc", AV_CODEC_ID_HEVC},
                  {"ffv1", AV_CODEC_ID_FFV1}};
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        if (avformat_query_codec(muxer, codecs[i].id, FF_COMPLIANCE_NORMAL) != 0) {
            return codecs[i].name;
        }
    }
    return NULL;
}

bool media_video_encoder_fits(const AVOutputFormat *muxer)
{
    /* One file, any frame times. (AVI has a fixed rate; others write many files or to a network.)
     */
    static const char muxers[] =
        "mp4,mov,ipod,3gp,3g2,psp,ismv,f4v,matroska,webm,mpegts,nut,flv,yuv4mpegpipe";
    return av_match_name(muxer->name, muxers) && (is_y4m(muxer) || default_codec(muxer) != NULL);
}

/* The format of `formats` that loses least of `source`; *loss is FFmpeg's set of FF_LOSS_ bits. */
static enum AVPixelFormat nearest_format(const enum AVPixelFormat *formats,
                                         enum AVPixelFormat source, int *loss)
{
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(source);
    int has_alpha = (description->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
    enum AVPixelFormat best = AV_PIX_FMT_NONE;
    *loss = 0;
    if (formats == NULL) {
        return source;
    }
    for (; *formats != AV_PIX_FMT_NONE; formats++) {
        const AVPixFmtDescriptor *candidate = av_pix_fmt_desc_get(*formats);
        bool usable = candidate != NULL && (candidate->flags & AV_PIX_FMT_FLAG_HWACCEL) == 0 &&
                      media_colour_plain_format(*formats) == *formats &&
                      sws_isSupportedOutput(*formats);
        if (usable) {
            best = best == AV_PIX_FMT_NONE
                       ? *formats
                       : av_find_best_pix_fmt_of_2(best, *formats, source, has_alpha, NULL);
        }
    }
    if (best != AV_PIX_FMT_NONE) {
        *loss = av_get_pix_fmt_loss(best, source, has_alpha);
    }
    return best;
}

static enum media_status choose_y4m(struct media_video_encoder *encoder,
                                    const struct media_video_options *options,
                                    enum AVPixelFormat source, struct media_error *error)
{
    if (options->codec != NULL || options->crf >= 0 || options->preset != NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "y4m is not compressed; leave --codec, --crf and --preset out");
    }
    int loss;
    encoder->codec = avcodec_find_encoder(AV_CODEC_ID_WRAPPED_AVFRAME);
    encoder->format = nearest_format(y4m_formats, source, &loss);
    if (encoder->codec == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "this build of FFmpeg cannot write y4m");
    }
    return MEDIA_OK;
}

enum media_status media_video_encoder_choose(struct media_video_encoder *encoder,
                                             const struct media_video_options *options,
                                             const AVOutputFormat *muxer, enum AVPixelFormat source,
                                             struct media_error *error)
{
    if (is_y4m(muxer)) {
        return choose_y4m(encoder, options, source, error);
    }
    const char *name = options->codec != NULL ? options->codec : default_codec(muxer);
    int best_loss = 0;
    const AVCodec *candidate;
    for (unsigned i = 0; name != NULL && (candidate = media_encoder_candidate(name, i)) != NULL;
         i++) {
        int loss;
        enum AVPixelFormat format = nearest_format(media_encoder_formats(candidate), source, &loss);
        if (format != AV_PIX_FMT_NONE &&
            (encoder->codec == NULL || (best_loss != 0 && loss == 0))) {
            encoder->codec = candidate;
            encoder->format = format;
            best_loss = loss;
        }
    }
    if (encoder->codec == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "no encoder \"%s\" in this build of FFmpeg; --codec takes h264, hevc, "
                          "av1, vp9, ffv1 or an encoder's name",
                          name != NULL ? name : "?");
    }
    if (avformat_query_codec(muxer, encoder->codec->id, FF_COMPLIANCE_NORMAL) == 0) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "%s files cannot hold %s video; choose another --codec or write .mkv",
                          muxer->name, avcodec_get_name(encoder->codec->id));
    }
    return MEDIA_OK;
}

static void describe_picture(AVCodecContext *context, const struct media_video_picture *picture)
{
    context->width = picture->width_px;
    context->height = picture->height_px;
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
    describe_picture(context, picture);
    context->pix_fmt = encoder->format;
    context->thread_count = (int)options->encoder_threads;
    context->bit_rate = 0; /* quality rules, not a default rate */
    if ((muxer->flags & AVFMT_GLOBALHEADER) != 0) {
        context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    }
    AVDictionary *dictionary = NULL;
    enum media_status status =
        is_y4m(muxer) ? MEDIA_OK
                      : media_encoder_make_options(encoder->codec, options, &dictionary, error);
    /* SVT-AV1 prints to standard error by itself unless this is set; a user's own choice stays. */
    if (status == MEDIA_OK && strcmp(encoder->codec->name, "libsvtav1") == 0 &&
        setenv("SVT_LOG", "0", 0) != 0) {
        status = media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    if (status == MEDIA_OK && avcodec_open2(context, encoder->codec, &dictionary) < 0) {
        char log[200];
        media_video_log_last(log, sizeof log);
        status = media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                            "the encoder %s refuses %dx%d %s or its options (preset %s)%s",
                            encoder->codec->name, context->width, context->height,
                            av_get_pix_fmt_name(encoder->format),
                            options->preset != NULL ? options->preset : "medium", log);
    }
    av_dict_free(&dictionary);
    return status;
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

void media_video_encoder_close(struct media_video_encoder *encoder)
{
    avcodec_free_context(&encoder->context);
    av_packet_free(&encoder->packet);
    free(encoder->in_flight);
    encoder->in_flight = NULL;
}
