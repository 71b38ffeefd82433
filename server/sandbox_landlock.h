/* SPDX-License-Identifier: MIT
 *
 * Linux' Landlock: which files the process may open, and that it may not use TCP.
 */
#ifndef SERVER_SANDBOX_LANDLOCK_H
#define SERVER_SANDBOX_LANDLOCK_H

#include <stdbool.h>

/* Version of the kernel's interface, 0: it has none. */
int server_landlock_version(void);

/* Reading `input_path` and the system's libraries, everything below `work_path`, nothing else. True
 * without a word where the kernel has no Landlock. */
bool server_landlock_enter(const char *input_path, const char *work_path);

#endif
