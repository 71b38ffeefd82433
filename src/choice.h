/* SPDX-License-Identifier: MIT
 *
 * What AUTO stands for, as an instruction set and as a precision.
 */
#ifndef PSR_CHOICE_H
#define PSR_CHOICE_H

#include <stddef.h>

#include "pipersr.h"

/* AUTO becomes what the environment variable PIPERSR_CPU names, or stays. ERROR_ARGUMENT for a name
 * that is none. */
pipersr_status psr_auto_isa(pipersr_isa *isa, pipersr_error *error);

/* As pipersr_precision_choose(), of which `isa` has been through psr_auto_isa(). */
pipersr_status psr_auto_precision(const pipersr_model *model, pipersr_use use, pipersr_isa isa,
                                  pipersr_precision *precision, char *reason, size_t reason_size,
                                  pipersr_error *error);

#endif
