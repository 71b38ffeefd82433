/* SPDX-License-Identifier: MIT
 *
 * What a job's process gives up before it looks at the input: the network, other programs, and all
 * files but the input, the work folder and the system's libraries (read only).
 */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct server_sandbox {
    const char *input_path; /* may be read */
    const char *work_path;  /* may be read and written, with all below it */
    uint64_t memory_bytes;  /* of private memory, beside what the process has now */
    uint64_t file_bytes;    /* largest size of one file */
    uint64_t cpu_s;         /* processor time, over all threads */
};

/* For the calling process, which must have one thread; it holds for its threads to come and cannot
 * be undone. Where the kernel lacks Landlock or seccomp, the rest is done; false only if what the
 * kernel has refuses to be set up: then nothing may be opened. */
bool server_sandbox_enter(const struct server_sandbox *sandbox);

/* {"landlock": version of its interface or 0, "seccomp": bool, "rlimits": true}: what this kernel
 * has for it. */
json_t *server_sandbox_describe(void);

#endif
