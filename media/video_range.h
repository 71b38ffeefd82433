/* SPDX-License-Identifier: MIT
 *
 * A part of a video: from START to END, as they are counted from the file's beginning. Everything
 * in it is moved by the same time, so that the output begins at 0 and sound stays with the picture.
 */
#ifndef MEDIA_VIDEO_RANGE_H
#define MEDIA_VIDEO_RANGE_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "media/video.h"

struct media_range {
    bool has_start, has_end;
    int64_t start_us, end_us;    /* as asked for */
    int64_t offset_us;           /* what brings the file's times to those of the output */
    int64_t begin_us, finish_us; /* in times of the output */
    AVFrame *before;             /* the last frame before the range */
    AVFrame *next;               /* the first one in it, while `before` goes ahead */
    bool began;                  /* a frame of the range has been given */
    bool picture_ended;          /* a frame behind the range has come */
    bool *stream_ended;          /* by stream */
    unsigned n_streams;
    bool far_behind; /* a packet of any stream was long behind the range */
};

/* After the demuxer and decoder are open: seeks where that helps. `offset_us` is what the times are
 * moved by without a range. MEDIA_ERROR_MEMORY. */
enum media_status media_range_begin(struct media_range *range,
                                    const struct media_video_options *options,
                                    AVFormatContext *format, const AVStream *stream, bool can_seek,
                                    int64_t offset_us, struct media_error *error);

/* Takes the references of a decoded frame whose pts is set and says what becomes of it: *kept means
 * that `frame` holds the next frame of the range. Call media_range_take_next() before the next one
 * is decoded. */
enum media_status media_range_filter_frame(struct media_range *range, AVFrame *frame,
                                           const AVStream *stream, bool *kept,
                                           struct media_error *error);

/* A frame that filter_frame() has put behind another. */
bool media_range_take_next(struct media_range *range, AVFrame *frame);

/* At the end of the stream: a frame that is on screen throughout the range, though it began before.
 */
bool media_range_take_last(struct media_range *range, AVFrame *frame, const AVStream *stream);

/* Is this packet of another stream in the range? Cuts a subtitle that is there in part. */
bool media_range_takes_packet(struct media_range *range, AVPacket *packet, const AVStream *stream);

/* Is this chapter, in times of the output, in the range? Cuts one that is there in part. */
bool media_range_takes_chapter(const struct media_range *range, AVChapter *chapter);

/* Is there nothing more to read? */
bool media_range_is_over(const struct media_range *range, const AVFormatContext *format,
                         const AVStream *stream);

/* Frames of the range, of `n_frames` in the whole video; 0: unknown. */
uint64_t media_range_expected_frames(const struct media_range *range, uint64_t n_frames,
                                     AVRational frame_rate);

/* Harmless on a zeroed one. */
void media_range_free(struct media_range *range);

#endif
