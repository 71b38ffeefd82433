/* SPDX-License-Identifier: MIT
 *
 * The enlarged frames as numbered pictures, a file each: formats, and the writing.
 */
#ifndef MEDIA_VIDEO_SEQUENCE_OUTPUT_H
#define MEDIA_VIDEO_SEQUENCE_OUTPUT_H

#include "media/video_colour.h"
#include "media/video_encoder.h"

/* libavformat's name for pictures one after another; nothing but this module writes them. */
bool media_encoder_is_sequence(const AVOutputFormat *muxer);

/* Does the container say what HDR colours mean? y4m and pictures do not. */
bool media_encoder_describes_colour(const AVOutputFormat *muxer);

/* Sets the codec for options->sequence; *formats: what it may be given. MEDIA_ERROR_UNSUPPORTED for
 * options that are about videos, and where this FFmpeg has no encoder for it. */
enum media_status media_sequence_choose(struct media_video_encoder *encoder,
                                        const struct media_video_options *options,
                                        const enum AVPixelFormat **formats,
                                        struct media_error *error);

/* Quality and the like, before the encoder is opened. */
enum media_status media_sequence_set_options(AVCodecContext *context,
                                             const struct media_video_options *options,
                                             struct media_error *error);

/* What readers take the colours of such a picture for. `tags` are the source's, which may be in RGB
 * itself. */
void media_sequence_set_tags(enum AVPixelFormat format, bool is_webp, bool is_rgb,
                             struct media_colour_tags *tags);

/* Writes pictures to the files 1, 2, 3, ... of a folder. */
struct media_sequence_writer {
    int folder_fd;
    bool is_open;
    uint64_t count;
    int error_number;       /* errno of the first failure, 0 if none */
    int64_t last_pts, step; /* of the frames, AV_NOPTS_VALUE and 0 before the second */
    bool is_uneven;         /* the frames' distances differ, which pictures cannot say */
};

enum media_status media_sequence_writer_open(struct media_sequence_writer *writer,
                                             const char *folder, struct media_error *error);
enum media_status media_sequence_writer_put(struct media_sequence_writer *writer,
                                            const AVPacket *packet, struct media_error *error);
/* Harmless on a closed one. */
void media_sequence_writer_close(struct media_sequence_writer *writer);

#endif
