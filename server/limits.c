/* SPDX-License-Identifier: MIT */
#include "server/limits.h"

#include <unistd.h>

#include "pipersr.h"

static uint64_t default_job_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    const uint64_t least = 2ull << 30;
    if (pages <= 0 || page_bytes <= 0)
        return least;
    const uint64_t half = (uint64_t)pages * (uint64_t)page_bytes / 2;
    return half > least ? half : least;
}

void server_limits_set_defaults(struct server_limits *limits)
{
    *limits = (struct server_limits){
        .upload_bytes = 8ull << 30,
        .pixels = 100000000,
        .disk_bytes = 64ull << 30,
        .job_memory_bytes = default_job_memory(),
        .duration_s = 4 * 3600,
        .queued = 100,
        .running = 1,
        .rate_per_min = 120,
        .keep_s = 7 * 24 * 3600,
        .job_s = 24 * 3600,
        .stall_s = 600,
        .connections = 1000,
        .client_connections = 500,
    };
}

unsigned server_job_threads(const struct server_limits *limits)
{
    const unsigned all = limits->threads ? limits->threads : pipersr_cpu_count();
    const unsigned share = all / (limits->running ? limits->running : 1);
    return share ? share : 1;
}
