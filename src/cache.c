/* SPDX-License-Identifier: MIT */
#include "src/cache.h"

#include <stdio.h>
#include <string.h>

/* Notes a data or unified cache of this level that `sharers` CPUs have together. */
static void note(struct psr_cache *cache, unsigned level, uint64_t bytes, uint64_t sharers)
{
    if (level == 2)
        cache->l2_bytes = bytes / (sharers ? sharers : 1);
    else if (level == 3)
        cache->l3_share_bytes = bytes / (sharers ? sharers : 1);
}

#if defined(__x86_64__)
#include <cpuid.h>

/* Intel's leaf 4 and AMD's leaf 0x8000001d have one layout: a subleaf for each cache, ended by one
 * of type 0 (Intel SDM volume 2, CPUID; AMD APM volume 3, E.4). */
static uint32_t cache_leaf(void)
{
    uint32_t a, b, c, d;
    if (__get_cpuid(0x80000000, &a, &b, &c, &d) && a >= 0x8000001d &&
        __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & 1u << 22))
        return 0x8000001d;
    return 4;
}

struct psr_cache psr_cache_describe(void)
{
    enum { INSTRUCTIONS = 2, MAX_CACHES = 16 };
    struct psr_cache cache = {0};
    const uint32_t leaf = cache_leaf();
    uint32_t a, b, c, d;

    for (uint32_t i = 0; i < MAX_CACHES && __get_cpuid_count(leaf, i, &a, &b, &c, &d); i++) {
        const uint32_t type = a & 0x1f;
        if (type == 0)
            break;
        const uint64_t ways = (b >> 22) + 1, partitions = (b >> 12 & 0x3ff) + 1;
        const uint64_t line_bytes = (b & 0xfff) + 1, sets = (uint64_t)c + 1;
        if (type != INSTRUCTIONS)
            note(&cache, a >> 5 & 7, ways * partitions * line_bytes * sets, (a >> 14 & 0xfff) + 1);
    }
    return cache;
}

#elif defined(__linux__)

/* One line of the first CPU's cache `index` in sysfs, or "". */
static void read_line(unsigned index, const char *name, char *line, size_t size)
{
    char path[96];
    line[0] = '\0';
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/%s", index, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(line, (int)size, file))
        line[0] = '\0';
    fclose(file);
}

/* CPUs in a list such as "0-3,8". */
static uint64_t count_cpus(const char *list)
{
    uint64_t n = 0;
    unsigned first, last;
    int used;
    while (sscanf(list, "%u%n", &first, &used) == 1) {
        list += used;
        last = first;
        if (sscanf(list, "-%u%n", &last, &used) == 1)
            list += used;
        n += last >= first ? (uint64_t)(last - first) + 1 : 0;
        if (*list++ != ',')
            break;
    }
    return n;
}

struct psr_cache psr_cache_describe(void)
{
    enum { MAX_CACHES = 16 };
    struct psr_cache cache = {0};
    char line[256];

    for (unsigned i = 0; i < MAX_CACHES; i++) {
        unsigned level, kib;
        read_line(i, "type", line, sizeof line);
        if (line[0] == '\0')
            break;
        if (line[0] == 'I') /* Instruction; the others are Data and Unified */
            continue;
        read_line(i, "level", line, sizeof line);
        if (sscanf(line, "%u", &level) != 1)
            continue;
        read_line(i, "size", line, sizeof line);
        if (sscanf(line, "%uK", &kib) != 1)
            continue;
        read_line(i, "shared_cpu_list", line, sizeof line);
        note(&cache, level, (uint64_t)kib << 10, count_cpus(line));
    }
    return cache;
}

#else

struct psr_cache psr_cache_describe(void)
{
    return (struct psr_cache){0};
}

#endif

uint64_t psr_cache_per_thread(const struct psr_cache *cache)
{
    const uint64_t unknown = 1 << 20;
    const uint64_t l2 = cache->l2_bytes ? cache->l2_bytes : unknown;
    const uint64_t l3 = cache->l3_share_bytes < 4 * l2 ? cache->l3_share_bytes : 4 * l2;
    return l2 + l3;
}
