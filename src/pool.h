/* SPDX-License-Identifier: MIT
 *
 * Worker threads that share out numbered jobs.
 */
#ifndef PSR_POOL_H
#define PSR_POOL_H

#include <stddef.h>

struct psr_pool;

/* `job` is 0..n_jobs-1, each run exactly once; `worker` is 0..threads-1 and tells which thread runs
 * it, so that scratch memory can be one per worker. */
typedef void psr_pool_function(void *argument, size_t job, unsigned worker);

/* threads >= 1 counts the caller, so 1 starts none. NULL when out of memory or threads. */
struct psr_pool *psr_pool_create(unsigned threads);

unsigned psr_pool_threads(const struct psr_pool *pool);

/* Runs all jobs, the calling thread being worker 0, and returns when the last has ended. Jobs are
 * taken in order of their number. One call at a time. Allocates nothing. */
void psr_pool_run(struct psr_pool *pool, size_t n_jobs, psr_pool_function *function,
                  void *argument);

/* Ends and joins the workers. NULL is allowed. */
void psr_pool_free(struct psr_pool *pool);

#endif
