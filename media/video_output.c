/* SPDX-License-Identifier: MIT */
#include "media/video_output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/video_copy.h"
#include "media/video_encoder_choice.h"
#include "media/video_log.h"
#include "media/video_output_streams.h"
#include "media/video_timecode.h"

static enum media_status fail_writing(const struct media_video_output *output, int av_status,
                                      struct media_error *error)
{
    if (output->io.error_number == EPIPE) {
        return media_fail(error, MEDIA_ERROR_OUTPUT, "the reader closed the pipe");
    }
    if (output->io.error_number != 0) {
        return media_fail(error, MEDIA_ERROR_OUTPUT, "cannot write the video: %s",
                          strerror(output->io.error_number));
    }
    if (av_status == AVERROR_EXIT) {
        return media_fail(error, MEDIA_ERROR_CANCELLED, "cancelled");
    }
    if (av_status == AVERROR(ENOMEM)) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    char reason[AV_ERROR_MAX_STRING_SIZE], log[200];
    av_make_error_string(reason, sizeof reason, av_status);
    media_video_log_last(log, sizeof log);
    return media_fail(error, MEDIA_ERROR_OUTPUT, "cannot write %s: %s%s",
                      output->format->oformat->name, reason, log);
}

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

const AVOutputFormat *media_video_output_guess_muxer(const char *path_or_muxer)
{
    char as_file[64];
    const AVOutputFormat *muxer = av_guess_format(path_or_muxer, NULL, NULL);
    if (muxer == NULL) {
        muxer = av_guess_format(NULL, path_or_muxer, NULL);
    }
    if (muxer == NULL && strlen(path_or_muxer) < 32) { /* "mkv", which is no muxer's name */
        snprintf(as_file, sizeof as_file, "x.%s", path_or_muxer);
        muxer = av_guess_format(NULL, as_file, NULL);
    }
    return muxer != NULL && media_video_encoder_fits(muxer) ? muxer : NULL;
}

enum media_status media_video_output_find_muxer(const struct media_video_options *options,
                                                const char *target_path,
                                                const AVOutputFormat **muxer,
                                                struct media_error *error)
{
    const char *name = options->container;
    if (options->sequence != NULL) {
        *muxer = av_guess_format("image2pipe", NULL, NULL);
        return *muxer != NULL ? MEDIA_OK
                              : media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                                           "this build of FFmpeg cannot write pictures");
    }
    if (name == NULL) {
        name = target_path != NULL ? target_path : "yuv4mpegpipe";
    }
    *muxer = media_video_output_guess_muxer(name);
    if (*muxer == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "cannot write a video as %s; use .mp4, .mov, .mkv or .webm", name);
    }
    return MEDIA_OK;
}

bool media_video_output_keeps_rotation(const AVOutputFormat *muxer)
{
    return media_output_is_mov_family(muxer);
}

static enum media_status write_header(struct media_video_output *output, struct media_error *error)
{
    AVDictionary *options = NULL;
    if (media_output_is_mov_family(output->format->oformat)) {
        av_dict_set(&options, "movflags", "+write_colr", 0);
    }
    output->format->strict_std_compliance = media_copy_compliance(output->format->oformat);
    int av_status = avformat_write_header(output->format, &options);
    av_dict_free(&options);
    return av_status < 0 ? fail_writing(output, av_status, error) : MEDIA_OK;
}

static bool prepare_copied(struct media_video_output *output, const AVFormatContext *from)
{
    output->copied = calloc(from->nb_streams, sizeof *output->copied);
    if (output->copied == NULL) {
        return false;
    }
    output->n_copied = from->nb_streams;
    for (unsigned i = 0; i < output->n_copied; i++) {
        output->copied[i].output_index = -1;
        output->copied[i].last_dts = AV_NOPTS_VALUE;
    }
    return true;
}

/* ------------------------------------------------------------------------------------ the file --
 */

enum media_status media_video_output_open(
    struct media_video_output *output, const char *path, const AVOutputFormat *muxer,
    const struct media_job *job, const struct media_video_options *options,
    const struct media_video_input *input, const struct media_video_encoder *encoder,
    const AVFrame *first_frame, struct media_video_result *result, struct media_error *error)
{
    *output = (struct media_video_output){.last_dts = AV_NOPTS_VALUE};
    enum media_status status =
        media_encoder_is_sequence(muxer)
            ? media_sequence_writer_open(&output->pictures, path, error)
            : media_video_io_open_output(&output->io, path, job->cancel, error);
    if (status != MEDIA_OK) {
        return status;
    }
    output->mutex_made = pthread_mutex_init(&output->mutex, NULL) == 0;
    if (!output->mutex_made || !prepare_copied(output, input->format) ||
        avformat_alloc_output_context2(&output->format, muxer, NULL, NULL) < 0) {
        return fail_memory(error);
    }
    output->format->pb = output->io.context;
    if (!media_output_add_streams(output, job, options, input, encoder, first_frame, result) ||
        (!options->strip && !media_copy_metadata(output->format, input->format)) ||
        !media_timecode_move(output->format, input, first_frame) ||
        !media_copy_chapters(output->format, input->format, input->offset_us, &input->range,
                             options->strip)) {
        return fail_memory(error);
    }
    return output->pictures.is_open ? MEDIA_OK : write_header(output, error);
}

/* --------------------------------------------------------------------------------- packets -- */

/* Containers want decoding times that rise; a damaged or joined file may not have them. */
static void make_dts_rise(const AVFormatContext *format, AVPacket *packet, int64_t *last_dts)
{
    int64_t step = (format->oformat->flags & AVFMT_TS_NONSTRICT) != 0 ? 0 : 1;
    if (packet->dts == AV_NOPTS_VALUE) {
        packet->dts = packet->pts;
    }
    if (packet->dts == AV_NOPTS_VALUE) {
        packet->dts = *last_dts != AV_NOPTS_VALUE ? *last_dts + step : 0;
    } else if (*last_dts != AV_NOPTS_VALUE && packet->dts < *last_dts + step) {
        packet->dts = *last_dts + step;
    }
    if (packet->pts == AV_NOPTS_VALUE || packet->pts < packet->dts) {
        packet->pts = packet->dts;
    }
    *last_dts = packet->dts;
}

static enum media_status write_packet(struct media_video_output *output, AVPacket *packet,
                                      const AVStream *stream, AVRational time_base,
                                      int64_t *last_dts, struct media_error *error)
{
    packet->stream_index = stream->index;
    packet->pos = -1;
    av_packet_rescale_ts(packet, time_base, stream->time_base);
    /* "Until the next one", in subtitles; MP4 has no such length. */
    if (packet->duration > INT32_MAX && media_output_is_mov_family(output->format->oformat)) {
        packet->duration = 0;
    }
    pthread_mutex_lock(&output->mutex);
    make_dts_rise(output->format, packet, last_dts);
    int av_status = av_interleaved_write_frame(output->format, packet);
    enum media_status status = MEDIA_OK;
    if (av_status < 0 || output->io.error_number != 0) {
        status = fail_writing(output, av_status, error);
    }
    pthread_mutex_unlock(&output->mutex);
    return status;
}

/* What an edit list hides would be heard where there is no such list; but decoders need the last of
 * it to begin with. */
static bool is_hidden(const struct media_copied_stream *copied, const AVPacket *packet)
{
    if (copied->hides_packets || (packet->flags & AV_PKT_FLAG_DISCARD) == 0) {
        return false;
    }
    int64_t start_us = packet->pts != AV_NOPTS_VALUE
                           ? av_rescale_q(packet->pts, copied->input_time_base, AV_TIME_BASE_Q)
                           : 0;
    return start_us >= 0 || start_us < -copied->lead_in_us;
}

enum media_status media_video_output_copy(void *opaque, AVPacket *packet, struct media_error *error)
{
    struct media_video_output *output = opaque;
    /* Some demuxers find further streams while reading; the header is written by then. */
    if ((unsigned)packet->stream_index >= output->n_copied) {
        return MEDIA_OK;
    }
    struct media_copied_stream *copied = &output->copied[packet->stream_index];
    if (copied->output_index < 0 || is_hidden(copied, packet)) {
        return MEDIA_OK;
    }
    int64_t delay = av_rescale_q(copied->delay_us, AV_TIME_BASE_Q, copied->input_time_base);
    packet->pts += packet->pts != AV_NOPTS_VALUE ? delay : 0;
    packet->dts += packet->dts != AV_NOPTS_VALUE ? delay : 0;
    return write_packet(output, packet, output->format->streams[copied->output_index],
                        copied->input_time_base, &copied->last_dts, error);
}

enum media_status media_video_output_encoded(void *opaque, AVPacket *packet,
                                             struct media_error *error)
{
    struct media_video_output *output = opaque;
    if (output->sink != NULL) {
        return output->sink(output->sink_opaque, packet, error);
    }
    if (output->pictures.is_open) {
        enum media_status status = media_sequence_writer_put(&output->pictures, packet, error);
        av_packet_unref(packet);
        return status;
    }
    return write_packet(output, packet, output->stream, output->encoder_time_base,
                        &output->last_dts, error);
}

enum media_status media_video_output_finish(struct media_video_output *output,
                                            struct media_error *error)
{
    if (output->pictures.is_open) {
        media_sequence_writer_close(&output->pictures);
        return MEDIA_OK;
    }
    int av_status = av_write_trailer(output->format);
    if (av_status >= 0) {
        avio_flush(output->io.context);
        av_status = output->io.context->error;
    }
    if (media_video_io_close(&output->io) != 0 || av_status < 0) {
        return fail_writing(output, av_status, error);
    }
    return MEDIA_OK;
}

bool media_video_output_is_file(const struct media_video_output *output)
{
    return output->pictures.is_open || output->io.regular_file;
}

void media_video_output_close(struct media_video_output *output)
{
    if (output->format != NULL) {
        output->format->pb = NULL;
    }
    avformat_free_context(output->format);
    output->format = NULL;
    /* A file that is given up must not be written to any more, nor a pipe. */
    output->io.discard = true;
    media_video_io_close(&output->io);
    media_sequence_writer_close(&output->pictures);
    if (output->mutex_made) {
        pthread_mutex_destroy(&output->mutex);
    }
    free(output->copied);
    *output = (struct media_video_output){0};
}
