/* SPDX-License-Identifier: MIT */
#include "media/video_input.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/cpu.h>
#include <libavutil/mem.h>

#include "media/video_limits.h"
#include "media/video_log.h"
#include "media/video_losses.h"
#include "media/video_timing.h"

enum {
    MAX_DECODER_THREADS = 4, /* decoding is a small part of the work; each thread holds frames */
    DEFAULT_MAX_FRAME_PX = 1 << 26,
    MAX_ERRORS_IN_A_ROW = 64, /* then feed the decoder: it may be stuck on what it has */
};

/* Demuxers that open further files (an input must not decide which files are read), and one that
 * takes any text for a film. */
static const char *const refused_demuxers[] = {"concat", "hls",  "dash",     "imf", "image2",
                                               "sdp",    "rtsp", "avisynth", "tty", "vapoursynth"};

static enum media_status fail_av(const struct media_video_input *input, int av_status,
                                 const char *what, struct media_error *error)
{
    if (av_status == AVERROR(ENOMEM)) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    if (av_status == AVERROR_EXIT) {
        return media_fail(error, MEDIA_ERROR_CANCELLED, "cancelled");
    }
    if (input->io.error_number != 0) {
        return media_fail(error, MEDIA_ERROR_INPUT, "cannot read %s: %s", input->name,
                          strerror(input->io.error_number));
    }
    char reason[AV_ERROR_MAX_STRING_SIZE], log[200];
    av_make_error_string(reason, sizeof reason, av_status);
    media_video_log_last(log, sizeof log);
    return media_fail(error, MEDIA_ERROR_INPUT, "%s %s: %s%s", what, input->name, reason, log);
}

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
        return fail_av(input, status, "cannot recognise the format of", error);
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
            return media_fail(
                error, MEDIA_ERROR_UNSUPPORTED,
                "frames of %dx%d pixels in %s are too large: at most %" PRId64 " pixels are taken",
                parameters->width, parameters->height, input->name, input->max_frame_px);
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
    /* What the headers say is looked at before anything is decoded to find out more. */
    if (av_status >= 0 && (status = check_sizes(input, error)) != MEDIA_OK) {
        return status;
    }
    if (av_status >= 0) {
        av_status = find_streams(input);
    }
    return av_status < 0 ? fail_av(input, av_status, "cannot open", error)
                         : check_sizes(input, error);
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
    if (input->strict) {
        input->decoder->err_recognition |=
            AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
    }
    if (av_status >= 0) {
        av_status = avcodec_open2(input->decoder, codec, NULL);
    }
    if (av_status < 0) {
        return fail_av(input, av_status, "cannot decode the video of", error);
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
    enum media_status status = media_video_io_open_input(&input->io, path, cancel, error);
    if (status == MEDIA_OK) {
        status = open_demuxer(input, options->limits, cancel, error);
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
                                   input->io.regular_file, input->offset_us, error);
        input->offset_us = input->range.offset_us;
        input->deinterlacer.mode = options->deinterlace;
        input->deinterlacer.time_base = input->stream->time_base;
    }
    return status;
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
            return fail_av(input, av_status, "cannot read", error);
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
            input->io.error_number != 0) {
            return fail_av(input, av_status, "cannot read", error);
        }
        /* Damage that the demuxer cannot get over ends the file early: keep what came before. */
        input->n_damaged += av_status != AVERROR_EOF;
        input->demuxer_ended = true;
        avcodec_send_packet(input->decoder, NULL);
        return MEDIA_OK;
    }
    const AVStream *stream = input->format->streams[packet->stream_index];
    enum media_status status = MEDIA_OK;
    media_timing_of_packet(input, packet, stream);
    if (stream != input->stream) {
        if (media_range_takes_packet(&input->range, packet, stream)) {
            status = sink(opaque, packet, error);
        }
    } else if (!input->range.picture_ended) {
        av_status = avcodec_send_packet(input->decoder, packet);
        if (av_status == AVERROR(ENOMEM)) {
            status = fail_av(input, av_status, "cannot decode", error);
        } else if (av_status < 0 || (packet->flags & AV_PKT_FLAG_CORRUPT) != 0) {
            input->n_damaged++;
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
    media_timing_of_frame(input, frame);
    enum media_status status =
        media_range_filter_frame(&input->range, frame, input->stream, kept, error);
    if (input->range.has_start && !had_begun) {
        input->n_damaged = input->n_retimed = 0;
    }
    if (status == MEDIA_OK && *kept) {
        input->n_faulty +=
            (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame->decode_error_flags != 0;
        status =
            media_losses_of_frame(frame, input->stream, input->allow_lossy, &input->losses, error);
    }
    return status;
}

static enum media_status check_damage(const struct media_video_input *input,
                                      struct media_error *error)
{
    const bool counts = input->range.began || !input->range.has_start;
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
            return fail_av(input, av_status, "cannot decode", error);
        }
        if (av_status == AVERROR_EOF) {
            *got_frame = media_range_take_last(&input->range, frame, input->stream);
            return MEDIA_OK;
        }
        if (av_status != AVERROR(EAGAIN) && n_errors < MAX_ERRORS_IN_A_ROW) {
            input->n_damaged++;
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

void media_video_input_close(struct media_video_input *input)
{
    media_deinterlacer_free(&input->deinterlacer);
    media_range_free(&input->range);
    avcodec_free_context(&input->decoder);
    avformat_close_input(&input->format);
    av_packet_free(&input->packet);
    media_video_io_close(&input->io);
}
