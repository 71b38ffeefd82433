/* SPDX-License-Identifier: MIT */
#include "src/histogram.h"

#include <math.h>
#include <string.h>

enum { HALF = PSR_HISTOGRAM_BINS / 2 };

void psr_histogram_init(struct psr_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
    histogram->bin_width = 0x1p-24f;
    histogram->inverse_width = 0x1p24f;
}

/* Pairs of bins become one, from the middle, which is 0, outwards: in place, no bin is written
 * before it is read. */
static void double_width(struct psr_histogram *histogram)
{
    uint64_t *up = histogram->counts + HALF, *down = up - 1;
    for (int i = 0; i < HALF; i++) {
        const int from = 2 * i;
        up[i] = from < HALF ? up[from] + up[from + 1] : 0;
        down[-i] = from < HALF ? down[-from] + down[-from - 1] : 0;
    }
    histogram->bin_width *= 2;
    histogram->inverse_width /= 2;
}

void psr_histogram_grow(struct psr_histogram *histogram, float value)
{
    histogram->lowest = fminf(histogram->lowest, value);
    histogram->highest = fmaxf(histogram->highest, value);
    while (fabsf(value) * histogram->inverse_width >= HALF)
        double_width(histogram);
}
