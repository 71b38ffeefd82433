/* SPDX-License-Identifier: MIT
 *
 * Each job runs exactly once, whatever the numbers of threads and jobs, round after round. Signals
 * from elsewhere leave the workers alone, those of their own instructions reach a handler.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "src/pool.h"

enum { MAX_JOBS = 100 };

struct round {
    atomic_int runs[MAX_JOBS];
    unsigned threads;
    atomic_int bad_worker;
    int plain[MAX_JOBS]; /* not atomic: the pool itself must order it before the caller's reading */
};

static void job(void *argument, size_t index, unsigned worker)
{
    struct round *round = argument;
    atomic_fetch_add(&round->runs[index], 1);
    round->plain[index] = (int)index + 1;
    if (worker >= round->threads)
        atomic_store(&round->bad_worker, 1);
}

struct meeting {
    pthread_barrier_t both; /* so that two jobs are on two threads */
    atomic_int wrong;
};

static void look_at_signals(void *argument, size_t index, unsigned worker)
{
    struct meeting *meeting = argument;
    sigset_t blocked;
    (void)index;
    pthread_barrier_wait(&meeting->both);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    if (worker > 0)
        meeting->wrong += !sigismember(&blocked, SIGINT) || !sigismember(&blocked, SIGUSR1) ||
                          sigismember(&blocked, SIGILL) || sigismember(&blocked, SIGSEGV);
    else
        meeting->wrong += sigismember(&blocked, SIGINT);
}

static void test_signals(void)
{
    struct meeting meeting = {.wrong = 0};
    struct psr_pool *pool = psr_pool_create(2);
    pthread_barrier_init(&meeting.both, NULL, 2);
    psr_pool_run(pool, 2, look_at_signals, &meeting);
    CHECK(atomic_load(&meeting.wrong) == 0, "the wrong signals are blocked");
    psr_pool_free(pool);
    pthread_barrier_destroy(&meeting.both);
}

int main(void)
{
    static struct round round;
    test_signals();
    for (unsigned threads = 1; threads <= 8; threads++) {
        struct psr_pool *pool = psr_pool_create(threads);
        CHECK(pool && psr_pool_threads(pool) == threads, "no pool of %u", threads);
        for (size_t n = 0; n <= MAX_JOBS; n += 1 + n / 3) {
            memset(&round, 0, sizeof round);
            round.threads = threads;
            psr_pool_run(pool, n, job, &round);
            int wrong = 0;
            for (size_t i = 0; i < MAX_JOBS; i++) {
                const int expected = i < n;
                wrong += atomic_load(&round.runs[i]) != expected;
                wrong += round.plain[i] != (expected ? (int)i + 1 : 0);
            }
            CHECK(wrong == 0, "%u threads, %zu jobs: %d wrong", threads, n, wrong);
            CHECK(!atomic_load(&round.bad_worker), "worker number out of range");
        }
        psr_pool_free(pool);
    }
    psr_pool_free(NULL);
    return check_result();
}
