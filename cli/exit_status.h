/* SPDX-License-Identifier: MIT
 *
 * The exit statuses of the program. They are an interface: scripts rely on them, so a number keeps
 * its meaning for ever. With several inputs the status is that of the first one that failed.
 */
#ifndef CLI_EXIT_STATUS_H
#define CLI_EXIT_STATUS_H

#include "media/job.h"

enum cli_exit_status {
    CLI_EXIT_OK = 0,
    CLI_EXIT_INTERNAL = 1, /* a step failed that should not: a fault of the program */
    CLI_EXIT_USAGE = 2,    /* unknown option, value out of range, options that exclude each other */
    CLI_EXIT_INPUT = 3,    /* missing, unreadable, damaged or empty input or model file */
    CLI_EXIT_UNSUPPORTED = 4, /* intact, but a format, size or CPU feature that is not handled */
    CLI_EXIT_OUTPUT = 5,      /* cannot be written: exists, no permission, disk full, pipe closed */
    CLI_EXIT_MEMORY = 6,      /* out of memory, or --memory-limit is too small */
    CLI_EXIT_SIGNAL = 128     /* plus the signal's number: 130 for Ctrl-C, 143 for SIGTERM */
};

#define CLI_EXIT_STATUS_HELP                                                                       \
    "Exit status: 0 all done, 1 internal error, 2 wrong usage, 3 bad input or model file,\n"       \
    "4 unsupported format or CPU, 5 output cannot be written, 6 out of memory, 130 interrupted\n"  \
    "by Ctrl-C (128 plus the signal). With several inputs: that of the first failure.\n"

static inline enum cli_exit_status cli_exit_of_media(enum media_status status)
{
    switch (status) {
    case MEDIA_OK:
        return CLI_EXIT_OK;
    case MEDIA_ERROR_INPUT:
        return CLI_EXIT_INPUT;
    case MEDIA_ERROR_UNSUPPORTED:
        return CLI_EXIT_UNSUPPORTED;
    case MEDIA_ERROR_OUTPUT:
        return CLI_EXIT_OUTPUT;
    case MEDIA_ERROR_MEMORY:
        return CLI_EXIT_MEMORY;
    case MEDIA_ERROR_CANCELLED:
    case MEDIA_ERROR_INTERNAL:
        break;
    }
    return CLI_EXIT_INTERNAL;
}

static inline enum cli_exit_status cli_exit_of_engine(pipersr_status status)
{
    switch (status) {
    case PIPERSR_OK:
        return CLI_EXIT_OK;
    case PIPERSR_ERROR_ARGUMENT:
        return CLI_EXIT_USAGE;
    case PIPERSR_ERROR_MEMORY:
        return CLI_EXIT_MEMORY;
    case PIPERSR_ERROR_IO:
    case PIPERSR_ERROR_MODEL:
        return CLI_EXIT_INPUT;
    case PIPERSR_ERROR_UNSUPPORTED:
        return CLI_EXIT_UNSUPPORTED;
    case PIPERSR_ERROR_STATE:
    case PIPERSR_ERROR_CANCELLED:
        break;
    }
    return CLI_EXIT_INTERNAL;
}

#endif
