/* SPDX-License-Identifier: MIT
 *
 * What the program says to a person: single lines on standard error. Control characters in file
 * names are shown as '?', so that a name can neither add a line nor drive the terminal.
 */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <stdbool.h>

/* "pipersr: MESSAGE". */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* MESSAGE alone: summaries and notes. */
void cli_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "pipersr: MESSAGE; see 'pipersr COMMAND --help'". Returns CLI_EXIT_USAGE. `command` may be "". */
int cli_usage_error(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes what standard output still holds. Returns CLI_EXIT_OK, or CLI_EXIT_OUTPUT with a message
 * where it cannot be written (closed pipe, full disk). */
int cli_flush_stdout(void);

#endif
