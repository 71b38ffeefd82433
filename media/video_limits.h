/* SPDX-License-Identifier: MIT
 *
 * Refusing strangers' files for what their headers say, before a frame is decoded.
 */
#ifndef MEDIA_VIDEO_LIMITS_H
#define MEDIA_VIDEO_LIMITS_H

#include "media/video.h"
#include "media/video_input.h"

/* Is the container one of the allowed? `limits` may be NULL, here and below.
 * MEDIA_ERROR_UNSUPPORTED. */
enum media_status media_video_limits_check_format(const struct media_video_limits *limits,
                                                  const char *name, const AVInputFormat *format,
                                                  struct media_error *error);

/* After the stream is picked and before its decoder is opened. MEDIA_ERROR_UNSUPPORTED. */
enum media_status media_video_limits_check_stream(const struct media_video_limits *limits,
                                                  const struct media_video_input *input,
                                                  struct media_error *error);

#endif
