/* SPDX-License-Identifier: MIT
 *
 * Filling in a caller's error text.
 */
#ifndef PSR_ERROR_H
#define PSR_ERROR_H

#include "pipersr.h"

/* Writes the message (cut to fit) where error is not NULL and returns `status`, so that a function
 * can end with `return psr_fail(...)`. */
pipersr_status psr_fail(pipersr_error *error, pipersr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
