/* SPDX-License-Identifier: MIT */
#include "media/video_output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mastering_display_metadata.h>

#include "media/video_compat.h"
#include "media/video_copy.h"
#include "media/video_encoder_choice.h"
#include "media/video_log.h"
#include "media/video_timecode.h"

/* Of sound before the time zero: 2112 samples, with which Apple's AAC begins, at 44.1 kHz. */
enum { MAX_LEAD_IN_US = 50000 };

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

static bool is_mov_family(const AVOutputFormat *muxer)
{
    return av_match_name(muxer->name, "mov,mp4,ipod,3gp,3g2,psp,ismv,f4v");
}

bool media_video_output_keeps_rotation(const AVOutputFormat *muxer)
{
    return is_mov_family(muxer);
}

/* ------------------------------------------------------------------------------ the picture -- */

/* FFmpeg calls a PNG's cHRM, the primaries of its colours, a mastering display as well. */
static bool is_no_display(enum AVPacketSideDataType type, const uint8_t *data, size_t size_bytes)
{
    AVMasteringDisplayMetadata display;
    if (type != AV_PKT_DATA_MASTERING_DISPLAY_METADATA || data == NULL ||
        size_bytes < sizeof display) {
        return false;
    }
    memcpy(&display, data, sizeof display);
    return !display.has_luminance;
}

/* Side data that stays true for the enlarged picture. What only the bitstream said is taken from
 * the first frame. */
static bool copy_picture_side_data(AVStream *to, const AVStream *from, const AVFrame *first_frame,
                                   bool turned)
{
    static const struct {
        enum AVPacketSideDataType of_stream;
        enum AVFrameSideDataType of_frame;
    } types[] = {
        {AV_PKT_DATA_DISPLAYMATRIX, AV_FRAME_DATA_DISPLAYMATRIX},
        {AV_PKT_DATA_STEREO3D, AV_FRAME_DATA_STEREO3D},
        {AV_PKT_DATA_SPHERICAL, AV_FRAME_DATA_SPHERICAL},
        {AV_PKT_DATA_MASTERING_DISPLAY_METADATA, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA},
        {AV_PKT_DATA_CONTENT_LIGHT_LEVEL, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL},
        {AV_PKT_DATA_ICC_PROFILE, AV_FRAME_DATA_ICC_PROFILE},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t size_bytes = 0;
        const uint8_t *data = media_stream_side_data(from, types[i].of_stream, &size_bytes);
        const AVFrameSideData *of_frame = av_frame_get_side_data(first_frame, types[i].of_frame);
        if (data == NULL && of_frame != NULL) {
            data = of_frame->data;
            size_bytes = of_frame->size;
        }
        if ((turned && types[i].of_stream == AV_PKT_DATA_DISPLAYMATRIX) ||
            is_no_display(types[i].of_stream, data, size_bytes)) {
            continue;
        }
        if (data != NULL && !media_stream_set_side_data(to, types[i].of_stream, data, size_bytes)) {
            return false;
        }
    }
    return true;
}

static bool add_picture(struct media_video_output *output,
                        const struct media_video_options *options, const AVStream *from,
                        const struct media_video_encoder *encoder, const AVFrame *first_frame)
{
    AVStream *added = avformat_new_stream(output->format, NULL);
    if (added == NULL || avcodec_parameters_from_context(added->codecpar, encoder->context) < 0 ||
        !copy_picture_side_data(added, from, first_frame,
                                !media_video_output_keeps_rotation(output->format->oformat)) ||
        (!options->strip && !media_copy_encoded_metadata(added, from))) {
        return false;
    }
    /* Apple's players take HEVC under this tag only. */
    if (added->codecpar->codec_id == AV_CODEC_ID_HEVC && is_mov_family(output->format->oformat)) {
        added->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');
    }
    added->time_base = encoder->context->time_base;
    added->avg_frame_rate = from->avg_frame_rate;
    added->r_frame_rate = from->r_frame_rate;
    added->sample_aspect_ratio = encoder->context->sample_aspect_ratio;
    added->disposition = from->disposition;
    if (av_match_name(output->format->oformat->name, "yuv4mpegpipe") &&
        (added->avg_frame_rate.num <= 0 || added->avg_frame_rate.den <= 0)) {
        added->avg_frame_rate = encoder->context->framerate;
    }
    output->stream = added;
    output->encoder_time_base = encoder->context->time_base;
    return true;
}

/* --------------------------------------------------------------------------------- streams -- */

static void note(const struct media_job *job, const char *line)
{
    if (job->on_note != NULL) {
        job->on_note(job->opaque, line);
    }
}

/* Adds one copied stream, or tells that it is dropped. False when out of memory. */
static bool add_copied(struct media_video_output *output, const struct media_job *job,
                       const struct media_video_options *options,
                       const struct media_video_input *input, unsigned index,
                       struct media_video_result *result)
{
    AVStream *from = input->format->streams[index];
    const AVOutputFormat *muxer = output->format->oformat;
    enum media_copy_verdict verdict = media_copy_judge(output->format, input->format, from);
    if (verdict == MEDIA_COPY_KEEP) {
        AVStream *added = media_copy_add_stream(output->format, from, options->strip);
        if (added == NULL) {
            return false;
        }
        bool has_packets = added->codecpar->codec_type != AVMEDIA_TYPE_ATTACHMENT;
        output->copied[index].output_index = has_packets ? added->index : -1;
        output->copied[index].input_time_base = from->time_base;
        output->copied[index].delay_us = media_copy_delay_us(muxer, from->codecpar);
        output->copied[index].hides_packets =
            is_mov_family(muxer) || from->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
        /* Uncompressed sound needs nothing before its first sample. */
        output->copied[index].lead_in_us =
            av_get_exact_bits_per_sample(from->codecpar->codec_id) > 0 ? 0 : MAX_LEAD_IN_US;
        result->streams_copied++;
        return true;
    }
    from->discard = AVDISCARD_ALL;
    if (verdict == MEDIA_COPY_IMPOSSIBLE) {
        char stream[96], line[256];
        media_copy_describe(from, stream, sizeof stream);
        snprintf(line, sizeof line, "%s is dropped: %s cannot hold it%s", stream, muxer->name,
                 strcmp(muxer->name, "matroska") != 0 ? "; .mkv may" : "");
        note(job, line);
        result->streams_dropped++;
    }
    return true;
}

static void note_left_out(const struct media_job *job, const AVOutputFormat *muxer,
                          unsigned n_streams, unsigned n_chapters)
{
    char streams[48] = "", chapters[48] = "", line[192];
    if (n_streams > 0) {
        snprintf(streams, sizeof streams, "%u other stream%s", n_streams,
                 n_streams == 1 ? "" : "s");
    }
    if (n_chapters > 0) {
        snprintf(chapters, sizeof chapters, "%s%u chapter%s", n_streams > 0 ? " and " : "",
                 n_chapters, n_chapters == 1 ? "" : "s");
    }
    if (n_streams + n_chapters > 0) {
        snprintf(line, sizeof line, "%s the picture only: %s%s %s left out",
                 media_encoder_is_y4m(muxer) ? "y4m holds" : "numbered pictures hold", streams,
                 chapters, n_streams + n_chapters == 1 ? "is" : "are");
        note(job, line);
    }
}

static bool add_streams(struct media_video_output *output, const struct media_job *job,
                        const struct media_video_options *options,
                        const struct media_video_input *input,
                        const struct media_video_encoder *encoder, const AVFrame *first_frame,
                        struct media_video_result *result)
{
    const AVOutputFormat *muxer = output->format->oformat;
    bool picture_only = media_encoder_is_y4m(muxer) || media_encoder_is_sequence(muxer);
    for (unsigned i = 0; i < output->n_copied; i++) {
        AVStream *from = input->format->streams[i];
        bool ok = true;
        if (from == input->stream) {
            ok = add_picture(output, options, from, encoder, first_frame);
        } else if (picture_only) {
            from->discard = AVDISCARD_ALL;
            result->streams_dropped++;
        } else {
            ok = add_copied(output, job, options, input, i, result);
        }
        if (!ok) {
            return false;
        }
    }
    if (picture_only) {
        note_left_out(job, muxer, result->streams_dropped,
                      options->strip ? 0 : input->format->nb_chapters);
    }
    return true;
}

static enum media_status write_header(struct media_video_output *output, struct media_error *error)
{
    AVDictionary *options = NULL;
    if (is_mov_family(output->format->oformat)) {
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
    if (!add_streams(output, job, options, input, encoder, first_frame, result) ||
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
    if (packet->duration > INT32_MAX && is_mov_family(output->format->oformat)) {
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
