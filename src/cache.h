/* SPDX-License-Identifier: MIT
 *
 * How much cache a core of this machine has.
 */
#ifndef PSR_CACHE_H
#define PSR_CACHE_H

#include <stdint.h>

struct psr_cache {
    uint64_t l2_bytes;       /* of one core's share of its L2 cache; 0: unknown */
    uint64_t l3_share_bytes; /* L3 divided by the CPUs that share it; 0: none, or unknown */
};

/* Asks the CPU (x86) or the Linux kernel. Hypervisors may tell too much of the L3. */
struct psr_cache psr_cache_describe(void);

/* Bytes that one thread may count on to stay close to its core, never 0: L2 and its share of L3,
 * no more than four times L2 of the latter, as others live there too; 1 MiB where nothing is known.
 */
uint64_t psr_cache_per_thread(const struct psr_cache *cache);

#endif
