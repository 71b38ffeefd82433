/* SPDX-License-Identifier: MIT */
#include "media/video_orientation.h"

#include <string.h>

#include <libavutil/display.h>

bool media_orientation_is_plain(const struct media_orientation *orientation)
{
    return !orientation->transpose && !orientation->mirror_x && !orientation->mirror_y;
}

bool media_orientation_from_matrix(const uint8_t *matrix, size_t size_bytes,
                                   struct media_orientation *orientation)
{
    /* Row-major: x' = m[0] x + m[3] y, y' = m[1] x + m[4] y. */
    int32_t m[9];
    *orientation = (struct media_orientation){0};
    if (size_bytes < sizeof m) {
        return false;
    }
    memcpy(m, matrix, sizeof m);
    if (m[1] == 0 && m[3] == 0 && m[0] != 0 && m[4] != 0) {
        orientation->mirror_x = m[0] < 0;
        orientation->mirror_y = m[4] < 0;
        return true;
    }
    if (m[0] == 0 && m[4] == 0 && m[1] != 0 && m[3] != 0) {
        orientation->transpose = true;
        orientation->mirror_x = m[3] < 0;
        orientation->mirror_y = m[1] < 0;
        return true;
    }
    return false;
}

void media_orientation_apply(const struct media_orientation *orientation, const AVFrame *from,
                             AVFrame *to, size_t pixel_bytes)
{
    for (int y = 0; y < to->height; y++) {
        int v = orientation->mirror_y ? to->height - 1 - y : y;
        uint8_t *to_row = to->data[0] + (ptrdiff_t)y * to->linesize[0];
        for (int x = 0; x < to->width; x++) {
            int u = orientation->mirror_x ? to->width - 1 - x : x;
            ptrdiff_t from_x = orientation->transpose ? v : u;
            ptrdiff_t from_y = orientation->transpose ? u : v;
            memcpy(to_row + (size_t)x * pixel_bytes,
                   from->data[0] + from_y * from->linesize[0] + from_x * (ptrdiff_t)pixel_bytes,
                   pixel_bytes);
        }
    }
}
