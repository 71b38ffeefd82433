/* SPDX-License-Identifier: MIT
 *
 * What an upscaler is, for the files that implement its public functions.
 */
#ifndef PSR_UPSCALER_H
#define PSR_UPSCALER_H

#include "pipersr.h"
#include "src/engine.h"
#include "src/kernels/kernels.h"
#include "src/mem.h"
#include "src/model.h"
#include "src/pool.h"

struct pipersr_upscaler {
    struct psr_engine engine;
    struct psr_mem mem;
    struct psr_pool *pool;
    const pipersr_model *model;
    const struct psr_kernels *kernels;
    pipersr_error error;
};

#endif
