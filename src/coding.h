/* SPDX-License-Identifier: MIT
 *
 * The choice of how int8 codes a channel: code = clamp(round(x / scale) + zero, 0, 255).
 */
#ifndef PSR_CODING_H
#define PSR_CODING_H

#include <stdint.h>

#include "src/histogram.h"

struct psr_channel_coding {
    float scale; /* 0: the channel was always 0, any will do */
    uint8_t zero;
};

/* The coding with the least sum of squared errors over the numbers that were counted. One that is
 * clipped counts `clip_penalty` times. */
struct psr_channel_coding psr_choose_coding(const struct psr_histogram *histogram,
                                            double clip_penalty);

#endif
