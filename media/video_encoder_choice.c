/* SPDX-License-Identifier: MIT */
#include "media/video_encoder_choice.h"

#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/pixdesc.h>

#include "media/video_compat.h"
#include "media/video_encoder_options.h"
#include "media/video_sequence_output.h"

/* What the y4m muxer can describe; its "encoder" is not asked, it takes anything. */
static const enum AVPixelFormat y4m_formats[] = {
    AV_PIX_FMT_YUV420P,   AV_PIX_FMT_YUV422P,   AV_PIX_FMT_YUV444P,   AV_PIX_FMT_GRAY8,
    AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_GRAY10,
    AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV422P12, AV_PIX_FMT_YUV444P12, AV_PIX_FMT_GRAY12,
    AV_PIX_FMT_YUV420P16, AV_PIX_FMT_YUV422P16, AV_PIX_FMT_YUV444P16, AV_PIX_FMT_GRAY16,
    AV_PIX_FMT_YUV411P,   AV_PIX_FMT_NONE};

static const char *const usual_codecs[] = {"h264", "vp9", "av1", "hevc", "ffv1"};
static const char *const deep_codecs[] = {"hevc", "av1", "vp9", "h264", "ffv1"};
enum { N_DEFAULTS = sizeof usual_codecs / sizeof usual_codecs[0] };

bool media_encoder_is_y4m(const AVOutputFormat *muxer)
{
    return strcmp(muxer->name, "yuv4mpegpipe") == 0;
}

/* What the muxers say of themselves, except for promises that FFmpeg 5 breaks at the header. */
static bool holds(const AVOutputFormat *muxer, enum AVCodecID id)
{
    if (strcmp(muxer->name, "mov") == 0 && (id == AV_CODEC_ID_AV1 || id == AV_CODEC_ID_VP9)) {
        return false;
    }
    /* -1: it does not know; MPEG-TS then writes what no player takes. */
    int answer = avformat_query_codec(muxer, id, FF_COMPLIANCE_NORMAL);
    return strcmp(muxer->name, "mpegts") == 0
               ? id == AV_CODEC_ID_H264 || id == AV_CODEC_ID_HEVC || id == AV_CODEC_ID_MPEG2VIDEO ||
                     id == AV_CODEC_ID_MPEG1VIDEO || id == AV_CODEC_ID_MPEG4
               : answer != 0;
}

static int depth_of(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(format);
    return description != NULL ? description->comp[0].depth : 0;
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

/* A default for such samples in this container; NULL if it takes none of them. */
static const char *default_codec(const AVOutputFormat *muxer, enum AVPixelFormat source)
{
    const bool deep = source != AV_PIX_FMT_NONE && depth_of(source) > 8;
    const char *const *names = deep ? deep_codecs : usual_codecs;
    for (size_t i = 0; i < N_DEFAULTS; i++) {
        const AVCodec *candidate = media_encoder_candidate(names[i], 0);
        int loss;
        if (candidate == NULL || !holds(muxer, candidate->id)) {
            continue;
        }
        if (!deep ||
            depth_of(nearest_format(media_encoder_formats(candidate), source, &loss)) > 8) {
            return names[i];
        }
    }
    return deep ? default_codec(muxer, AV_PIX_FMT_NONE) : NULL;
}

bool media_video_encoder_fits(const AVOutputFormat *muxer)
{
    /* One file, any frame times. (AVI has a fixed rate; others write many files or to a network.)
     */
    static const char muxers[] =
        "mp4,mov,ipod,3gp,3g2,psp,ismv,f4v,matroska,webm,mpegts,nut,flv,yuv4mpegpipe";
    return av_match_name(muxer->name, muxers) &&
           (media_encoder_is_y4m(muxer) || default_codec(muxer, AV_PIX_FMT_NONE) != NULL);
}

/* The format that the user named, if the encoder is one that takes it. */
static enum media_status take_named_format(struct media_video_encoder *encoder, const char *name,
                                           const enum AVPixelFormat *formats,
                                           struct media_error *error)
{
    enum AVPixelFormat wanted = av_get_pix_fmt(name);
    if (wanted == AV_PIX_FMT_NONE) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "unknown pixel format \"%s\"; 'ffmpeg -pix_fmts' lists them", name);
    }
    wanted = media_colour_plain_format(wanted);
    char list[160] = "";
    for (const enum AVPixelFormat *f = formats; f != NULL && *f != AV_PIX_FMT_NONE; f++) {
        if (*f == wanted && sws_isSupportedOutput(wanted)) {
            encoder->format = wanted;
            return MEDIA_OK;
        }
        if (media_colour_plain_format(*f) == *f) {
            av_strlcatf(list, sizeof list, "%s%s", list[0] != '\0' ? ", " : "",
                        av_get_pix_fmt_name(*f));
        }
    }
    return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "%s does not take pixel format %s, but %s%s",
                      encoder->codec->name, name, list,
                      strlen(list) + 1 == sizeof list ? "..." : "");
}

static enum media_status choose_pictures(struct media_video_encoder *encoder,
                                         const struct media_video_options *options,
                                         enum AVPixelFormat source, struct media_error *error)
{
    int loss;
    const enum AVPixelFormat *formats;
    enum media_status status = media_sequence_choose(encoder, options, &formats, error);
    if (status != MEDIA_OK) {
        return status;
    }
    encoder->format = nearest_format(formats, source, &loss);
    return options->pix_fmt != NULL ? take_named_format(encoder, options->pix_fmt, formats, error)
                                    : MEDIA_OK;
}

/* Pictures come in RGB, but nearly all that plays a lossy video expects 4:2:0. */
static enum AVPixelFormat usual_source(const struct media_video_input *input, const char *name,
                                       enum AVPixelFormat source)
{
    const AVCodec *codec = name != NULL ? media_encoder_candidate(name, 0) : NULL;
    const AVCodecDescriptor *about = codec != NULL ? avcodec_descriptor_get(codec->id) : NULL;
    if (input->sequence == NULL || about == NULL || (about->props & AV_CODEC_PROP_LOSSY) == 0) {
        return source;
    }
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(source);
    const bool has_alpha = (description->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
    if (depth_of(source) > 8) {
        return has_alpha ? AV_PIX_FMT_YUVA420P10 : AV_PIX_FMT_YUV420P10;
    }
    return has_alpha ? AV_PIX_FMT_YUVA420P : AV_PIX_FMT_YUV420P;
}

static enum media_status choose_y4m(struct media_video_encoder *encoder,
                                    const struct media_video_options *options,
                                    enum AVPixelFormat source, struct media_error *error)
{
    if (options->codec != NULL || options->crf >= 0 || options->preset != NULL ||
        options->encoder_opts != NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "y4m is not compressed; leave --codec, --crf, --preset and "
                          "--encoder-opts out");
    }
    int loss;
    encoder->codec = avcodec_find_encoder(AV_CODEC_ID_WRAPPED_AVFRAME);
    if (encoder->codec == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "this build of FFmpeg cannot write y4m");
    }
    encoder->format = nearest_format(y4m_formats, source, &loss);
    return options->pix_fmt != NULL
               ? take_named_format(encoder, options->pix_fmt, y4m_formats, error)
               : MEDIA_OK;
}

/* The first encoder of this name that loses nothing of the source, else the first. */
static void find_encoder(struct media_video_encoder *encoder, const char *name,
                         enum AVPixelFormat source)
{
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
}

static void note_default(const struct media_job *job, const struct media_video_encoder *encoder,
                         enum AVPixelFormat source)
{
    int from = depth_of(source), to = depth_of(encoder->format);
    char line[160];
    if (from <= 8 || to <= 8 || job->on_note == NULL) {
        return;
    }
    snprintf(line, sizeof line,
             "%d bits per sample: encoded as %s of %d bits (%s); --codec chooses", from,
             avcodec_get_name(encoder->codec->id), to, encoder->codec->name);
    job->on_note(job->opaque, line);
}

enum media_status media_video_encoder_choose(struct media_video_encoder *encoder,
                                             const struct media_job *job,
                                             const struct media_video_options *options,
                                             const AVOutputFormat *muxer,
                                             const struct media_video_input *input,
                                             enum AVPixelFormat source, struct media_error *error)
{
    if (media_encoder_is_y4m(muxer)) {
        return choose_y4m(encoder, options, source, error);
    }
    if (media_encoder_is_sequence(muxer)) {
        return choose_pictures(encoder, options, source, error);
    }
    const bool by_default = options->codec == NULL;
    const char *name = by_default ? default_codec(muxer, source) : options->codec;
    if (!by_default && strcmp(options->codec, "copy-settings") == 0) {
        enum media_status status = media_encoder_settings_of(input, &encoder->settings, error);
        if (status != MEDIA_OK) {
            return status;
        }
        name = encoder->settings.codec;
    }
    const enum AVPixelFormat usual = usual_source(input, name, source);
    encoder->chose_coarser = usual != source;
    find_encoder(encoder, name, usual);
    if (encoder->codec == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "no encoder \"%s\" in this build of FFmpeg; --codec takes h264, hevc, "
                          "av1, vp9, ffv1, prores, copy-settings or an encoder's name",
                          name != NULL ? name : "?");
    }
    if (!holds(muxer, encoder->codec->id)) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "%s files cannot hold %s video; choose another --codec or write .mkv",
                          muxer->name, avcodec_get_name(encoder->codec->id));
    }
    if (options->pix_fmt != NULL) {
        return take_named_format(encoder, options->pix_fmt, media_encoder_formats(encoder->codec),
                                 error);
    }
    if (by_default) {
        note_default(job, encoder, source);
    }
    return MEDIA_OK;
}
