/* SPDX-License-Identifier: MIT
 *
 * What a video's stream tells about how it was encoded, for outputs that are to be like it.
 */
#ifndef MEDIA_VIDEO_ENCODER_SETTINGS_H
#define MEDIA_VIDEO_ENCODER_SETTINGS_H

#include "media/video_input.h"

struct media_encoder_settings {
    const char *codec;   /* one of the names that media_encoder_candidate() takes; NULL: none */
    const char *profile; /* in the word of FFmpeg's encoder; NULL: follows from the pixel format */
    int keyframe_distance; /* most frames from one keyframe to the next; 0: not known */
    bool no_b_frames;
};

/* MEDIA_ERROR_UNSUPPORTED, in clear words, for a codec that is not written here. */
enum media_status media_encoder_settings_of(const struct media_video_input *input,
                                            struct media_encoder_settings *settings,
                                            struct media_error *error);

#endif
