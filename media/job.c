/* SPDX-License-Identifier: MIT */
#include "media/job.h"

#include <stdarg.h>
#include <stdio.h>

enum media_status media_fail(struct media_error *error, enum media_status status,
                             const char *format, ...)
{
    if (!error)
        return status;

    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    if (length < 0)
        error->message[0] = '\0';

    /* Names and library texts come from outside: one must not be able to forge a second line or
     * send escape sequences to a terminal. Bytes from 0x80 up are left alone, they are UTF-8. */
    for (char *c = error->message; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    return status;
}

enum media_status media_fail_engine(struct media_error *error, pipersr_status status,
                                    const pipersr_upscaler *upscaler)
{
    const char *message = upscaler ? pipersr_upscaler_message(upscaler) : "";
    if (!message[0])
        message = pipersr_status_name(status);

    switch (status) {
    case PIPERSR_ERROR_CANCELLED:
        return media_fail(error, MEDIA_ERROR_CANCELLED, "cancelled");
    case PIPERSR_ERROR_MEMORY:
        return media_fail(error, MEDIA_ERROR_MEMORY, "%s", message);
    case PIPERSR_ERROR_UNSUPPORTED:
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "%s", message);
    default:
        return media_fail(error, MEDIA_ERROR_INTERNAL, "the upscaler failed: %s", message);
    }
}
