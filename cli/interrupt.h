/* SPDX-License-Identifier: MIT
 *
 * Ctrl-C, SIGTERM and SIGHUP. The first one asks the work to stop: it raises a flag that the jobs
 * poll and cancels the upscalers. The second, or two seconds without an end (a read that blocks),
 * removes the temporary files and ends the process there and then.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "pipersr.h"

/* Once, before work starts. Also makes a closed pipe, and a file that outgrows the shell's limit,
 * an error of the write instead of a signal. A signal that the parent process has set to be ignored
 * stays ignored. */
void cli_interrupt_install(void);

/* Raised by the first signal; never lowered. */
const atomic_bool *cli_interrupt_flag(void);

/* Registers an upscaler to be cancelled. At most 4 at a time; unregister before freeing it. NULL is
 * allowed in both. */
void cli_interrupt_watch(pipersr_upscaler *upscaler);
void cli_interrupt_unwatch(pipersr_upscaler *upscaler);

/* 0 while no signal has come, else 128 plus its number. */
int cli_interrupt_exit_status(void);

#endif
