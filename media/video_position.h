/* SPDX-License-Identifier: MIT
 *
 * An input at a certain frame, as if all before it had been decoded.
 */
#ifndef MEDIA_VIDEO_POSITION_H
#define MEDIA_VIDEO_POSITION_H

#include "media/video_input.h"
#include "media/video_manifest.h"

/* Opens the input and reads its first frame. MEDIA_ERROR_INPUT if there is none. Close the input in
 * any case. */
enum media_status media_position_first(struct media_video_input *input, const char *path,
                                       const struct media_video_options *options,
                                       const atomic_bool *cancel, AVFrame *frame,
                                       struct media_error *error);

/* The next frame; false at the end. What is not the picture is passed over. */
enum media_status media_position_next(struct media_video_input *input, AVFrame *frame,
                                      bool *got_frame, struct media_error *error);

/* Opens the input and reads frame `number`, which is known by `mark`: from the keyframe before it
 * where the container can seek and what comes out is that very picture, else from the beginning.
 * `linear`: from the beginning in any case. MEDIA_ERROR_INPUT if the frame does not come. Close the
 * input in any case. */
enum media_status media_position_at(struct media_video_input *input, const char *path,
                                    const struct media_video_options *options,
                                    const atomic_bool *cancel, uint64_t number,
                                    const struct media_frame_mark *mark, bool linear,
                                    AVFrame *frame, struct media_error *error);

/* The mark of a frame that an input has given. "" for its digest when out of memory. */
void media_position_mark(const AVFrame *frame, struct media_frame_mark *mark);

#endif
