/* SPDX-License-Identifier: MIT
 *
 * Turning pictures for containers that cannot tell the player to do it.
 */
#ifndef MEDIA_VIDEO_ORIENTATION_H
#define MEDIA_VIDEO_ORIENTATION_H

#include <stddef.h>

#include <libavutil/frame.h>

#include "media/job.h"

/* First the axes are exchanged, then the result is mirrored. */
struct media_orientation {
    bool transpose, mirror_x, mirror_y;
};

bool media_orientation_is_plain(const struct media_orientation *orientation);

/* From a display matrix as FFmpeg keeps it (9 int32_t). False if it is not a multiple of 90
 * degrees; *orientation is then plain. */
bool media_orientation_from_matrix(const uint8_t *matrix, size_t size_bytes,
                                   struct media_orientation *orientation);

/* Fills `to`, whose size is that of `from` with the axes exchanged if need be. Both have the same
 * packed RGB format with `pixel_bytes` bytes per pixel. */
void media_orientation_apply(const struct media_orientation *orientation, const AVFrame *from,
                             AVFrame *to, size_t pixel_bytes);

#endif
