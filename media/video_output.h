/* SPDX-License-Identifier: MIT
 *
 * The muxer: the encoded picture and the copied streams, written by two threads under one lock.
 */
#ifndef MEDIA_VIDEO_OUTPUT_H
#define MEDIA_VIDEO_OUTPUT_H

#include <pthread.h>

#include "media/video.h"
#include "media/video_encoder.h"
#include "media/video_input.h"
#include "media/video_io.h"
#include "media/video_sequence_output.h"

struct media_copied_stream {
    int output_index; /* -1: not copied, or nothing to be written for it */
    AVRational input_time_base;
    int64_t last_dts;   /* in the output's time base; AV_NOPTS_VALUE at the start */
    int64_t delay_us;   /* to be added to its times */
    int64_t lead_in_us; /* hidden packets this long before the time zero are written all the same */
    bool hides_packets; /* packets that are not to be shown or heard may be written */
};

struct media_video_output {
    struct media_video_io io; /* unless it is numbered pictures: */
    struct media_sequence_writer pictures;
    AVFormatContext *format; /* of pictures, it is there to describe them only */
    AVStream *stream;        /* of the encoded picture; owned by `format` */
    AVRational encoder_time_base;
    int64_t last_dts;
    struct media_copied_stream *copied; /* by input stream */
    unsigned n_copied;
    pthread_mutex_t mutex; /* held for every packet */
    bool mutex_made;
    /* Where the encoder's packets go instead, for a part of the picture in a file of its own. */
    media_encoded_sink *sink;
    void *sink_opaque;
};

/* The muxer for options->sequence, options->container or else for the name of the target, or for
 * standard output. MEDIA_ERROR_UNSUPPORTED for one that holds no video of ours. */
enum media_status media_video_output_find_muxer(const struct media_video_options *options,
                                                const char *target_path,
                                                const AVOutputFormat **muxer,
                                                struct media_error *error);

/* NULL if neither a muxer's name nor an extension or path of one. */
const AVOutputFormat *media_video_output_guess_muxer(const char *path_or_muxer);

/* Can the container tell the player to turn the picture? */
bool media_video_output_keeps_rotation(const AVOutputFormat *muxer);

/* Opens the file ("-": standard output; for pictures a folder), adds all streams that the container
 * can hold (says which it cannot through job->on_note, counts both in `result`) and writes the
 * header. `first_frame` is asked for side data. Close it in any case. */
enum media_status media_video_output_open(
    struct media_video_output *output, const char *path, const AVOutputFormat *muxer,
    const struct media_job *job, const struct media_video_options *options,
    const struct media_video_input *input, const struct media_video_encoder *encoder,
    const AVFrame *first_frame, struct media_video_result *result, struct media_error *error);

/* Write a packet of another stream, or of the encoder. Both take the packet's reference, and both
 * may be called by any thread. `opaque` is the output. */
enum media_status media_video_output_copy(void *opaque, AVPacket *packet,
                                          struct media_error *error);
enum media_status media_video_output_encoded(void *opaque, AVPacket *packet,
                                             struct media_error *error);

/* Does it go to the disk, so that it may be made in several goes? */
bool media_video_output_is_file(const struct media_video_output *output);

/* Writes the end of the file and everything still buffered. */
enum media_status media_video_output_finish(struct media_video_output *output,
                                            struct media_error *error);

/* Harmless on a zeroed one. */
void media_video_output_close(struct media_video_output *output);

#endif
