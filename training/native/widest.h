/* SPDX-License-Identifier: MIT
 *
 * Vectors of floats as wide as the processor has them.
 */
#ifndef PIPERSR_TRAINING_WIDEST_H
#define PIPERSR_TRAINING_WIDEST_H

#if defined(__AVX512F__)
#define VEC_BYTES 64
#elif defined(__AVX2__)
#define VEC_BYTES 32
#else
#define VEC_BYTES 16
#endif
#include "vec.h"

#endif
