/* SPDX-License-Identifier: MIT
 *
 * The signals that end a server, kept for whoever waits for them.
 */
#ifndef SERVER_STOP_SIGNALS_H
#define SERVER_STOP_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Blocks SIGINT, SIGTERM and, if `hang_up`, SIGHUP in this thread and those that it starts, so that
 * they stay pending for sigwait() or a signalfd of `signals`, which is filled with them. Other
 * threads do so too from the first such signal on that the system gives them: libraries (OpenBLAS
 * for one) start some before main(), in which the signal would otherwise end the process. False,
 * with errno, where that cannot be. */
bool server_stop_signals_keep(sigset_t *signals, bool hang_up);

#endif
