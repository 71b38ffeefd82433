/* SPDX-License-Identifier: MIT */
#include "src/choice.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/cpu.h"
#include "src/error.h"
#include "src/kernels/kernels.h"
#include "src/model.h"

/* What AUTO may cost, against fp32 on the worst of the sets that the model's card names. */
static const float MOST_LOSS_DB = 0.05f;

pipersr_status psr_auto_isa(pipersr_isa *isa, pipersr_error *error)
{
    const char *name = getenv("PIPERSR_CPU");
    if (*isa != PIPERSR_ISA_AUTO || !name || !*name)
        return PIPERSR_OK;
    if (pipersr_isa_parse(name, isa))
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "the environment variable PIPERSR_CPU names no instruction set: %s", name);
    return PIPERSR_OK;
}

/* A line that grows as far as there is room. */
struct line {
    char *text;
    size_t size, used;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    if (!line->text || line->used >= line->size)
        return;
    va_start(arguments, format);
    const int n = vsnprintf(line->text + line->used, line->size - line->used, format, arguments);
    va_end(arguments);
    line->used += n > 0 ? (size_t)n : 0;
}

struct candidate {
    const char *name;
    pipersr_precision precision;
    float loss_db;
    bool allowed, present; /* for this use; in this model file */
};

/* Is it fast here, and accurate enough? Says why not. */
static const struct psr_kernels *try_candidate(const struct candidate *candidate, pipersr_isa isa,
                                               uint32_t features, const struct psr_kernels *fp32,
                                               struct line *line)
{
    const struct psr_kernels *kernels = psr_kernels_select(candidate->precision, isa, features);
    if (!kernels || kernels->isa == PIPERSR_ISA_C || kernels->speed <= fp32->speed)
        add(line, "%s is not faster on this CPU; ", candidate->name);
    else if (!candidate->allowed)
        add(line, "%s is for videos; ", candidate->name);
    else if (!candidate->present)
        add(line, "%s needs a calibrated model; ", candidate->name);
    else if (!isfinite(candidate->loss_db))
        add(line, "the model does not say what %s loses; ", candidate->name);
    else if (candidate->loss_db > MOST_LOSS_DB)
        add(line, "%s loses %.3f dB with this model; ", candidate->name,
            (double)candidate->loss_db);
    else
        return kernels;
    return NULL;
}

pipersr_status psr_auto_precision(const pipersr_model *model, pipersr_use use, pipersr_isa isa,
                                  pipersr_precision *precision, char *reason, size_t reason_size,
                                  pipersr_error *error)
{
    const uint32_t features = psr_cpu_features();
    const struct psr_kernels *fp32 = psr_kernels_select(PIPERSR_PRECISION_FP32, isa, features);
    const struct candidate candidates[] = {
        {"int8", PIPERSR_PRECISION_INT8, model->loss_int8_db, use == PIPERSR_USE_VIDEO,
         model->has_int8},
        {"bf16", PIPERSR_PRECISION_BF16, model->loss_bf16_db, true, true},
    };
    struct line line = {reason, reason_size, 0};
    const struct psr_kernels *best = fp32;
    float loss_db = 0;

    if (reason && reason_size)
        reason[0] = '\0';
    if (!fp32)
        return psr_fail(error, PIPERSR_ERROR_UNSUPPORTED,
                        "this machine cannot run instruction set %s", pipersr_isa_name(isa));
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const struct psr_kernels *kernels =
            try_candidate(&candidates[i], isa, features, fp32, &line);
        if (kernels && kernels->speed > best->speed) {
            best = kernels;
            loss_db = candidates[i].loss_db;
        }
    }
    *precision = best->precision;
    if (best == fp32)
        add(&line, "fp32 is left");
    else
        add(&line, "%s is the fastest and loses %.3f dB", pipersr_precision_name(*precision),
            (double)loss_db);
    return PIPERSR_OK;
}

pipersr_status pipersr_precision_choose(const pipersr_model *model, pipersr_use use,
                                        pipersr_isa isa, pipersr_precision *precision, char *reason,
                                        size_t reason_size)
{
    if (!model || !precision || (unsigned)use > PIPERSR_USE_VIDEO || !pipersr_isa_name(isa))
        return PIPERSR_ERROR_ARGUMENT;
    pipersr_status status = psr_auto_isa(&isa, NULL);
    if (!status)
        status = psr_auto_precision(model, use, isa, precision, reason, reason_size, NULL);
    return status;
}
