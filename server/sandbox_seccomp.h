/* SPDX-License-Identifier: MIT
 *
 * Linux' seccomp: which questions the process may ask the kernel.
 */
#ifndef SERVER_SANDBOX_SECCOMP_H
#define SERVER_SANDBOX_SECCOMP_H

#include <stdbool.h>

bool server_seccomp_exists(void);

/* A list of system calls that work on files, memory and threads is allowed; all others, among them
 * those for sockets and for starting programs, fail with EPERM. True without a word where the
 * kernel has no seccomp. */
bool server_seccomp_enter(void);

#endif
