/* SPDX-License-Identifier: MIT */
#include "src/rounding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Added to every variance, as a share of their mean: a sample says little about directions in
 * which hardly anything varies, and errors must not be put there without end. */
static const double damping = 0.002;

static int by_variance(const void *a, const void *b)
{
    const double *const *x = a, *const *y = b;
    const int by_value = (**x > **y) - (**x < **y);
    return by_value ? by_value : (*x > *y) - (*x < *y);
}

/* The terms by their variance, the least first; equal ones as they are. */
static int set_order(struct psr_rounding *rounding, const double *covariance)
{
    const uint32_t terms = rounding->terms;
    const double **variances = malloc(terms * sizeof *variances);
    if (!variances)
        return -1;
    for (uint32_t i = 0; i < terms; i++)
        variances[i] = covariance + (size_t)i * (terms + 1);
    qsort(variances, terms, sizeof *variances, by_variance);
    for (uint32_t i = 0; i < terms; i++)
        rounding->order[i] = (uint32_t)((size_t)(variances[i] - covariance) / (terms + 1));
    free(variances);
    return 0;
}

/* L of the damped covariance, row by row (Cholesky). */
static void factorise(struct psr_rounding *rounding, const double *covariance, double added)
{
    const uint32_t terms = rounding->terms;
    for (uint32_t i = 0; i < terms; i++) {
        double *row = rounding->factor + (size_t)i * terms;
        const double *from = covariance + (size_t)rounding->order[i] * terms;
        for (uint32_t j = 0; j <= i; j++) {
            const double *other = rounding->factor + (size_t)j * terms;
            double left = from[rounding->order[j]] + (i == j ? added : 0);
            for (uint32_t k = 0; k < j; k++)
                left -= row[k] * other[k];
            /* Less than the damping is left of a variance only by errors of the arithmetic. */
            row[j] = i == j ? sqrt(fmax(left, added)) : left / other[j];
        }
    }
}

int psr_rounding_init(struct psr_rounding *rounding, const double *covariance, uint32_t terms)
{
    *rounding = (struct psr_rounding){.terms = terms};
    rounding->factor = malloc((size_t)terms * terms * sizeof *rounding->factor);
    rounding->order = malloc(terms * sizeof *rounding->order);
    rounding->pulls = malloc(terms * sizeof *rounding->pulls);
    if (!rounding->factor || !rounding->order || !rounding->pulls ||
        set_order(rounding, covariance))
        return -1;
    double trace = 0;
    for (uint32_t i = 0; i < terms; i++)
        trace += covariance[(size_t)i * (terms + 1)];
    /* Where nothing varies, each weight is rounded for itself. */
    factorise(rounding, covariance, trace > 0 ? damping * trace / terms : 1);
    return 0;
}

void psr_rounding_free(struct psr_rounding *rounding)
{
    free(rounding->factor);
    free(rounding->order);
    free(rounding->pulls);
}

void psr_rounding_row(const struct psr_rounding *rounding, const double *weights, int8_t *codes,
                      double *errors)
{
    const uint32_t terms = rounding->terms;
    double *const pulls = rounding->pulls;
    uint32_t largest = 0;
    for (uint32_t i = 0; i < terms; i++) {
        if (fabs(weights[i]) > fabs(weights[largest]))
            largest = i;
    }
    memset(pulls, 0, terms * sizeof *pulls);
    for (uint32_t i = terms; i-- > 0;) {
        const double *row = rounding->factor + (size_t)i * terms;
        const uint32_t term = rounding->order[i];
        const double place = term == largest ? weights[term] : weights[term] - pulls[i] / row[i];
        codes[term] = (int8_t)rint(fmin(fmax(place, -127), 127));
        errors[term] = codes[term] - weights[term];
        for (uint32_t j = 0; j < i; j++)
            pulls[j] += errors[term] * row[j];
    }
}
