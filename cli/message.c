/* SPDX-License-Identifier: MIT */
#include "cli/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exit_status.h"

static void replace_control_characters(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

/* One call to the stream for the whole line, so that lines of several threads do not mix. */
static void print_line(const char *prefix, const char *suffix, const char *format,
                       va_list arguments) __attribute__((format(printf, 3, 0)));

static void print_line(const char *prefix, const char *suffix, const char *format,
                       va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    if (text)
        replace_control_characters(text);
    fprintf(stderr, "%s%s%s\n", prefix, text ? text : "out of memory", suffix);
    free(text);
}

void cli_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("pipersr: ", "", format, arguments);
    va_end(arguments);
}

void cli_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("", "", format, arguments);
    va_end(arguments);
}

int cli_usage_error(const char *command, const char *format, ...)
{
    char hint[80];
    snprintf(hint, sizeof hint, "; see 'pipersr %s%s--help'", command, *command ? " " : "");
    va_list arguments;
    va_start(arguments, format);
    print_line("pipersr: ", hint, format, arguments);
    va_end(arguments);
    return CLI_EXIT_USAGE;
}

int cli_flush_stdout(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_EXIT_OK;
    cli_error("standard output cannot be written: %s", errno ? strerror(errno) : "write error");
    return CLI_EXIT_OUTPUT;
}
