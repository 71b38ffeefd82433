/* SPDX-License-Identifier: MIT
 *
 * One set of words (codec, crf, preset) for encoders that each have their own.
 */
#ifndef MEDIA_VIDEO_ENCODER_OPTIONS_H
#define MEDIA_VIDEO_ENCODER_OPTIONS_H

#include <libavcodec/avcodec.h>

#include "media/video.h"

/* The n-th encoder in this build for a codec's name ("h264", ...) or an encoder's own name, best
 * first; NULL after the last. */
const AVCodec *media_encoder_candidate(const char *codec, unsigned n);

/* Is it one of the codec names that options->codec documents? */
bool media_encoder_is_codec_name(const char *codec);

/* The options for avcodec_open2(), in the encoder's own words. MEDIA_ERROR_UNSUPPORTED names an
 * option that it does not have or a value it does not understand. The caller frees *dictionary. */
enum media_status media_encoder_make_options(const AVCodec *codec,
                                             const struct media_video_options *options,
                                             AVDictionary **dictionary, struct media_error *error);

#endif
