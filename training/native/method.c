/* SPDX-License-Identifier: MIT */
#include "method.h"

#include <stdlib.h>
#include <string.h>

void *memory_take(struct memory *memory, size_t bytes)
{
    const size_t rounded = (bytes + 4096) / 64 * 64;
    void *block = aligned_alloc(64, rounded);
    if (!block) {
        memory->failed = 1;
        return NULL;
    }
    memset(block, 0, rounded);
    memory->blocks[memory->count++] = block;
    return block;
}

void memory_free(struct memory *memory)
{
    for (uint32_t i = 0; i < memory->count; i++)
        free(memory->blocks[i]);
    memory->count = 0;
}
