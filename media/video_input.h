/* SPDX-License-Identifier: MIT
 *
 * The demuxer and the decoder of the stream that is upscaled, and what is done to its frames before
 * they count as the input's: the choice of a range, deinterlacing.
 */
#ifndef MEDIA_VIDEO_INPUT_H
#define MEDIA_VIDEO_INPUT_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "media/video.h"
#include "media/video_deinterlace.h"
#include "media/video_io.h"
#include "media/video_range.h"
#include "media/video_sequence.h"

struct media_video_input {
    struct media_video_io io;              /* unless it is numbered pictures: */
    struct media_video_sequence *sequence; /* else NULL */
    AVFormatContext *format;
    AVStream *stream; /* the one that is decoded; owned by `format` */
    AVCodecContext *decoder;
    AVPacket *packet;
    unsigned allow_lossy, losses; /* sets of enum media_loss; what the frames had so far */
    bool strict;
    struct media_range range;
    struct media_deinterlacer deinterlacer;
    const char *name;      /* for messages */
    int64_t max_frame_px;  /* width times height that is taken */
    bool demuxer_ended;    /* the decoder is being drained */
    int64_t offset_us;     /* added to every timestamp, see video_timing.c */
    int64_t last_dts_us;   /* of the decoded stream, AV_NOPTS_VALUE at the start */
    int64_t last_end_us;   /* latest end of any packet, AV_NOPTS_VALUE at the start */
    int64_t last_pts;      /* of the last frame, AV_NOPTS_VALUE at the start */
    int64_t last_duration; /* of the last frame, 0 if unknown */
    uint64_t n_decoded;    /* frames of the input so far */
    uint64_t n_frames;     /* those of them that media_video_input_read() has given */
    uint64_t n_damaged;    /* packets that could not be read or decoded */
    uint64_t n_faulty;     /* frames that were decoded with faults in them */
    uint64_t n_retimed;    /* frames whose timestamp was missing or not after the one before */
};

/* Opens the file (or "-") without touching any other file, picks the largest video stream and opens
 * its decoder. Of the options it takes the range, deinterlace, allow_lossy, strict and
 * max_frame_px. MEDIA_ERROR_INPUT, _UNSUPPORTED, _MEMORY, _CANCELLED; close it in any case. */
enum media_status media_video_input_open(struct media_video_input *input, const char *path,
                                         const struct media_video_options *options,
                                         const atomic_bool *cancel, struct media_error *error);

/* Takes a packet of another stream; may keep a reference but not change the packet's owner. */
typedef enum media_status media_packet_sink(void *opaque, AVPacket *packet,
                                            struct media_error *error);

/* Reads on until there is a frame: *got_frame is true and `frame` holds it, its pts set, in the
 * stream's time base, and greater than the one before. At the end of the stream *got_frame is
 * false. Packets of other streams that come by are given to `sink`. Damaged packets are counted
 * and skipped; with `strict` the first one is MEDIA_ERROR_INPUT. Descriptions that cannot be kept
 * are MEDIA_ERROR_UNSUPPORTED unless they are allowed. */
enum media_status media_video_input_read(struct media_video_input *input, AVFrame *frame,
                                         bool *got_frame, media_packet_sink *sink, void *opaque,
                                         struct media_error *error);

/* Reads the next packet of the range that is not the picture's, without decoding anything; *ended
 * is true, and there is none, at the end. */
enum media_status media_video_input_pass(struct media_video_input *input, AVPacket *packet,
                                         bool *ended, struct media_error *error);

/* Says why one of FFmpeg's functions failed: "WHAT NAME: reason". */
enum media_status media_video_input_fail(const struct media_video_input *input, int av_status,
                                         const char *what, struct media_error *error);

/* Can it be read again from any place? */
bool media_video_input_is_file(const struct media_video_input *input);

/* Harmless on a zeroed one. */
void media_video_input_close(struct media_video_input *input);

#endif
