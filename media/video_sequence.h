/* SPDX-License-Identifier: MIT
 *
 * Numbered pictures (media/sequence.h) as a video: FFmpeg's image2 demuxer, which opens no file but
 * through this module.
 */
#ifndef MEDIA_VIDEO_SEQUENCE_H
#define MEDIA_VIDEO_SEQUENCE_H

#include <libavformat/avformat.h>

#include "media/sequence.h"
#include "media/video.h"
#include "media/video_colour.h"

struct media_video_sequence {
    char *pattern;
    struct media_sequence_extent extent;
    uint64_t number;  /* of the picture that the decoder got last */
    uint64_t damaged; /* of the first that could not be decoded, if */
    bool is_damaged;
    const atomic_bool *cancel;  /* NULL: none */
    struct media_error failure; /* of the first picture that could not be read, or "" */
};

/* Finds all pictures and opens the demuxer with the options' frame rate and first number. Both
 * results are the caller's, after a failure too. MEDIA_ERROR_INPUT, _UNSUPPORTED, _MEMORY. */
enum media_status media_video_sequence_open(struct media_video_sequence **sequence,
                                            AVFormatContext **format, const char *pattern,
                                            const struct media_video_options *options,
                                            const atomic_bool *cancel, struct media_error *error);

/* Of a packet of the demuxer, before its times are changed. False for a picture that is cut off
 * where its decoder would not mind. */
bool media_video_sequence_take(struct media_video_sequence *sequence, enum AVCodecID codec,
                               const AVPacket *packet);

/* Was the last picture read? A demuxer that has ended before it has met an error. */
bool media_video_sequence_is_at_end(const struct media_video_sequence *sequence);

/* The picture that the decoder got last could not be decoded. */
void media_video_sequence_note_damage(struct media_video_sequence *sequence);

/* The name of the first that could not be decoded. Malloc'd, or NULL. */
char *media_video_sequence_damaged(const struct media_video_sequence *sequence);

/* The number of the picture that became this frame, which has been described. */
uint64_t media_video_sequence_number(const struct media_video_sequence *sequence,
                                     const AVFrame *frame);

/* Notes the number in the frame of the picture that the decoder got last, and says what its decoder
 * leaves open. False when out of memory. */
bool media_video_sequence_describe(const struct media_video_sequence *sequence, AVFrame *frame);

/* How a video that is made of pictures is tagged. */
void media_video_sequence_set_tags(enum AVPixelFormat format, struct media_colour_tags *tags);

/* One line about all pictures from `start` (NULL: the lowest) on, for a digest: names, sizes,
 * times. Malloc'd, *length bytes; *size_bytes is that of all together. NULL with `error`. */
char *media_video_sequence_list(const char *pattern, const uint64_t *start, size_t *length,
                                uint64_t *size_bytes, struct media_error *error);

/* Closes the demuxer too. Harmless if both are NULL. */
void media_video_sequence_close(struct media_video_sequence **sequence, AVFormatContext **format);

#endif
