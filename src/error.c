/* SPDX-License-Identifier: MIT */
#include "src/error.h"

#include <stdarg.h>
#include <stdio.h>

pipersr_status psr_fail(pipersr_error *error, pipersr_status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

const char *pipersr_status_name(pipersr_status status)
{
    switch (status) {
    case PIPERSR_OK:
        return "ok";
    case PIPERSR_ERROR_ARGUMENT:
        return "invalid argument";
    case PIPERSR_ERROR_MEMORY:
        return "out of memory";
    case PIPERSR_ERROR_IO:
        return "input/output error";
    case PIPERSR_ERROR_MODEL:
        return "not a usable model";
    case PIPERSR_ERROR_UNSUPPORTED:
        return "not supported here";
    case PIPERSR_ERROR_STATE:
        return "call out of order";
    case PIPERSR_ERROR_CANCELLED:
        return "cancelled";
    }
    return "unknown status";
}
