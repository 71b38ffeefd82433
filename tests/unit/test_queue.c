/* SPDX-License-Identifier: MIT
 *
 * The contract of media/queue.h: order, blocking, ownership, end, error and cancellation.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "media/queue.h"

enum { N_ITEMS = 20000, CAPACITY = 3 };

static atomic_int n_alive; /* items made and not yet freed */

static int *make_item(int value)
{
    int *item = malloc(sizeof *item);
    if (item == NULL) {
        abort();
    }
    *item = value;
    atomic_fetch_add(&n_alive, 1);
    return item;
}

static void free_item(void *item)
{
    free(item);
    atomic_fetch_sub(&n_alive, 1);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* What a thread of a test works on, and what it found. */
struct side {
    struct media_queue *queue;
    enum media_status status;
    int n_done;
    atomic_int n_put;
};

static void *produce(void *opaque)
{
    struct side *side = opaque;
    for (int i = 0; i < N_ITEMS; i++) {
        int *item = make_item(i);
        side->status = media_queue_put(side->queue, item);
        if (side->status != MEDIA_OK) {
            free_item(item); /* a failed put leaves it to us */
            return NULL;
        }
        atomic_fetch_add(&side->n_put, 1);
    }
    media_queue_finish(side->queue);
    return NULL;
}

static void *consume_one(void *opaque)
{
    struct side *side = opaque;
    void *item;
    side->status = media_queue_get(side->queue, &item);
    side->n_done = item != NULL;
    if (item != NULL) {
        free_item(item);
    }
    return NULL;
}

static pthread_t start(void *(*function)(void *), struct side *side)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, side) != 0) {
        abort();
    }
    return thread;
}

static void test_order_and_end(void)
{
    struct side side = {.queue = media_queue_create(CAPACITY, free_item, NULL)};
    pthread_t thread = start(produce, &side);
    int n_wrong = 0;
    for (int i = 0; i < N_ITEMS; i++) {
        void *item;
        enum media_status status = media_queue_get(side.queue, &item);
        n_wrong += status != MEDIA_OK || item == NULL || *(int *)item != i;
        if (item != NULL) {
            free_item(item);
        }
    }
    CHECK(n_wrong == 0, "%d of %d items wrong", n_wrong, N_ITEMS);
    for (int i = 0; i < 2; i++) {
        void *item = &side;
        CHECK(media_queue_get(side.queue, &item) == MEDIA_OK && item == NULL, "end, time %d", i);
    }
    pthread_join(thread, NULL);
    int *late = make_item(0);
    CHECK(media_queue_put(side.queue, late) == MEDIA_ERROR_INTERNAL, "put after the end");
    free_item(late);
    media_queue_free(side.queue);
    CHECK(atomic_load(&n_alive) == 0, "%d items leaked", atomic_load(&n_alive));
}

static void test_full_queue_blocks(void)
{
    struct side side = {.queue = media_queue_create(CAPACITY, free_item, NULL)};
    pthread_t thread = start(produce, &side);
    while (atomic_load(&side.n_put) < CAPACITY) {
        sleep_ms(1);
    }
    sleep_ms(30);
    CHECK(atomic_load(&side.n_put) == CAPACITY, "%d items in a queue of %d",
          atomic_load(&side.n_put), CAPACITY);
    media_queue_fail(side.queue, MEDIA_ERROR_OUTPUT); /* the consumer gives up */
    pthread_join(thread, NULL);
    CHECK(side.status == MEDIA_ERROR_OUTPUT, "blocked put returned %d", (int)side.status);
    CHECK(atomic_load(&n_alive) == 0, "fail() kept %d items", atomic_load(&n_alive));
    media_queue_fail(side.queue, MEDIA_ERROR_INPUT);
    void *item = &side;
    CHECK(media_queue_get(side.queue, &item) == MEDIA_ERROR_OUTPUT && item == NULL,
          "the first failure counts");
    media_queue_free(side.queue);
}

static void test_error_wakes_consumer(void)
{
    struct side side = {.queue = media_queue_create(CAPACITY, free_item, NULL)};
    pthread_t thread = start(consume_one, &side);
    sleep_ms(20);
    media_queue_fail(side.queue, MEDIA_ERROR_INPUT);
    pthread_join(thread, NULL);
    CHECK(side.status == MEDIA_ERROR_INPUT && side.n_done == 0, "blocked get returned %d",
          (int)side.status);
    media_queue_free(side.queue);
}

static void test_cancel(void)
{
    atomic_bool cancel = false;
    struct side producer = {.queue = media_queue_create(CAPACITY, free_item, &cancel)};
    struct side consumer = {.queue = media_queue_create(CAPACITY, free_item, &cancel)};
    pthread_t threads[2] = {start(produce, &producer), start(consume_one, &consumer)};
    sleep_ms(20);
    atomic_store(&cancel, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    CHECK(producer.status == MEDIA_ERROR_CANCELLED, "put returned %d", (int)producer.status);
    CHECK(consumer.status == MEDIA_ERROR_CANCELLED, "get returned %d", (int)consumer.status);
    media_queue_free(producer.queue);
    media_queue_free(consumer.queue);
    CHECK(atomic_load(&n_alive) == 0, "free() kept %d items", atomic_load(&n_alive));
}

static void test_arguments(void)
{
    CHECK(media_queue_create(0, free_item, NULL) == NULL, "capacity 0");
    CHECK(media_queue_create(SIZE_MAX, free_item, NULL) == NULL, "capacity SIZE_MAX");
    media_queue_free(NULL);
}

/* Whatever is there, never more than asked for, never a wait. */
static void test_get_more(void)
{
    struct media_queue *queue = media_queue_create(CAPACITY, free_item, NULL);
    void *items[CAPACITY + 1] = {NULL};
    CHECK(media_queue_get_more(queue, items, CAPACITY) == 0, "an empty queue gave something");
    for (int i = 0; i < CAPACITY; i++) {
        CHECK(media_queue_put(queue, make_item(i)) == MEDIA_OK, "put %d", i);
    }
    CHECK(media_queue_get_more(queue, items, 2) == 2, "two of three");
    CHECK(*(int *)items[0] == 0 && *(int *)items[1] == 1, "the order");
    free_item(items[0]);
    free_item(items[1]);
    CHECK(media_queue_get_more(queue, items, CAPACITY + 1) == CAPACITY - 2, "the rest");
    free_item(items[0]);
    CHECK(media_queue_put(queue, make_item(9)) == MEDIA_OK, "put again");
    media_queue_fail(queue, MEDIA_ERROR_INTERNAL);
    CHECK(media_queue_get_more(queue, items, 1) == 0, "a failed queue gave something");
    media_queue_free(queue);
    CHECK(n_alive == 0, "%d items are left", n_alive);
}

int main(void)
{
    test_order_and_end();
    test_full_queue_blocks();
    test_error_wakes_consumer();
    test_cancel();
    test_arguments();
    test_get_more();
    return check_result();
}
