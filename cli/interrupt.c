/* SPDX-License-Identifier: MIT */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "cli/exit_status.h"
#include "media/output.h"

enum { MAX_WATCHED = 4, GRACE_SECONDS = 2 };

/* A signal handler gets no argument of ours, so this is the one place that needs globals. */
static atomic_bool requested;
static atomic_int first_signal;
static atomic_int handlers_running;
static _Atomic(pipersr_upscaler *) watched[MAX_WATCHED];

static void say_interrupted(void)
{
    static const char line[] = "pipersr: interrupted\n";
    static const char clear[] = "\r\033[K";
    ssize_t written = 0;
    if (isatty(STDERR_FILENO))
        written = write(STDERR_FILENO, clear, sizeof clear - 1);
    written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
}

static void end_now(int signal_number)
{
    media_output_unlink_all();
    say_interrupted();
    _exit(CLI_EXIT_SIGNAL + signal_number);
}

static void on_signal(int signal_number)
{
    int none = 0;
    if (!atomic_compare_exchange_strong(&first_signal, &none, signal_number))
        end_now(none);
    atomic_fetch_add(&handlers_running, 1);
    atomic_store(&requested, true);
    for (int i = 0; i < MAX_WATCHED; i++) {
        pipersr_upscaler *upscaler = atomic_load(&watched[i]);
        if (upscaler)
            pipersr_cancel(upscaler);
    }
    atomic_fetch_sub(&handlers_running, 1);
    alarm(GRACE_SECONDS);
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    end_now(atomic_load(&first_signal));
}

void cli_interrupt_install(void)
{
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);

    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);

    action.sa_handler = on_signal;
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        struct sigaction before;
        if (sigaction(stops[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(stops[i], &action, NULL);
    }

    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
}

const atomic_bool *cli_interrupt_flag(void)
{
    return &requested;
}

void cli_interrupt_watch(pipersr_upscaler *upscaler)
{
    if (!upscaler)
        return;
    for (int i = 0; i < MAX_WATCHED; i++) {
        pipersr_upscaler *none = NULL;
        if (atomic_compare_exchange_strong(&watched[i], &none, upscaler))
            break;
    }
    /* A signal that came before the upscaler was in the list has missed it. */
    if (atomic_load(&requested))
        pipersr_cancel(upscaler);
}

void cli_interrupt_unwatch(pipersr_upscaler *upscaler)
{
    if (!upscaler)
        return;
    for (int i = 0; i < MAX_WATCHED; i++) {
        pipersr_upscaler *expected = upscaler;
        atomic_compare_exchange_strong(&watched[i], &expected, NULL);
    }
    /* A handler on another thread may still hold the pointer that it loaded before. */
    while (atomic_load(&handlers_running) > 0)
        usleep(100);
}

int cli_interrupt_exit_status(void)
{
    int signal_number = atomic_load(&first_signal);
    return signal_number ? CLI_EXIT_SIGNAL + signal_number : CLI_EXIT_OK;
}
