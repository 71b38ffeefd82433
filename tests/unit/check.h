/* SPDX-License-Identifier: MIT
 *
 * The smallest test harness that says what failed: CHECK() goes on after a failure, main() returns
 * check_result().
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int check_failures, check_count; /* tests start threads */

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        check_count++;                                                                             \
        if (!(condition)) {                                                                        \
            check_failures++;                                                                      \
            printf("%s:%d: %s: ", __FILE__, __LINE__, #condition);                                 \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
        }                                                                                          \
    } while (0)

/* Exit status: 0 if all checks held and there was at least one. */
static inline int check_result(void)
{
    const int count = check_count, failures = check_failures;
    printf("%d checks, %d failed\n", count, failures);
    return failures || !count;
}

/* PIPERSR_TEST_QUICK is set: the same checks, on fewer and smaller cases. For emulators, which take
 * twenty times as long. */
static inline bool check_quick(void)
{
    return getenv("PIPERSR_TEST_QUICK") != NULL;
}

/* xorshift: the same numbers on every machine. */
static inline unsigned check_random(unsigned *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* -1 .. 1 */
static inline float check_random_float(unsigned *state)
{
    return (float)(check_random(state) & 0xffffff) / 8388608.0f - 1.0f;
}

#endif
