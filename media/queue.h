/* SPDX-License-Identifier: MIT
 *
 * A bounded queue of pointers between one producing and one consuming thread.
 *
 * Who blocks: put() while the queue is full, get() while it is empty. Nothing else blocks, so a
 *   stage that fails can always tell its neighbours.
 * Who owns: an item belongs to the queue from a successful put() to the get() that returns it.
 *   After a failed put() it still belongs to the caller. Items that nobody fetched are given to
 *   `discard`, by fail() or free().
 * How the end passes: finish() marks it behind the last item; get() returns the items first, then
 *   MEDIA_OK with a NULL item, again and again.
 * How an error passes: fail(), from either side, overtakes everything: the items are discarded and
 *   every put() and get(), also one that is blocked, returns the status given. The first counts.
 * How cancellation passes: blocked calls look at `cancel` every MEDIA_QUEUE_POLL_MS and return
 *   MEDIA_ERROR_CANCELLED.
 */
#ifndef MEDIA_QUEUE_H
#define MEDIA_QUEUE_H

#include <stddef.h>

#include "media/job.h"

enum { MEDIA_QUEUE_POLL_MS = 50 };

struct media_queue;

/* `capacity` >= 1 items. `discard` frees an item. `cancel` may be NULL; it outlives the queue.
 * NULL when out of memory. */
struct media_queue *media_queue_create(size_t capacity, void (*discard)(void *item),
                                       const atomic_bool *cancel);

/* Both threads must be done with it. NULL is allowed. */
void media_queue_free(struct media_queue *queue);

/* `item` is not NULL. After finish(): MEDIA_ERROR_INTERNAL. */
enum media_status media_queue_put(struct media_queue *queue, void *item);

/* On anything but MEDIA_OK, *item is NULL. */
enum media_status media_queue_get(struct media_queue *queue, void **item);

/* Takes up to `most` items that are there, without waiting; returns how many, 0 also after an
 * error.
 */
size_t media_queue_get_more(struct media_queue *queue, void **items, size_t most);

void media_queue_finish(struct media_queue *queue);

/* `status` is not MEDIA_OK. */
void media_queue_fail(struct media_queue *queue, enum media_status status);

#endif
