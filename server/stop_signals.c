/* SPDX-License-Identifier: MIT */
#include "server/stop_signals.h"

#include <errno.h>
#include <pthread.h>
#include <ucontext.h>
#include <unistd.h>

static void fill(sigset_t *signals, bool hang_up)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    if (hang_up)
        sigaddset(signals, SIGHUP);
}

/* In a thread that does not block the signal. What it blocks after its return is what the context
 * says; sent again, the signal finds another such thread, or stays pending when there is none. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    const int error = errno;
    (void)info;
    sigaddset(&((ucontext_t *)context)->uc_sigmask, number);
    kill(getpid(), number);
    errno = error;
}

bool server_stop_signals_keep(sigset_t *signals, bool hang_up)
{
    fill(signals, hang_up);
    errno = pthread_sigmask(SIG_BLOCK, signals, NULL);
    if (errno)
        return false;
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_mask = *signals;
    return sigaction(SIGINT, &action, NULL) == 0 && sigaction(SIGTERM, &action, NULL) == 0 &&
           (!hang_up || sigaction(SIGHUP, &action, NULL) == 0);
}
