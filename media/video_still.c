/* SPDX-License-Identifier: MIT */
#include "media/video_still.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "media/output.h"
#include "media/video_colour.h"
#include "media/video_compat.h"
#include "media/video_input.h"
#include "media/video_log.h"
#include "media/video_orientation.h"
#include "media/video_planar.h"
#include "media/video_timing.h"

static const enum AVPixelFormat picture_format = AV_PIX_FMT_RGB24;
enum { TOLERANCE_US = 1000 };

static const double max_seconds = 1e8; /* three years: still safe in microseconds */

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

/* ----------------------------------------------------------------------------- the moment -- */

static enum media_status ignore_packet(void *opaque, AVPacket *packet, struct media_error *error)
{
    (void)opaque;
    (void)packet;
    (void)error;
    return MEDIA_OK;
}

/* Goes near it where the file can be entered in the middle; else all before it is decoded. Returns
 * the moment in the stream's time base, as the frames have it. */
static int64_t seek(struct media_video_input *input, double seconds)
{
    /* From the picture's own start: an input and an output of another container may begin at
     * different times. And a little later, as some containers round to milliseconds. */
    int64_t time_us = (int64_t)(seconds * AV_TIME_BASE) + TOLERANCE_US;
    const AVStream *stream = input->stream;
    time_us += stream->start_time != AV_NOPTS_VALUE
                   ? media_timing_start_us(stream->start_time, stream->time_base)
                   : media_timing_start_us(input->format->start_time, AV_TIME_BASE_Q);
    int64_t in_file = av_rescale_q(time_us, AV_TIME_BASE_Q, stream->time_base);
    if (seconds > 0 &&
        av_seek_frame(input->format, stream->index, in_file, AVSEEK_FLAG_BACKWARD) >= 0) {
        avcodec_flush_buffers(input->decoder);
    }
    return av_rescale_q(time_us + input->offset_us, AV_TIME_BASE_Q, stream->time_base);
}

/* *frame: the one that is shown at the moment, or the last one. */
static enum media_status find_frame(struct media_video_input *input, double seconds,
                                    const struct media_job *job, AVFrame **frame, AVFrame **next,
                                    struct media_error *error)
{
    const int64_t moment = seek(input, seconds);
    bool have_frame = false;
    for (;;) {
        bool got_frame = false;
        if (job->cancel != NULL && atomic_load(job->cancel)) {
            return media_fail(error, MEDIA_ERROR_CANCELLED, "cancelled");
        }
        enum media_status status =
            media_video_input_read(input, *next, &got_frame, ignore_packet, NULL, error);
        if (status != MEDIA_OK) {
            return status;
        }
        if (!got_frame) {
            break;
        }
        /* Only the next frame tells how long one is shown: durations are rounded, or absent. */
        if (have_frame && (*next)->pts > moment) {
            return MEDIA_OK;
        }
        AVFrame *shown = *next;
        *next = *frame;
        *frame = shown;
        av_frame_unref(*next);
        have_frame = true;
    }
    if (!have_frame) {
        char log[200];
        media_video_log_last(log, sizeof log);
        return media_fail(error, MEDIA_ERROR_INPUT, "no frame of %s could be decoded at %.2f s%s",
                          input->name, seconds, log);
    }
    return MEDIA_OK;
}

/* ------------------------------------------------------------------------------- pictures -- */

static enum media_status new_frame(enum AVPixelFormat format, int width_px, int height_px,
                                   AVFrame **made, struct media_error *error)
{
    AVFrame *frame = *made = av_frame_alloc();
    if (frame == NULL) {
        return fail_memory(error);
    }
    frame->format = format;
    frame->width = width_px;
    frame->height = height_px;
    if (av_frame_get_buffer(frame, 0) >= 0) {
        return MEDIA_OK;
    }
    av_frame_free(made);
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory for a frame of %dx%d pixels",
                      width_px, height_px);
}

static enum media_status to_rgb(const AVFrame *from, const struct media_samples *samples,
                                AVFrame **rgb, struct media_error *error)
{
    struct media_colour_conversion conversion = {0};
    const struct media_samples target = {.format = picture_format,
                                         .width_px = samples->width_px,
                                         .height_px = samples->height_px,
                                         .matrix = AVCOL_SPC_RGB,
                                         .full_range = true};
    enum media_status status =
        new_frame(picture_format, samples->width_px, samples->height_px, rgb, error);
    if (status == MEDIA_OK) {
        status = media_colour_prepare(&conversion, samples, &target, error);
    }
    if (status == MEDIA_OK) {
        status = media_colour_convert(&conversion, from, *rgb, error);
    }
    media_colour_free(&conversion);
    return status;
}

static pipersr_frame view_of(const AVFrame *rgb)
{
    return (pipersr_frame){.data = rgb->data[0],
                           .stride_bytes = rgb->linesize[0],
                           .width_px = (uint32_t)rgb->width,
                           .height_px = (uint32_t)rgb->height,
                           .format = media_colour_engine_format(picture_format)};
}

/* Replaces the frame by a larger one. With `planes` it is YUV, else RGB. */
static enum media_status enlarge(pipersr_upscaler *upscaler, const pipersr_yuv_format *planes,
                                 AVFrame **frame, struct media_error *error)
{
    pipersr_upscaler_info info;
    AVFrame *larger;
    pipersr_upscaler_get_info(upscaler, &info);
    const int scale = (int)info.scale;
    if ((*frame)->width > INT_MAX / 64 / scale || (*frame)->height > INT_MAX / 64 / scale) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "the video is too large");
    }
    enum media_status status = new_frame((*frame)->format, scale * (*frame)->width,
                                         scale * (*frame)->height, &larger, error);
    if (status != MEDIA_OK) {
        return status;
    }
    pipersr_status done;
    if (planes != NULL) {
        const pipersr_yuv_frame in = media_planar_view(*frame), out = media_planar_view(larger);
        done = pipersr_upscale_yuv(upscaler, planes, &in, &out);
    } else {
        const pipersr_frame in = view_of(*frame), out = view_of(larger);
        done = pipersr_upscale(upscaler, &in, &out);
    }
    av_frame_free(frame);
    *frame = larger;
    return done == PIPERSR_OK ? MEDIA_OK : media_fail_engine(error, done, upscaler);
}

/* *rgb: a new picture, or NULL. */
static enum media_status enlarged_rgb(const struct media_job *job, const AVFrame *decoded,
                                      const struct media_samples *samples, AVFrame **rgb,
                                      struct media_error *error)
{
    pipersr_yuv_format planes;
    const bool planar = media_planar_describe(samples, &planes);
    AVFrame *frame = NULL;
    enum media_status status = MEDIA_OK;
    *rgb = NULL;
    if (!planar) {
        status = to_rgb(decoded, samples, &frame, error);
    } else if ((frame = av_frame_clone(decoded)) == NULL) {
        status = fail_memory(error);
    } else {
        frame->format = samples->format; /* without FFmpeg's word for the full range in it */
    }
    for (unsigned pass = 0; status == MEDIA_OK && pass < job->passes; pass++) {
        status = enlarge(job->pass[pass], planar ? &planes : NULL, &frame, error);
    }
    if (status == MEDIA_OK && planar) {
        struct media_samples larger = *samples;
        larger.width_px = frame->width;
        larger.height_px = frame->height;
        status = to_rgb(frame, &larger, rgb, error);
    } else if (status == MEDIA_OK) {
        *rgb = frame;
        frame = NULL;
    }
    av_frame_free(&frame);
    return status;
}

static enum media_status turn_upright(const AVStream *stream, const AVFrame *decoded, AVFrame **rgb,
                                      struct media_error *error)
{
    struct media_orientation orientation;
    size_t size_bytes = 0;
    const uint8_t *matrix = media_stream_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size_bytes);
    const AVFrameSideData *of_frame = av_frame_get_side_data(decoded, AV_FRAME_DATA_DISPLAYMATRIX);
    if (matrix == NULL && of_frame != NULL) {
        matrix = of_frame->data;
        size_bytes = of_frame->size;
    }
    if (matrix == NULL || !media_orientation_from_matrix(matrix, size_bytes, &orientation) ||
        media_orientation_is_plain(&orientation)) {
        return MEDIA_OK;
    }
    AVFrame *upright;
    const int width_px = orientation.transpose ? (*rgb)->height : (*rgb)->width;
    const int height_px = orientation.transpose ? (*rgb)->width : (*rgb)->height;
    enum media_status status = new_frame(picture_format, width_px, height_px, &upright, error);
    if (status == MEDIA_OK) {
        media_orientation_apply(
            &orientation, *rgb, upright,
            pipersr_format_pixel_bytes(media_colour_engine_format(picture_format)));
        av_frame_free(rgb);
        *rgb = upright;
    }
    return status;
}

/* --------------------------------------------------------------------------------- files -- */

static enum media_status encode_png(const AVFrame *rgb, AVPacket *packet, struct media_error *error)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_PNG);
    AVCodecContext *encoder = codec != NULL ? avcodec_alloc_context3(codec) : NULL;
    if (encoder == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "this build of FFmpeg writes no PNG");
    }
    encoder->width = rgb->width;
    encoder->height = rgb->height;
    encoder->pix_fmt = picture_format;
    encoder->time_base = (AVRational){1, 1};
    encoder->compression_level = 3; /* it goes no farther than to a browser */
    int status = avcodec_open2(encoder, codec, NULL);
    if (status >= 0) {
        status = avcodec_send_frame(encoder, rgb);
    }
    if (status >= 0) {
        status = avcodec_receive_packet(encoder, packet);
        if (status == AVERROR(EAGAIN) && avcodec_send_frame(encoder, NULL) >= 0) {
            status = avcodec_receive_packet(encoder, packet);
        }
    }
    avcodec_free_context(&encoder);
    return status >= 0 ? MEDIA_OK
                       : media_fail(error, MEDIA_ERROR_INTERNAL, "cannot encode a PNG: %s",
                                    av_err2str(status));
}

static enum media_status write_file(const AVPacket *packet, const char *path,
                                    struct media_error *error)
{
    struct media_output output;
    enum media_status status = media_output_begin(&output, path, true, error);
    if (status != MEDIA_OK) {
        return status;
    }
    FILE *file = fopen(output.temporary_path, "wb");
    bool written =
        file != NULL && fwrite(packet->data, 1, (size_t)packet->size, file) == (size_t)packet->size;
    if (file != NULL && fclose(file) != 0) {
        written = false;
    }
    if (written) {
        return media_output_commit(&output, error);
    }
    status = media_fail(error, MEDIA_ERROR_OUTPUT, "cannot write '%s': %s", path, strerror(errno));
    media_output_abort(&output);
    return status;
}

static enum media_status write_picture(const AVStream *stream, const AVFrame *decoded,
                                       AVFrame **rgb, const char *path, struct media_error *error)
{
    AVPacket *packet = NULL;
    enum media_status status = turn_upright(stream, decoded, rgb, error);
    if (status == MEDIA_OK) {
        packet = av_packet_alloc();
        status = packet != NULL ? encode_png(*rgb, packet, error) : fail_memory(error);
    }
    if (status == MEDIA_OK) {
        status = write_file(packet, path, error);
    }
    av_packet_free(&packet);
    return status;
}

static enum media_status write_both(const struct media_job *job, const AVStream *stream,
                                    const AVFrame *decoded, const char *before_path,
                                    const char *after_path, struct media_error *error)
{
    struct media_samples samples;
    AVFrame *rgb = NULL;
    enum media_status status = media_colour_describe(decoded, &samples, error);
    if (status == MEDIA_OK && before_path != NULL) {
        status = to_rgb(decoded, &samples, &rgb, error);
        if (status == MEDIA_OK) {
            status = write_picture(stream, decoded, &rgb, before_path, error);
        }
        av_frame_free(&rgb);
    }
    if (status == MEDIA_OK && after_path != NULL) {
        status = enlarged_rgb(job, decoded, &samples, &rgb, error);
        if (status == MEDIA_OK) {
            status = write_picture(stream, decoded, &rgb, after_path, error);
        }
        av_frame_free(&rgb);
    }
    return status;
}

enum media_status media_video_still(const struct media_job *job, const char *input_path,
                                    double seconds, const char *before_path, const char *after_path,
                                    const struct media_video_limits *limits,
                                    struct media_error *error)
{
    struct media_video_input input;
    const struct media_video_options whole = {.crf = -1, .limits = limits};
    if (!(seconds >= 0) || seconds > max_seconds) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "a video has no moment at %g s", seconds);
    }
    media_video_log_begin();
    AVFrame *frame = av_frame_alloc(), *next = av_frame_alloc();
    enum media_status status =
        media_video_input_open(&input, input_path, &whole, job->cancel, error);
    if (status == MEDIA_OK && (frame == NULL || next == NULL)) {
        status = fail_memory(error);
    }
    if (status == MEDIA_OK) {
        status = find_frame(&input, seconds, job, &frame, &next, error);
    }
    if (status == MEDIA_OK) {
        status = write_both(job, input.stream, frame, before_path, after_path, error);
    }
    av_frame_free(&frame);
    av_frame_free(&next);
    media_video_input_close(&input);
    return status;
}
