/* SPDX-License-Identifier: MIT
 *
 * The models built into the library: those that src/meson.build lists, made C by embed_models.py.
 */
#ifndef PSR_BUILT_IN_H
#define PSR_BUILT_IN_H

#include "pipersr.h"

extern const pipersr_built_in_model psr_built_in_models[]; /* the default first */
extern const size_t psr_n_built_in_models;                 /* at least 1 */

#endif
