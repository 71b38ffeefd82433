/* SPDX-License-Identifier: MIT */
#include "media/video_output_streams.h"

#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mastering_display_metadata.h>

#include "media/video_compat.h"
#include "media/video_copy.h"
#include "media/video_encoder_choice.h"

/* Of sound before the time zero: 2112 samples, with which Apple's AAC begins, at 44.1 kHz. */
enum { MAX_LEAD_IN_US = 50000 };

bool media_output_is_mov_family(const AVOutputFormat *muxer)
{
    return av_match_name(muxer->name, "mov,mp4,ipod,3gp,3g2,psp,ismv,f4v");
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
    if (added->codecpar->codec_id == AV_CODEC_ID_HEVC &&
        media_output_is_mov_family(output->format->oformat)) {
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
            media_output_is_mov_family(muxer) || from->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
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

bool media_output_add_streams(struct media_video_output *output, const struct media_job *job,
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
