/* SPDX-License-Identifier: MIT */
#include "media/video_input.h"

#include <inttypes.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/cpu.h>
#include <libavutil/mem.h>

#include "media/video_limits.h"
#include "media/video_timing.h"

enum {
    MAX_DECODER_THREADS = 4, /* decoding is a small part of the work; each thread holds frames */
    DEFAULT_MAX_FRAME_PX = 1 << 26,
};

/* Demuxers that open further files (an input must not decide which files are read), and one that
 * takes any text for a film. */
static const char *const refused_demuxers[] = {"concat", "hls",  "dash",     "imf", "image2",
                                               "sdp",    "rtsp", "avisynth", "tty", "vapoursynth"};

static int is_cancelled(void *opaque)
{
    const atomic_bool *cancel = opaque;
    return cancel != NULL && atomic_load(cancel);
}

static enum media_status probe_format(struct media_video_input *input, const AVInputFormat **format,
                                      struct media_error *error)
{
    int status = av_probe_input_buffer2(input->io.context, format, "", NULL, 0, 0);
    if (status < 0) {
        if (status == AVERROR_INVALIDDATA && avio_feof(input->io.context) &&
            avio_tell(input->io.context) <= 0) {
            return media_fail(error, MEDIA_ERROR_INPUT, "%s is empty", input->name);
        }
        return media_video_input_fail(input, status, "cannot recognise the format of", error);
    }
    for (size_t i = 0; i < sizeof refused_demuxers / sizeof refused_demuxers[0]; i++) {
        if (av_match_name(refused_demuxers[i], (*format)->name)) {
            return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                              "%s is a playlist or script (%s), not a video; give the video itself",
                              input->name, (*format)->name);
        }
    }
    return MEDIA_OK;
}

static enum media_status check_sizes(const struct media_video_input *input,
                                     struct media_error *error)
{
    for (unsigned i = 0; i < input->format->nb_streams; i++) {
        const AVCodecParameters *parameters = input->format->streams[i]->codecpar;
        if (parameters->codec_type == AVMEDIA_TYPE_VIDEO &&
            (int64_t)parameters->width * parameters->height > input->max_frame_px) {
            return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                              "frames of %dx%d pixels in %s are too large: at most %" PRId64
                              " pixels are taken; --max-pixels sets the limit",
                              parameters->width, parameters->height, input->name,
                              input->max_frame_px);
        }
    }
    return MEDIA_OK;
}

/* Each decoder that looks at the first frames of a stream is held to the limit on their size. */
static int find_streams(struct media_video_input *input)
{
    const unsigned n_streams = input->format->nb_streams;
    AVDictionary **limits = av_calloc(n_streams > 0 ? n_streams : 1, sizeof(AVDictionary *));
    if (limits == NULL) {
        return AVERROR(ENOMEM);
    }
    for (unsigned i = 0; i < n_streams; i++) {
        av_dict_set_int(&limits[i], "max_pixels", input->max_frame_px, 0);
    }
    int av_status = avformat_find_stream_info(input->format, limits);
    for (unsigned i = 0; i < n_streams; i++) {
        av_dict_free(&limits[i]);
    }
    av_free(limits);
    return av_status;
}

static enum media_status open_demuxer(struct media_video_input *input,
                                      const struct media_video_limits *limits,
                                      const atomic_bool *cancel, struct media_error *error)
{
    const AVInputFormat *probed = NULL;
    enum media_status status = probe_format(input, &probed, error);
    if (status == MEDIA_OK) {
        status = media_video_limits_check_format(limits, input->name, probed, error);
    }
    if (status != MEDIA_OK) {
        return status;
    }
    input->format = avformat_alloc_context();
    if (input->format == NULL) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    input->format->pb = input->io.context;
    input->format->interrupt_callback =
        (AVIOInterruptCB){.callback = is_cancelled, .opaque = (void *)(uintptr_t)cancel};
    /* Our own bytes need no protocol; so nothing that the file names can be opened. */
    AVDictionary *options = NULL;
    av_dict_set(&options, "protocol_whitelist", "none", 0);
    int av_status = avformat_open_input(&input->format, "", probed, &options);
    av_dict_free(&options);
    return av_status < 0 ? media_video_input_fail(input, av_status, "cannot open", error)
                         : MEDIA_OK;
}

static enum media_status examine_streams(struct media_video_input *input, struct media_error *error)
{
    /* What the headers say is looked at before anything is decoded to find out more. */
    enum media_status status = check_sizes(input, error);
    if (status != MEDIA_OK) {
        return status;
    }
    int av_status = find_streams(input);
    return av_status < 0 ? media_video_input_fail(input, av_status, "cannot open", error)
                         : check_sizes(input, error);
}

static enum media_status open_format(struct media_video_input *input, const char *path,
                                     const struct media_video_options *options,
                                     const atomic_bool *cancel, struct media_error *error)
{
    if (options->limits == NULL && media_sequence_is_input(path)) {
        return media_video_sequence_open(&input->sequence, &input->format, path, options, cancel,
                                         error);
    }
    if (options->framerate_num > 0) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "--framerate is for numbered pictures (frames/%%05d.png); this video has "
                          "a frame rate of its own");
    }
    enum media_status status = media_video_io_open_input(&input->io, path, cancel, error);
    return status == MEDIA_OK ? open_demuxer(input, options->limits, cancel, error) : status;
}

/* The largest picture that moves; the first one of several. */
static enum media_status pick_stream(struct media_video_input *input, struct media_error *error)
{
    int64_t largest_px = -1;
    bool has_cover = false;
    for (unsigned i = 0; i < input->format->nb_streams; i++) {
        AVStream *stream = input->format->streams[i];
        const AVCodecParameters *parameters = stream->codecpar;
        if (parameters->codec_type != AVMEDIA_TYPE_VIDEO) {
            continue;
        }
        int64_t size_px = (int64_t)parameters->width * parameters->height;
        if ((stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
            has_cover = true;
        } else if (size_px > largest_px) {
            largest_px = size_px;
            input->stream = stream;
        }
    }
    if (input->format->nb_streams == 0) {
        return media_fail(error, MEDIA_ERROR_INPUT,
                          "%s holds no streams: it is empty or incomplete", input->name);
    }
    if (input->stream == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "%s has no video stream%s", input->name,
                          has_cover ? ", only a cover picture" : "");
    }
    return MEDIA_OK;
}

static const AVCodec *find_decoder(const AVStream *stream)
{
    /* FFmpeg's own VP8 and VP9 decoders drop the alpha plane that WebM keeps beside the picture. */
    const AVDictionaryEntry *alpha = av_dict_get(stream->metadata, "alpha_mode", NULL, 0);
    if (alpha != NULL && strcmp(alpha->value, "1") == 0) {
        const AVCodec *decoder = NULL;
        if (stream->codecpar->codec_id == AV_CODEC_ID_VP9) {
            decoder = avcodec_find_decoder_by_name("libvpx-vp9");
        } else if (stream->codecpar->codec_id == AV_CODEC_ID_VP8) {
            decoder = avcodec_find_decoder_by_name("libvpx");
        }
        if (decoder != NULL) {
            return decoder;
        }
    }
    return avcodec_find_decoder(stream->codecpar->codec_id);
}

static enum media_status open_decoder(struct media_video_input *input, struct media_error *error)
{
    const AVCodecParameters *parameters = input->stream->codecpar;
    const AVCodec *codec = find_decoder(input->stream);
    if (codec == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "no decoder for the %s video in %s in this build of FFmpeg",
                          avcodec_get_name(parameters->codec_id), input->name);
    }
    input->packet = av_packet_alloc();
    input->decoder = avcodec_alloc_context3(codec);
    if (input->packet == NULL || input->decoder == NULL) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    int av_status = avcodec_parameters_to_context(input->decoder, parameters);
    input->decoder->max_pixels = input->max_frame_px;
    input->decoder->pkt_timebase = input->stream->time_base;
    /* Else the decoder leaves pixels in that should be cropped, to keep its rows aligned. */
    input->decoder->flags |= AV_CODEC_FLAG_UNALIGNED;
    int n_cpus = av_cpu_count();
    input->decoder->thread_count = n_cpus < MAX_DECODER_THREADS ? n_cpus : MAX_DECODER_THREADS;
    if (input->sequence != NULL) {
        input->decoder->thread_count = 1; /* what fails is the picture that was sent last */
    }
    if (input->strict) {
        input->decoder->err_recognition |=
            AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
    }
    if (av_status >= 0) {
        av_status = avcodec_open2(input->decoder, codec, NULL);
    }
    if (av_status < 0) {
        return media_video_input_fail(input, av_status, "cannot decode the video of", error);
    }
    return MEDIA_OK;
}

enum media_status media_video_input_open(struct media_video_input *input, const char *path,
                                         const struct media_video_options *options,
                                         const atomic_bool *cancel, struct media_error *error)
{
    *input = (struct media_video_input){
        .name = strcmp(path, "-") == 0 ? "standard input" : path,
        .max_frame_px = options->max_frame_px > 0 ? options->max_frame_px : DEFAULT_MAX_FRAME_PX,
        .allow_lossy = options->allow_lossy,
        .strict = options->strict,
    };
    enum media_status status = open_format(input, path, options, cancel, error);
    if (status == MEDIA_OK) {
        status = examine_streams(input, error);
    }
    if (status == MEDIA_OK) {
        status = pick_stream(input, error);
    }
    if (status == MEDIA_OK) {
        status = media_video_limits_check_stream(options->limits, input, error);
    }
    if (status == MEDIA_OK) {
        status = open_decoder(input, error);
    }
    if (status == MEDIA_OK) {
        media_timing_begin(input);
        status = media_range_begin(&input->range, options, input->format, input->stream,
                                   media_video_input_is_file(input), input->offset_us, error);
        input->offset_us = input->range.offset_us;
        input->deinterlacer.mode = options->deinterlace;
        input->deinterlacer.time_base = input->stream->time_base;
    }
    return status;
}
