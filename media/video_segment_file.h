/* SPDX-License-Identifier: MIT
 *
 * The encoded picture of one segment as a NUT file: any codec, its packets byte for byte. A player
 * can show it.
 */
#ifndef MEDIA_VIDEO_SEGMENT_FILE_H
#define MEDIA_VIDEO_SEGMENT_FILE_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "media/output.h"
#include "media/video_io.h"
#include "media/video_segment_entry.h"

/* Can a segment hold what this codec makes? */
bool media_segment_holds(enum AVCodecID codec);

struct media_segment_writer {
    struct media_output file;
    struct media_video_io io;
    AVFormatContext *format;
    AVRational time_base; /* the encoder's */
    int64_t shift, last_dts;
    int64_t *dts; /* the encoder's, of each packet */
    struct media_packet_time *times;
    size_t n_times, max_times;
};

/* Begins the file of segment `number`; what was there stays until it is whole. Close the writer in
 * any case. */
enum media_status media_segment_writer_open(struct media_segment_writer *writer,
                                            const struct media_parts *parts, uint64_t number,
                                            const AVCodecContext *encoder,
                                            const atomic_bool *cancel, struct media_error *error);

/* Fits media_encoded_sink; `opaque` is the writer. */
enum media_status media_segment_writer_put(void *opaque, AVPacket *packet,
                                           struct media_error *error);

/* Ends the file, gives it its name, and fills in what the entry knows of it: times, time base,
 * reorder, size, SHA-256. */
enum media_status media_segment_writer_finish(struct media_segment_writer *writer,
                                              const struct media_parts *parts,
                                              struct media_segment_entry *entry,
                                              struct media_error *error);

/* Harmless on a zeroed or finished one. */
void media_segment_writer_close(struct media_segment_writer *writer);

struct media_segment_reader {
    struct media_video_io io;
    AVFormatContext *format;
};

/* MEDIA_ERROR_INPUT. Close it in any case. */
enum media_status media_segment_reader_open(struct media_segment_reader *reader,
                                            const struct media_parts *parts, uint64_t number,
                                            const atomic_bool *cancel, struct media_error *error);

/* The codec's global header. */
const AVCodecParameters *media_segment_reader_codec(const struct media_segment_reader *reader);

/* The next packet in the order of decoding, its times undefined; false at the end or after damage.
 */
bool media_segment_reader_get(struct media_segment_reader *reader, AVPacket *packet);

void media_segment_reader_close(struct media_segment_reader *reader);

#endif
