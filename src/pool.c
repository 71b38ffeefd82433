/* SPDX-License-Identifier: MIT */
#include "src/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct worker {
    struct psr_pool *pool;
    pthread_t thread;
    unsigned index;
    atomic_int cpu; /* it was on when it last began a round; -1: unknown */
};

struct psr_pool {
    pthread_mutex_t mutex;
    pthread_cond_t work_ready, work_done;

    /* Under the mutex. */
    unsigned round;   /* counts the calls of psr_pool_run(); a worker runs each round once */
    unsigned working; /* workers that have not finished this round */
    bool quit;

    /* Set before a round is announced, constant during it. */
    psr_pool_function *function;
    void *argument;
    size_t n_jobs;
    atomic_size_t next_job;

    unsigned threads;
    struct worker workers[]; /* threads - 1 of them are started: [0] is the caller */
};

#if defined(__linux__)
static int current_cpu(void)
{
    return sched_getcpu();
}

/* Linux may wake a worker on the very CPU that its caller is about to keep busy, and leave both
 * there for many milliseconds while other CPUs idle: half the speed on two cores. A worker that
 * finds itself where another thread of its pool works moves on by forbidding itself those CPUs for
 * a moment. Nothing stays pinned. */
static void leave_shared_cpu(struct worker *self)
{
    struct psr_pool *pool = self->pool;
    const int cpu = current_cpu();
    cpu_set_t allowed, free_cpus;
    bool is_shared = false;

    if (cpu < 0 || pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed))
        return;
    free_cpus = allowed;
    for (unsigned i = 0; i < pool->threads; i++) {
        const int taken = i == self->index ? -1 : atomic_load(&pool->workers[i].cpu);
        if (taken >= 0 && taken < CPU_SETSIZE)
            CPU_CLR(taken, &free_cpus);
        is_shared |= taken == cpu;
    }
    if (is_shared && CPU_COUNT(&free_cpus) > 0 &&
        pthread_setaffinity_np(pthread_self(), sizeof free_cpus, &free_cpus) == 0)
        pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
    atomic_store(&self->cpu, current_cpu());
}
#else
static int current_cpu(void)
{
    return -1;
}

static void leave_shared_cpu(struct worker *self)
{
    (void)self;
}
#endif

static void take_jobs(struct psr_pool *pool, unsigned worker)
{
    size_t job;
    while ((job = atomic_fetch_add(&pool->next_job, 1)) < pool->n_jobs)
        pool->function(pool->argument, job, worker);
}

static void *work(void *argument)
{
    struct worker *self = argument;
    struct psr_pool *pool = self->pool;
    unsigned seen = 0;

    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (pool->round == seen && !pool->quit)
            pthread_cond_wait(&pool->work_ready, &pool->mutex);
        if (pool->quit)
            break;
        seen = pool->round;
        pthread_mutex_unlock(&pool->mutex);
        leave_shared_cpu(self);
        take_jobs(pool, self->index);
        pthread_mutex_lock(&pool->mutex);
        if (--pool->working == 0)
            pthread_cond_signal(&pool->work_done);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

struct psr_pool *psr_pool_create(unsigned threads)
{
    struct psr_pool *pool = calloc(1, sizeof *pool + threads * sizeof *pool->workers);
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work_ready, NULL);
    pthread_cond_init(&pool->work_done, NULL);
    pool->threads = 1;
    for (unsigned i = 0; i < threads; i++)
        atomic_init(&pool->workers[i].cpu, -1);

    /* The program's signals belong to the program's threads: a handler must not run on ours. Except
     * for those that an instruction of the thread itself causes: blocked, they end the program
     * without the handler that it may have for them. */
    static const int own[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};
    sigset_t others, before;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&others, own[i]);
    pthread_sigmask(SIG_BLOCK, &others, &before);
    bool failed = false;
    for (unsigned i = 1; i < threads && !failed; i++) {
        pool->workers[i].pool = pool;
        pool->workers[i].index = i;
        failed = pthread_create(&pool->workers[i].thread, NULL, work, &pool->workers[i]) != 0;
        if (!failed)
            pool->threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        psr_pool_free(pool);
        return NULL;
    }
    return pool;
}

unsigned psr_pool_threads(const struct psr_pool *pool)
{
    return pool->threads;
}

void psr_pool_run(struct psr_pool *pool, size_t n_jobs, psr_pool_function *function, void *argument)
{
    pool->function = function;
    pool->argument = argument;
    pool->n_jobs = n_jobs;
    atomic_store(&pool->next_job, 0);

    const bool shared = pool->threads > 1 && n_jobs > 1;
    if (shared) {
        atomic_store(&pool->workers[0].cpu, current_cpu());
        pthread_mutex_lock(&pool->mutex);
        pool->round++;
        pool->working = pool->threads - 1;
        pthread_cond_broadcast(&pool->work_ready);
        pthread_mutex_unlock(&pool->mutex);
        sched_yield(); /* a worker that was woken on this CPU gets the chance to leave it */
    }
    take_jobs(pool, 0);
    if (shared) {
        pthread_mutex_lock(&pool->mutex);
        while (pool->working)
            pthread_cond_wait(&pool->work_done, &pool->mutex);
        pthread_mutex_unlock(&pool->mutex);
    }
}

void psr_pool_free(struct psr_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->quit = true;
    pthread_cond_broadcast(&pool->work_ready);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 1; i < pool->threads; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->work_ready);
    pthread_cond_destroy(&pool->work_done);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
