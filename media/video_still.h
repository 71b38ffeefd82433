/* SPDX-License-Identifier: MIT
 *
 * One moment of a video as a picture: to look at before a whole video is upscaled, and beside it
 * afterwards.
 */
#ifndef MEDIA_VIDEO_STILL_H
#define MEDIA_VIDEO_STILL_H

#include "media/video.h"

/* Writes the frame that is shown `seconds` after the picture's start (the last one, if the video is
 * over by then) as PNG of 8 bits to `before_path`, and enlarged by `job` to `after_path`. Either
 * path may be NULL; without `after_path`, job->pass is not used. Both pictures are upright. The
 * network gets the same samples as in media_video_upscale(); what its encoder will lose is not
 * shown. `limits` may be NULL. Files that exist are overwritten; after a failure there may be one
 * of the two. */
enum media_status media_video_still(const struct media_job *job, const char *input_path,
                                    double seconds, const char *before_path, const char *after_path,
                                    const struct media_video_limits *limits,
                                    struct media_error *error);

#endif
