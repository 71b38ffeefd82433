/* SPDX-License-Identifier: MIT */
#include "media/video_frames.h"

#include <limits.h>

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>

enum {
    ALIGNMENT_BYTES = 64,
    PADDING_BYTES = 128 /* libswscale's vector code may touch bytes behind a row's end */
};

static bool plan_planes(struct media_frame_pool *pool, size_t *total_bytes)
{
    ptrdiff_t strides[4] = {0};
    size_t sizes[4] = {0};
    int padded_width_px = (pool->width_px + ALIGNMENT_BYTES - 1) & ~(ALIGNMENT_BYTES - 1);
    if (av_image_check_size2((unsigned)padded_width_px, (unsigned)pool->height_px, INT64_MAX,
                             pool->format, 0, NULL) < 0 ||
        av_image_fill_linesizes(pool->stride_bytes, pool->format, padded_width_px) < 0) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        strides[i] = pool->stride_bytes[i];
    }
    if (av_image_fill_plane_sizes(sizes, pool->format, pool->height_px, strides) < 0) {
        return false;
    }
    *total_bytes = 0;
    for (int i = 0; i < pool->n_planes; i++) {
        pool->offset_bytes[i] = *total_bytes;
        size_t padded = (sizes[i] + PADDING_BYTES + ALIGNMENT_BYTES - 1) / ALIGNMENT_BYTES;
        *total_bytes += padded * ALIGNMENT_BYTES;
    }
    return *total_bytes <= INT_MAX; /* the limit of AVBufferRef before FFmpeg 5, and of codecs */
}

enum media_status media_frame_pool_init(struct media_frame_pool *pool, enum AVPixelFormat format,
                                        int width_px, int height_px, struct media_error *error)
{
    *pool = (struct media_frame_pool){.format = format,
                                      .width_px = width_px,
                                      .height_px = height_px,
                                      .n_planes = av_pix_fmt_count_planes(format)};
    size_t total_bytes;
    if (pool->n_planes < 1 || width_px < 1 || width_px > INT_MAX - ALIGNMENT_BYTES ||
        height_px < 1 || !plan_planes(pool, &total_bytes)) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "frames of %dx%d pixels are too large",
                          width_px, height_px);
    }
    pool->buffers = av_buffer_pool_init(total_bytes, NULL);
    if (pool->buffers == NULL) {
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    return MEDIA_OK;
}

void media_frame_pool_free(struct media_frame_pool *pool)
{
    av_buffer_pool_uninit(&pool->buffers);
}

AVFrame *media_frame_pool_get(struct media_frame_pool *pool)
{
    AVFrame *frame = av_frame_alloc();
    if (frame == NULL) {
        return NULL;
    }
    frame->buf[0] = av_buffer_pool_get(pool->buffers);
    if (frame->buf[0] == NULL) {
        av_frame_free(&frame);
        return NULL;
    }
    frame->format = pool->format;
    frame->width = pool->width_px;
    frame->height = pool->height_px;
    for (int i = 0; i < pool->n_planes; i++) {
        frame->data[i] = frame->buf[0]->data + pool->offset_bytes[i];
        frame->linesize[i] = pool->stride_bytes[i];
    }
    frame->extended_data = frame->data;
    return frame;
}
