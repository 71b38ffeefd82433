/* SPDX-License-Identifier: MIT
 *
 * When things are: timestamps as the demuxer and the decoder give them, made fit to be carried on.
 */
#ifndef MEDIA_VIDEO_TIMING_H
#define MEDIA_VIDEO_TIMING_H

#include "media/video_input.h"

/* After the demuxer is open. */
void media_timing_begin(struct media_video_input *input);

/* Moves a packet's times to where the output has them (only transport streams need it) and drops
 * impossible ones. For every packet read, of any stream. */
void media_timing_of_packet(struct media_video_input *input, AVPacket *packet,
                            const AVStream *stream);

/* Sets pts, greater than that of the frame before, and duration of a decoded frame. */
void media_timing_of_frame(struct media_video_input *input, AVFrame *frame);

/* Frames in the stream, or the range of it, as the container tells or its duration suggests; 0 if
 * unknown. */
uint64_t media_timing_expected_frames(const struct media_video_input *input);

/* Length of one frame in the stream's time base, by the frame rate; 0 if unknown. */
int64_t media_timing_frame_duration(const struct media_video_input *input);

/* After the end: by how many seconds the file falls short of what its header promises, 0 if it is
 * complete or if that cannot be told. */
double media_timing_missing_seconds(const struct media_video_input *input);

/* Where a file or stream says that it begins, in microseconds: 0 where it does not, and for times
 * that no clock ever shows, with which one cannot reckon. */
int64_t media_timing_start_us(int64_t start, AVRational time_base);

#endif
