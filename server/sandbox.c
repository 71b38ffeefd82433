/* SPDX-License-Identifier: MIT */
#include "server/sandbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/sandbox_landlock.h"
#include "server/sandbox_seccomp.h"

enum { MAX_FILES = 256 };

static bool limit(int resource, uint64_t value)
{
    struct rlimit now;
    if (getrlimit(resource, &now) != 0)
        return false;
    if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
        value = now.rlim_max;
    const struct rlimit wanted = {(rlim_t)value, (rlim_t)value};
    return setrlimit(resource, &wanted) == 0;
}

/* Private writable memory, as RLIMIT_DATA counts it, in bytes. */
static uint64_t data_in_use(void)
{
    unsigned long long total, resident, shared, text, library, data = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu %llu %llu %llu %llu", &total, &resident, &shared, &text, &library,
               &data) != 6)
        data = 0;
    fclose(file);
    return data * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool set_limits(const struct server_sandbox *sandbox)
{
    /* RLIMIT_AS would count what allocators only reserve. */
    return limit(RLIMIT_DATA, data_in_use() + sandbox->memory_bytes) &&
           limit(RLIMIT_FSIZE, sandbox->file_bytes) && limit(RLIMIT_CPU, sandbox->cpu_s) &&
           limit(RLIMIT_NOFILE, MAX_FILES) && limit(RLIMIT_CORE, 0);
}

/* When the machine runs out of memory, a job goes before the server does. */
static void prefer_to_be_killed(void)
{
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "500", 3);
    close(fd);
}

bool server_sandbox_enter(const struct server_sandbox *sandbox)
{
    prefer_to_be_killed();
    return set_limits(sandbox) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           server_landlock_enter(sandbox->input_path, sandbox->work_path) && server_seccomp_enter();
}

json_t *server_sandbox_describe(void)
{
    return json_pack("{s:i, s:b, s:b}", "landlock", server_landlock_version(), "seccomp",
                     server_seccomp_exists(), "rlimits", 1);
}
