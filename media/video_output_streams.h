/* SPDX-License-Identifier: MIT
 *
 * The streams of the output's header: the encoded picture, and what is copied.
 */
#ifndef MEDIA_VIDEO_OUTPUT_STREAMS_H
#define MEDIA_VIDEO_OUTPUT_STREAMS_H

#include "media/video_output.h"

/* MP4 and its relatives. */
bool media_output_is_mov_family(const AVOutputFormat *muxer);

/* Adds to output->format, and to output->copied, all streams that it can hold, in the input's
 * order; tells of the others through job->on_note and counts both in `result`. False when out of
 * memory. */
bool media_output_add_streams(struct media_video_output *output, const struct media_job *job,
                              const struct media_video_options *options,
                              const struct media_video_input *input,
                              const struct media_video_encoder *encoder, const AVFrame *first_frame,
                              struct media_video_result *result);

#endif
