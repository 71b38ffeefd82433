/* SPDX-License-Identifier: MIT
 *
 * Rounding weights to int8's codes, each so that it makes up for the errors of those before it.
 *
 * What a sum loses is e C e', e being the errors of a row of weights and C the covariance of what
 * they are multiplied with. With C = L L' it is the sum of the squares of (e L)_j, which has the
 * errors from j on alone; so from the last weight to the first, each is rounded to where its
 * square comes out least. That gives what GPTQ does (Frantar et al., "GPTQ: Accurate Post-Training
 * Quantization for Generative Pre-trained Transformers", 2022, algorithm 1).
 */
#ifndef PSR_ROUNDING_H
#define PSR_ROUNDING_H

#include <stdint.h>

struct psr_rounding {
    uint32_t terms;
    double *factor;  /* [terms][terms]: L in its lower half */
    uint32_t *order; /* [terms]: which term stands where in L: those that vary most are last */
    double *pulls;   /* [terms], room for a row: what the errors so far add to (e L) */
};

/* covariance: [terms][terms], symmetric. Returns 0, or -1 without memory. psr_rounding_free() is
 * right after either, and for zeros. */
int psr_rounding_init(struct psr_rounding *rounding, const double *covariance, uint32_t terms);
void psr_rounding_free(struct psr_rounding *rounding);

/* weights: [terms], in steps of which the largest is 127. codes: [terms], -127..127; the largest's
 * is its own, as a file's step follows from it (docs/model-format.md). errors [terms]: by how much
 * codes are larger than weights. */
void psr_rounding_row(const struct psr_rounding *rounding, const double *weights, int8_t *codes,
                      double *errors);

#endif
