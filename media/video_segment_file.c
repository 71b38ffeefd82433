/* SPDX-License-Identifier: MIT */
#include "media/video_segment_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media/video_log.h"

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

bool media_segment_holds(enum AVCodecID codec)
{
    const AVOutputFormat *nut = av_guess_format("nut", NULL, NULL);
    return nut != NULL && avformat_query_codec(nut, codec, FF_COMPLIANCE_NORMAL) != 0;
}

/* ---------------------------------------------------------------------------------- writing -- */

static enum media_status fail_writing(const struct media_segment_writer *writer, int av_status,
                                      struct media_error *error)
{
    if (av_status == AVERROR(ENOMEM)) {
        return fail_memory(error);
    }
    if (writer->io.error_number == 0 && av_status == AVERROR_EXIT) {
        return media_fail(error, MEDIA_ERROR_CANCELLED, "cancelled");
    }
    char reason[AV_ERROR_MAX_STRING_SIZE], log[200] = "";
    if (writer->io.error_number != 0) {
        av_make_error_string(reason, sizeof reason, AVERROR(writer->io.error_number));
    } else {
        av_make_error_string(reason, sizeof reason, av_status);
        media_video_log_last(log, sizeof log);
    }
    return media_fail(error, MEDIA_ERROR_OUTPUT, "cannot write the segment: %s%s", reason, log);
}

static enum media_status write_header(struct media_segment_writer *writer,
                                      const AVCodecContext *encoder, struct media_error *error)
{
    int av_status = avformat_alloc_output_context2(&writer->format, NULL, "nut", NULL);
    if (av_status < 0) {
        return fail_writing(writer, av_status, error);
    }
    writer->format->pb = writer->io.context;
    /* NUT keeps side data, such as VP9's alpha plane, in a version of its own only. */
    writer->format->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
    AVStream *stream = avformat_new_stream(writer->format, NULL);
    if (stream == NULL || avcodec_parameters_from_context(stream->codecpar, encoder) < 0) {
        return fail_memory(error);
    }
    stream->codecpar->codec_tag = 0;
    stream->time_base = encoder->time_base;
    stream->avg_frame_rate = encoder->framerate;
    av_status = avformat_write_header(writer->format, NULL);
    return av_status < 0 ? fail_writing(writer, av_status, error) : MEDIA_OK;
}

enum media_status media_segment_writer_open(struct media_segment_writer *writer,
                                            const struct media_parts *parts, uint64_t number,
                                            const AVCodecContext *encoder,
                                            const atomic_bool *cancel, struct media_error *error)
{
    char name[MEDIA_PARTS_NAME_BYTES];
    *writer =
        (struct media_segment_writer){.time_base = encoder->time_base, .last_dts = AV_NOPTS_VALUE};
    media_parts_segment_name(name, number, "nut");
    char *path = media_parts_file(parts, name);
    enum media_status status =
        path != NULL ? media_output_begin(&writer->file, path, true, error) : fail_memory(error);
    free(path);
    if (status == MEDIA_OK) {
        status =
            media_video_io_open_output(&writer->io, writer->file.temporary_path, cancel, error);
    }
    return status == MEDIA_OK ? write_header(writer, encoder, error) : status;
}

static bool remember_times(struct media_segment_writer *writer, const AVPacket *packet)
{
    if (writer->n_times == writer->max_times) {
        size_t max = writer->max_times > 0 ? 2 * writer->max_times : 256;
        void *times = realloc(writer->times, max * sizeof *writer->times);
        if (times == NULL) {
            return false;
        }
        writer->times = times;
        void *dts = realloc(writer->dts, max * sizeof *writer->dts);
        if (dts == NULL) {
            return false;
        }
        writer->dts = dts;
        writer->max_times = max;
    }
    writer->times[writer->n_times] =
        (struct media_packet_time){.pts = packet->pts, .duration = packet->duration};
    writer->dts[writer->n_times++] = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
    return true;
}

/* Times for somebody who plays the segment: NUT wants them from 0 on. The exact ones are in the
 * entry. */
static void make_playable(struct media_segment_writer *writer, AVPacket *packet)
{
    if (packet->dts == AV_NOPTS_VALUE) {
        packet->dts = packet->pts;
    }
    if (writer->last_dts == AV_NOPTS_VALUE) {
        writer->shift = -packet->dts;
    }
    packet->dts += writer->shift;
    packet->pts += writer->shift;
    av_packet_rescale_ts(packet, writer->time_base, writer->format->streams[0]->time_base);
    if (writer->last_dts != AV_NOPTS_VALUE && packet->dts <= writer->last_dts) {
        packet->dts = writer->last_dts + 1;
    }
    if (packet->pts < packet->dts) {
        packet->pts = packet->dts;
    }
    writer->last_dts = packet->dts;
}

enum media_status media_segment_writer_put(void *opaque, AVPacket *packet,
                                           struct media_error *error)
{
    struct media_segment_writer *writer = opaque;
    if (!remember_times(writer, packet)) {
        return fail_memory(error);
    }
    make_playable(writer, packet);
    packet->stream_index = 0;
    packet->pos = -1;
    int av_status = av_write_frame(writer->format, packet);
    av_packet_unref(packet);
    return av_status < 0 || writer->io.error_number != 0 ? fail_writing(writer, av_status, error)
                                                         : MEDIA_OK;
}

/* How many packets have a decoding time before the first frame is shown. */
static unsigned count_reorder(const struct media_segment_writer *writer)
{
    int64_t first = INT64_MAX;
    size_t count = 0;
    for (size_t i = 0; i < writer->n_times; i++) {
        first = writer->times[i].pts < first ? writer->times[i].pts : first;
    }
    while (count < writer->n_times && writer->dts[count] < first) {
        count++;
    }
    return (unsigned)count;
}

enum media_status media_segment_writer_finish(struct media_segment_writer *writer,
                                              const struct media_parts *parts,
                                              struct media_segment_entry *entry,
                                              struct media_error *error)
{
    int av_status = av_write_trailer(writer->format);
    writer->format->pb = NULL;
    if (media_video_io_close(&writer->io) != 0 || av_status < 0) {
        return fail_writing(writer, av_status, error);
    }
    char *path = strdup(writer->file.target_path);
    if (path == NULL) {
        return fail_memory(error);
    }
    enum media_status status = media_output_commit(&writer->file, error);
    if (status == MEDIA_OK) {
        status = media_parts_sync(parts, error);
    }
    if (status == MEDIA_OK) {
        status = media_digest_of_file(path, 0, entry->sha256, error);
    }
    if (status == MEDIA_OK) {
        status = media_digest_size_of_file(path, &entry->size_bytes, error);
    }
    free(path);
    entry->time_base = writer->time_base;
    entry->reorder = count_reorder(writer);
    entry->frames = writer->n_times;
    entry->times = writer->times;
    writer->times = NULL;
    return status;
}

void media_segment_writer_close(struct media_segment_writer *writer)
{
    if (writer->format != NULL) {
        writer->format->pb = NULL;
    }
    avformat_free_context(writer->format);
    writer->io.discard = true;
    media_video_io_close(&writer->io);
    media_output_abort(&writer->file);
    free(writer->times);
    free(writer->dts);
    *writer = (struct media_segment_writer){0};
}

/* ---------------------------------------------------------------------------------- reading -- */

static enum media_status fail_reading(const struct media_parts *parts, uint64_t number,
                                      struct media_error *error)
{
    char name[MEDIA_PARTS_NAME_BYTES];
    media_parts_segment_name(name, number, "nut");
    return media_fail(error, MEDIA_ERROR_INPUT, "%s/%s cannot be read", parts->path, name);
}

enum media_status media_segment_reader_open(struct media_segment_reader *reader,
                                            const struct media_parts *parts, uint64_t number,
                                            const atomic_bool *cancel, struct media_error *error)
{
    char name[MEDIA_PARTS_NAME_BYTES];
    *reader = (struct media_segment_reader){0};
    media_parts_segment_name(name, number, "nut");
    char *path = media_parts_file(parts, name);
    enum media_status status = path != NULL
                                   ? media_video_io_open_input(&reader->io, path, cancel, error)
                                   : fail_memory(error);
    free(path);
    if (status != MEDIA_OK) {
        return status;
    }
    reader->format = avformat_alloc_context();
    if (reader->format == NULL) {
        return fail_memory(error);
    }
    reader->format->pb = reader->io.context;
    /* The packets are wanted as they are. */
    reader->format->flags |= AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN;
    AVDictionary *options = NULL;
    av_dict_set(&options, "protocol_whitelist", "none", 0);
    int av_status = avformat_open_input(&reader->format, "", av_find_input_format("nut"), &options);
    av_dict_free(&options);
    return av_status >= 0 && reader->format->nb_streams == 1 ? MEDIA_OK
                                                             : fail_reading(parts, number, error);
}

const AVCodecParameters *media_segment_reader_codec(const struct media_segment_reader *reader)
{
    return reader->format->streams[0]->codecpar;
}

bool media_segment_reader_get(struct media_segment_reader *reader, AVPacket *packet)
{
    return av_read_frame(reader->format, packet) >= 0;
}

void media_segment_reader_close(struct media_segment_reader *reader)
{
    avformat_close_input(&reader->format);
    media_video_io_close(&reader->io);
}
