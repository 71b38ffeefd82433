/* SPDX-License-Identifier: MIT */
#include "media/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct media_queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    void (*discard)(void *item);
    const atomic_bool *cancel;
    enum media_status status; /* MEDIA_OK until fail() */
    bool finished;
    size_t capacity, first, count;
    void *ring[];
};

static bool init_locks(struct media_queue *queue)
{
    /* The monotonic clock, so that setting the machine's time neither stalls nor spins a wait. */
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&queue->changed, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    if (ok && pthread_mutex_init(&queue->mutex, NULL) != 0) {
        pthread_cond_destroy(&queue->changed);
        ok = false;
    }
    return ok;
}

struct media_queue *media_queue_create(size_t capacity, void (*discard)(void *item),
                                       const atomic_bool *cancel)
{
    if (capacity < 1 || capacity > SIZE_MAX / sizeof(void *) / 2) {
        return NULL;
    }
    struct media_queue *queue = calloc(1, sizeof *queue + capacity * sizeof queue->ring[0]);
    if (queue == NULL) {
        return NULL;
    }
    queue->discard = discard;
    queue->cancel = cancel;
    queue->capacity = capacity;
    if (!init_locks(queue)) {
        free(queue);
        return NULL;
    }
    return queue;
}

static void discard_all(struct media_queue *queue)
{
    for (; queue->count > 0; queue->count--) {
        queue->discard(queue->ring[queue->first]);
        queue->first = (queue->first + 1) % queue->capacity;
    }
}

void media_queue_free(struct media_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    discard_all(queue);
    pthread_mutex_destroy(&queue->mutex);
    pthread_cond_destroy(&queue->changed);
    free(queue);
}

/* Waits for a change or for the next look at `cancel`; holds the mutex before and after. */
static enum media_status wait_for_change(struct media_queue *queue)
{
    if (queue->cancel != NULL && atomic_load(queue->cancel)) {
        return MEDIA_ERROR_CANCELLED;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += MEDIA_QUEUE_POLL_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    int error = pthread_cond_timedwait(&queue->changed, &queue->mutex, &until);
    return error == 0 || error == ETIMEDOUT ? MEDIA_OK : MEDIA_ERROR_INTERNAL;
}

enum media_status media_queue_put(struct media_queue *queue, void *item)
{
    enum media_status status = MEDIA_OK;
    pthread_mutex_lock(&queue->mutex);
    while (status == MEDIA_OK && queue->status == MEDIA_OK && queue->count == queue->capacity) {
        status = wait_for_change(queue);
    }
    if (queue->status != MEDIA_OK) {
        status = queue->status;
    } else if (queue->finished) {
        status = MEDIA_ERROR_INTERNAL;
    }
    if (status == MEDIA_OK) {
        queue->ring[(queue->first + queue->count) % queue->capacity] = item;
        queue->count++;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->mutex);
    return status;
}

/* The mutex is held, and an item is there. */
static void *take_first(struct media_queue *queue)
{
    void *item = queue->ring[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    pthread_cond_broadcast(&queue->changed);
    return item;
}

enum media_status media_queue_get(struct media_queue *queue, void **item)
{
    enum media_status status = MEDIA_OK;
    *item = NULL;
    pthread_mutex_lock(&queue->mutex);
    while (status == MEDIA_OK && queue->status == MEDIA_OK && queue->count == 0 &&
           !queue->finished) {
        status = wait_for_change(queue);
    }
    if (queue->status != MEDIA_OK) {
        status = queue->status;
    }
    if (status == MEDIA_OK && queue->count > 0) {
        *item = take_first(queue);
    }
    pthread_mutex_unlock(&queue->mutex);
    return status;
}

size_t media_queue_get_more(struct media_queue *queue, void **items, size_t most)
{
    size_t n = 0;
    pthread_mutex_lock(&queue->mutex);
    while (n < most && queue->status == MEDIA_OK && queue->count > 0) {
        items[n++] = take_first(queue);
    }
    pthread_mutex_unlock(&queue->mutex);
    return n;
}

void media_queue_finish(struct media_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->finished = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

void media_queue_fail(struct media_queue *queue, enum media_status status)
{
    pthread_mutex_lock(&queue->mutex);
    if (queue->status == MEDIA_OK) {
        queue->status = status;
    }
    discard_all(queue);
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}
