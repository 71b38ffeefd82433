/* SPDX-License-Identifier: MIT
 *
 * The model built into the library: models/pipersr-x2.safetensors, made C by embed_model.py.
 */
#ifndef PSR_DEFAULT_MODEL_H
#define PSR_DEFAULT_MODEL_H

#include <stddef.h>

extern const unsigned char psr_default_model[];
extern const size_t psr_default_model_size;

#endif
