/* SPDX-License-Identifier: MIT
 *
 * What an enlarged video cannot have any more: told in a note, or refused unless it is allowed.
 */
#ifndef MEDIA_VIDEO_LOSSES_H
#define MEDIA_VIDEO_LOSSES_H

#include <libavformat/avformat.h>
#include <libavutil/frame.h>

#include "media/video.h"
#include "media/video_encoder.h"

/* Descriptions of each picture that are about its old pixels and that no encoder here writes. Takes
 * them away from the frame; *found gets what there was, of enum media_loss. MEDIA_ERROR_UNSUPPORTED
 * for one that is not in `allowed`. */
enum media_status media_losses_of_frame(AVFrame *frame, const AVStream *stream, unsigned allowed,
                                        unsigned *found, struct media_error *error);

/* Notes to the job, for a set of enum media_loss that was allowed. */
void media_losses_note(const struct media_job *job, unsigned losses);

/* What the encoder's format has not got of the source's: told in notes. MEDIA_ERROR_UNSUPPORTED for
 * losses that options->allow_lossy does not name. `first_frame` tells the kind of picture;
 * `has_description` whether the output can say what its colours mean. */
enum media_status media_losses_of_format(const struct media_job *job,
                                         const struct media_video_options *options,
                                         enum AVPixelFormat source, const AVFrame *first_frame,
                                         const struct media_video_encoder *encoder,
                                         bool has_description, struct media_error *error);

#endif
