/* SPDX-License-Identifier: MIT
 *
 * Aligned memory with an account: how much is held, how often it was asked for, how much may be.
 */
#ifndef PSR_MEM_H
#define PSR_MEM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Cache line and widest vector register; every block starts on such a boundary. */
enum { PSR_MEM_ALIGNMENT = 64 };

/* Safe to share between threads. Zero-initialised: nothing held, no limit. */
struct psr_mem {
    atomic_uint_fast64_t held_bytes;
    atomic_uint_fast64_t allocations;
    uint64_t limit_bytes; /* 0: none */
};

/* Zeroed memory, or NULL when there is none or the limit would be passed. */
void *psr_mem_alloc(struct psr_mem *mem, size_t size_bytes);

/* `block` came from psr_mem_alloc() with the same account, or is NULL. */
void psr_mem_free(struct psr_mem *mem, void *block);

/* a * b into *product; returns 0, or -1 if it does not fit. */
int psr_size_multiply(size_t a, size_t b, size_t *product);

#endif
