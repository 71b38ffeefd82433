/* SPDX-License-Identifier: MIT
 *
 * Which encoder and which pixel format, for a container, an input and what the user asked for.
 */
#ifndef MEDIA_VIDEO_ENCODER_CHOICE_H
#define MEDIA_VIDEO_ENCODER_CHOICE_H

#include "media/video_encoder.h"
#include "media/video_input.h"

bool media_encoder_is_y4m(const AVOutputFormat *muxer);

/* Is this muxer one that the program writes videos with? */
bool media_video_encoder_fits(const AVOutputFormat *muxer);

/* Sets codec, format and, for "copy-settings", settings. `source` is the input's plain pixel
 * format. A default that was chosen for its bits is told through job->on_note.
 * MEDIA_ERROR_UNSUPPORTED for an unknown or missing encoder, one that the muxer cannot hold, and a
 * pixel format that it does not take. */
enum media_status media_video_encoder_choose(struct media_video_encoder *encoder,
                                             const struct media_job *job,
                                             const struct media_video_options *options,
                                             const AVOutputFormat *muxer,
                                             const struct media_video_input *input,
                                             enum AVPixelFormat source, struct media_error *error);

#endif
