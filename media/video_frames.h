/* SPDX-License-Identifier: MIT
 *
 * A pool of equal video frames: their pixels are allocated once and used again as soon as the last
 * reference to them is gone, whichever thread drops it. The same for the structures around them.
 */
#ifndef MEDIA_VIDEO_FRAMES_H
#define MEDIA_VIDEO_FRAMES_H

#include <pthread.h>

#include <libavutil/buffer.h>
#include <libavutil/frame.h>

#include "media/job.h"

/* Frame structures without pixels, to be used again. Any thread may take and give back. */
struct media_frame_shells {
    AVFrame **spare;
    size_t n_spare, room;
    pthread_mutex_t mutex;
    bool mutex_made;
};

/* `count` of them; more are made when they run out. MEDIA_ERROR_MEMORY; free it in any case. */
enum media_status media_frame_shells_init(struct media_frame_shells *shells, size_t count,
                                          struct media_error *error);

/* Harmless on a zeroed one. */
void media_frame_shells_free(struct media_frame_shells *shells);

/* An empty frame; NULL when out of memory. */
AVFrame *media_frame_shell(struct media_frame_shells *shells);

/* Another reference to a frame's pixels and properties; NULL when out of memory. */
AVFrame *media_frame_reference(struct media_frame_shells *shells, const AVFrame *frame);

/* Drops the frame's reference and keeps its structure; *frame becomes NULL. NULL is allowed. */
void media_frame_give_back(struct media_frame_shells *shells, AVFrame **frame);

struct media_frame_pool {
    struct media_frame_shells *shells; /* the owner's */
    AVBufferPool *buffers;
    enum AVPixelFormat format;
    int width_px, height_px;
    int stride_bytes[4];
    size_t offset_bytes[4]; /* of each plane in the buffer */
    int n_planes;
};

/* `shells` outlives the pool. MEDIA_ERROR_MEMORY, or MEDIA_ERROR_UNSUPPORTED for sizes that FFmpeg
 * cannot address. */
enum media_status media_frame_pool_init(struct media_frame_pool *pool,
                                        struct media_frame_shells *shells,
                                        enum AVPixelFormat format, int width_px, int height_px,
                                        struct media_error *error);

/* Has the pixels of `count` frames ready. MEDIA_ERROR_MEMORY. */
enum media_status media_frame_pool_fill(struct media_frame_pool *pool, size_t count,
                                        struct media_error *error);

/* Frames still in use stay valid. Harmless on a zeroed pool. */
void media_frame_pool_free(struct media_frame_pool *pool);

/* A writable frame with undefined pixels that the caller gives back, or frees by av_frame_free();
 * NULL when out of memory. */
AVFrame *media_frame_pool_get(struct media_frame_pool *pool);

#endif
