/* SPDX-License-Identifier: MIT */
#include "src/mem.h"

#include <stdlib.h>
#include <string.h>

/* Kept in front of each block, so that freeing needs no size from the caller. One alignment unit
 * long, so that the block behind it is aligned too. */
union header {
    size_t size_bytes;
    unsigned char unit[PSR_MEM_ALIGNMENT];
};

void *psr_mem_alloc(struct psr_mem *mem, size_t size_bytes)
{
    if (size_bytes > SIZE_MAX - 2 * sizeof(union header))
        return NULL;
    size_t total = sizeof(union header) +
                   (size_bytes + PSR_MEM_ALIGNMENT - 1) / PSR_MEM_ALIGNMENT * PSR_MEM_ALIGNMENT;

    uint64_t held = atomic_fetch_add(&mem->held_bytes, total);
    if (mem->limit_bytes && held + total > mem->limit_bytes) {
        atomic_fetch_sub(&mem->held_bytes, total);
        return NULL;
    }
    union header *header = aligned_alloc(PSR_MEM_ALIGNMENT, total);
    if (!header) {
        atomic_fetch_sub(&mem->held_bytes, total);
        return NULL;
    }
    atomic_fetch_add(&mem->allocations, 1);
    memset(header, 0, total);
    header->size_bytes = total;
    return header + 1;
}

void psr_mem_free(struct psr_mem *mem, void *block)
{
    if (!block)
        return;
    union header *header = (union header *)block - 1;
    atomic_fetch_sub(&mem->held_bytes, header->size_bytes);
    free(header);
}

int psr_size_multiply(size_t a, size_t b, size_t *product)
{
    return __builtin_mul_overflow(a, b, product) ? -1 : 0;
}
