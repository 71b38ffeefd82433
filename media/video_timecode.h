/* SPDX-License-Identifier: MIT
 *
 * Time codes, "01:02:03:04", name the first frame of a file.
 */
#ifndef MEDIA_VIDEO_TIMECODE_H
#define MEDIA_VIDEO_TIMECODE_H

#include "media/video_input.h"

/* Where the output begins behind the input's first frame, moves the time codes in `to`, which were
 * copied from the input, to that of `first_frame`; drop-frame codes by their own rule. Those that
 * are none, and all where the frame rate is unknown, stay. False when out of memory. */
bool media_timecode_move(AVFormatContext *to, const struct media_video_input *input,
                         const AVFrame *first_frame);

#endif
