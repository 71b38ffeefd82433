/* SPDX-License-Identifier: MIT
 *
 * What int8 runs a body layer with, derived from what calibration counted.
 */
#ifndef PSR_INT8_LAYER_H
#define PSR_INT8_LAYER_H

#include <stdint.h>

#include "src/histogram.h"
#include "src/model.h"
#include "src/moments.h"

/* In the form of a model file (docs/model-format.md), C being both c_in and c_out. */
struct psr_int8_layer {
    float input_scale[PSR_MAX_CHANNELS];
    uint8_t input_zero[PSR_MAX_CHANNELS];
    float weight_scale[PSR_MAX_CHANNELS];
    float bias[PSR_MAX_CHANNELS];
    int8_t weight[PSR_MAX_CHANNELS * PSR_MAX_CHANNELS * 9]; /* [C][C][3][3] without gaps */
};

/* Layer `index` of 1..n_body, of whose input histograms [C] and moments tell. Chooses the codings
 * of the input first, then rounds the weights for them; the mean of what rounding adds to a sum is
 * taken from the bias. Returns 0, or -1 without memory. */
int psr_int8_layer_derive(const struct psr_layer *layer, uint32_t index, uint32_t n_body,
                          const struct psr_histogram *histograms, const struct psr_moments *moments,
                          struct psr_int8_layer *derived);

#endif
