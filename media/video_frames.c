/* SPDX-License-Identifier: MIT */
#include "media/video_frames.h"

#include <limits.h>
#include <stdlib.h>

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>

enum {
    ALIGNMENT_BYTES = 64,
    PADDING_BYTES = 128 /* libswscale's vector code may touch bytes behind a row's end */
};

/* ----------------------------------------------------------------------------------- shells -- */

enum media_status media_frame_shells_init(struct media_frame_shells *shells, size_t count,
                                          struct media_error *error)
{
    *shells = (struct media_frame_shells){.spare = calloc(count, sizeof(AVFrame *))};
    shells->mutex_made = shells->spare != NULL && pthread_mutex_init(&shells->mutex, NULL) == 0;
    while (shells->mutex_made && shells->room < count) {
        AVFrame *frame = av_frame_alloc();
        if (frame == NULL) {
            break;
        }
        shells->spare[shells->n_spare++] = frame;
        shells->room++;
    }
    return shells->mutex_made && shells->room == count
               ? MEDIA_OK
               : media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

void media_frame_shells_free(struct media_frame_shells *shells)
{
    while (shells->n_spare > 0) {
        av_frame_free(&shells->spare[--shells->n_spare]);
    }
    free(shells->spare);
    if (shells->mutex_made) {
        pthread_mutex_destroy(&shells->mutex);
    }
    *shells = (struct media_frame_shells){0};
}

AVFrame *media_frame_shell(struct media_frame_shells *shells)
{
    pthread_mutex_lock(&shells->mutex);
    AVFrame *frame = shells->n_spare > 0 ? shells->spare[--shells->n_spare] : NULL;
    pthread_mutex_unlock(&shells->mutex);
    return frame != NULL ? frame : av_frame_alloc();
}

AVFrame *media_frame_reference(struct media_frame_shells *shells, const AVFrame *frame)
{
    AVFrame *reference = media_frame_shell(shells);
    if (reference != NULL && av_frame_ref(reference, frame) < 0) {
        media_frame_give_back(shells, &reference);
    }
    return reference;
}

void media_frame_give_back(struct media_frame_shells *shells, AVFrame **frame)
{
    if (*frame == NULL) {
        return;
    }
    av_frame_unref(*frame);
    pthread_mutex_lock(&shells->mutex);
    const bool has_room = shells->n_spare < shells->room;
    if (has_room) {
        shells->spare[shells->n_spare++] = *frame;
    }
    pthread_mutex_unlock(&shells->mutex);
    if (!has_room) {
        av_frame_free(frame);
    }
    *frame = NULL;
}

/* ----------------------------------------------------------------------------------- pixels -- */

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

static AVBufferRef *make_buffer(void *opaque, size_t size_bytes)
{
    (void)opaque;
    return av_buffer_alloc(size_bytes);
}

enum media_status media_frame_pool_init(struct media_frame_pool *pool,
                                        struct media_frame_shells *shells,
                                        enum AVPixelFormat format, int width_px, int height_px,
                                        struct media_error *error)
{
    *pool = (struct media_frame_pool){.shells = shells,
                                      .format = format,
                                      .width_px = width_px,
                                      .height_px = height_px,
                                      .n_planes = av_pix_fmt_count_planes(format)};
    size_t total_bytes;
    if (pool->n_planes < 1 || width_px < 1 || width_px > INT_MAX - ALIGNMENT_BYTES ||
        height_px < 1 || !plan_planes(pool, &total_bytes)) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "frames of %dx%d pixels are too large",
                          width_px, height_px);
    }
    pool->buffers = av_buffer_pool_init2(total_bytes, NULL, make_buffer, NULL);
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
    AVFrame *frame = media_frame_shell(pool->shells);
    if (frame == NULL) {
        return NULL;
    }
    frame->buf[0] = av_buffer_pool_get(pool->buffers);
    if (frame->buf[0] == NULL) {
        media_frame_give_back(pool->shells, &frame);
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

enum media_status media_frame_pool_fill(struct media_frame_pool *pool, size_t count,
                                        struct media_error *error)
{
    /* What is given back to a buffer pool is what it hands out next. */
    AVBufferRef **held = calloc(count, sizeof *held);
    size_t n_held = 0;
    while (held != NULL && n_held < count &&
           (held[n_held] = av_buffer_pool_get(pool->buffers)) != NULL) {
        n_held++;
    }
    for (size_t i = 0; i < n_held; i++) {
        av_buffer_unref(&held[i]);
    }
    free(held);
    return n_held == count ? MEDIA_OK : media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}
