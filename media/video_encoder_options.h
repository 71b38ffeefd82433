/* SPDX-License-Identifier: MIT
 *
 * One set of words (codec, crf, preset) for encoders that each have their own.
 */
#ifndef MEDIA_VIDEO_ENCODER_OPTIONS_H
#define MEDIA_VIDEO_ENCODER_OPTIONS_H

#include <libavcodec/avcodec.h>

#include "media/video.h"
#include "media/video_encoder_settings.h"
#include "media/video_hdr.h"

/* The n-th encoder in this build for a codec's name ("h264", ...) or an encoder's own name, best
 * first; NULL after the last. */
const AVCodec *media_encoder_candidate(const char *codec, unsigned n);

/* Is it one of the codec names that options->codec documents? */
bool media_encoder_is_codec_name(const char *codec);

/* Does the encoder have an option of this name of its own? */
bool media_encoder_has_option(const AVCodec *codec, const char *name);

/* Sets what the options, the input's settings and its HDR ask for on a context of the encoder that
 * is not open yet but has its width, in the encoder's own words; options->encoder_opts rule.
 * MEDIA_ERROR_UNSUPPORTED names an option that it does not have or a value that it does not
 * understand. */
enum media_status media_encoder_set_options(AVCodecContext *context,
                                            const struct media_video_options *options,
                                            const struct media_encoder_settings *settings,
                                            const struct media_hdr *hdr, struct media_error *error);

/* Only the user's own, `text` as options->encoder_opts or NULL, for an encoder of pictures. */
enum media_status media_encoder_set_own_options(AVCodecContext *context, const char *text,
                                                struct media_error *error);

/* Some encoders only warn of a parameter that they do not understand. After avcodec_open2(), with
 * the log begun before it: MEDIA_ERROR_UNSUPPORTED with the warning if there was such a one. */
enum media_status media_encoder_check_opened(const AVCodecContext *context,
                                             struct media_error *error);

#endif
