/* SPDX-License-Identifier: MIT */
#include "server/pool.h"

#include <pthread.h>
#include <stdlib.h>

struct item {
    struct item *next;
    void (*work)(void *opaque);
    void *opaque;
};

struct server_pool {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct item *first, **last;
    bool ended;
    unsigned n_threads;
    pthread_t threads[];
};

static void *run(void *opaque)
{
    struct server_pool *pool = opaque;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct item *item = pool->first;
        if (!item && pool->ended)
            break;
        if (!item) {
            pthread_cond_wait(&pool->changed, &pool->mutex);
            continue;
        }
        pool->first = item->next;
        if (!pool->first)
            pool->last = &pool->first;
        pthread_mutex_unlock(&pool->mutex);
        item->work(item->opaque);
        free(item);
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

struct server_pool *server_pool_open(unsigned threads)
{
    struct server_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->changed, NULL);
    pool->last = &pool->first;
    while (pool->n_threads < threads &&
           pthread_create(&pool->threads[pool->n_threads], NULL, run, pool) == 0)
        pool->n_threads++;
    if (pool->n_threads > 0)
        return pool;
    server_pool_free(pool);
    return NULL;
}

bool server_pool_add(struct server_pool *pool, void (*work)(void *opaque), void *opaque)
{
    struct item *item = malloc(sizeof *item);
    if (!item)
        return false;
    *item = (struct item){.work = work, .opaque = opaque};
    pthread_mutex_lock(&pool->mutex);
    const bool taken = !pool->ended;
    if (taken) {
        *pool->last = item;
        pool->last = &item->next;
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->mutex);
    if (!taken)
        free(item);
    return taken;
}

void server_pool_end(struct server_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->ended = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    while (pool->n_threads > 0)
        pthread_join(pool->threads[--pool->n_threads], NULL);
}

void server_pool_free(struct server_pool *pool)
{
    if (!pool)
        return;
    server_pool_end(pool);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->changed);
    free(pool);
}
