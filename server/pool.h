/* SPDX-License-Identifier: MIT
 *
 * Threads for what waits for a disk or a process, so that the thread that serves HTTP never does.
 */
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include <stdbool.h>

struct server_pool;

/* NULL without memory or threads. */
struct server_pool *server_pool_open(unsigned threads);

/* Calls work(opaque) in one of the threads, in the order of the calls. False after the end, or
 * without memory: then it is not called. */
bool server_pool_add(struct server_pool *pool, void (*work)(void *opaque), void *opaque);

/* Takes no more work and waits until all of it is done. NULL is allowed, and a second time. */
void server_pool_end(struct server_pool *pool);

/* Ends it and frees it. NULL is allowed. */
void server_pool_free(struct server_pool *pool);

#endif
