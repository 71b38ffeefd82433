/* SPDX-License-Identifier: MIT
 *
 * Tells one network from another by what it computes: so that a job is not continued with other
 * weights, or where they give other numbers.
 */
#ifndef MEDIA_VIDEO_NETWORK_MARK_H
#define MEDIA_VIDEO_NETWORK_MARK_H

#include "media/job.h"
#include "media/video_digest.h"

/* SHA-256 of the enlargement of a small fixed picture. */
enum media_status media_network_mark(pipersr_upscaler *upscaler, char digest[MEDIA_DIGEST_BYTES],
                                     struct media_error *error);

#endif
