/* SPDX-License-Identifier: MIT
 *
 * A histogram of numbers whose range is not known beforehand: it starts fine and doubles the width
 * of its bins whenever a number lies outside. Widths are powers of two and counts whole, so what it
 * holds in the end does not depend on the order in which the numbers came.
 */
#ifndef PSR_HISTOGRAM_H
#define PSR_HISTOGRAM_H

#include <stdint.h>

enum { PSR_HISTOGRAM_BINS = 4096 };

struct psr_histogram {
    float bin_width, inverse_width;
    float lowest, highest; /* of all numbers, and of 0 */
    /* Bin i counts the numbers from (i - PSR_HISTOGRAM_BINS / 2) * bin_width up to the next. */
    uint64_t counts[PSR_HISTOGRAM_BINS];
};

void psr_histogram_init(struct psr_histogram *histogram);

/* Makes room for `value`, which must be finite. */
void psr_histogram_grow(struct psr_histogram *histogram, float value);

/* Counts a finite number `weight` times. */
static inline void psr_histogram_add(struct psr_histogram *histogram, float value, uint32_t weight)
{
    if (value < histogram->lowest || value > histogram->highest)
        psr_histogram_grow(histogram, value);
    const float place = value * histogram->inverse_width;
    const int32_t toward_zero = (int32_t)place;
    const int32_t down = toward_zero - (place < (float)toward_zero);
    histogram->counts[down + PSR_HISTOGRAM_BINS / 2] += weight;
}

/* The middle of bin i. */
static inline float psr_histogram_value(const struct psr_histogram *histogram, uint32_t i)
{
    return ((float)i - PSR_HISTOGRAM_BINS / 2 + 0.5f) * histogram->bin_width;
}

#endif
