/* SPDX-License-Identifier: MIT
 *
 * A pool of equal video frames: their pixels are allocated once and used again as soon as the last
 * reference to them is gone, whichever thread drops it.
 */
#ifndef MEDIA_VIDEO_FRAMES_H
#define MEDIA_VIDEO_FRAMES_H

#include <libavutil/buffer.h>
#include <libavutil/frame.h>

#include "media/job.h"

struct media_frame_pool {
    AVBufferPool *buffers;
    enum AVPixelFormat format;
    int width_px, height_px;
    int stride_bytes[4];
    size_t offset_bytes[4]; /* of each plane in the buffer */
    int n_planes;
};

/* MEDIA_ERROR_MEMORY, or MEDIA_ERROR_UNSUPPORTED for sizes that FFmpeg cannot address. */
enum media_status media_frame_pool_init(struct media_frame_pool *pool, enum AVPixelFormat format,
                                        int width_px, int height_px, struct media_error *error);

/* Frames still in use stay valid. Harmless on a zeroed pool. */
void media_frame_pool_free(struct media_frame_pool *pool);

/* A writable frame with undefined pixels that the caller frees by av_frame_free(); NULL when out of
 * memory. For one thread at a time. */
AVFrame *media_frame_pool_get(struct media_frame_pool *pool);

#endif
