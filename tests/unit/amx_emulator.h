/* SPDX-License-Identifier: MIT
 *
 * Runs kernels on an x86-64 Linux machine whose CPU lacks their instructions: AMX's tiles, and
 * VPDPBUSD in the form of AVX-VNNI. The CPU refuses each such instruction with a signal; a handler
 * decodes it, does what Intel's manual says it does, and continues behind it. So what is tested is
 * the very machine code that a CPU with the instructions would run.
 *
 * Tiles are those of the thread. An instruction that breaks a rule (of shapes, of the
 * configuration) ends the program with SIGILL and a line that says which.
 */
#ifndef AMX_EMULATOR_H
#define AMX_EMULATOR_H

#include <stdint.h>

/* Installs the handler. Returns the PSR_CPU_* features that now are there by emulation, without
 * those that the CPU has. 0 where no emulation is possible: on a CPU without AVX2 and FMA, and
 * under an emulator that does not hand a signal handler the vector registers. */
uint32_t amx_emulator_install(void);

/* Instructions executed by this thread so far. */
uint64_t amx_emulator_count(void);

#endif
