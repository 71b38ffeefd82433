/* SPDX-License-Identifier: MIT */
#include "src/int8_layer.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "src/coding.h"
#include "src/kernels/kernels.h"
#include "src/rounding.h"

/* An error by clipping counts as so many by rounding. Those scatter around 0 and average out in a
 * convolution's sum, while a clipped edge is wrong in all its pixels to one side; and what goes
 * wrong in an early layer, all later ones amplify. So the penalty falls by equal ratios from the
 * first layer to 1 at the last. From 128 instead of 8, ranges are wider and both photos and
 * drawings that were held back lose more. */
static double clip_penalty(uint32_t index, uint32_t n_body)
{
    const double first = 8;
    return pow(first, (double)(n_body - index) / (n_body - 1));
}

/* A channel that is always 0 gets the finest scale of its layer: scales are multiplied into the
 * weights, and a large one would cost the other channels' weights their precision. */
static void choose_codings(const struct psr_histogram *histograms, uint32_t channels,
                           double penalty, struct psr_int8_layer *derived)
{
    /* What a model file may hold lies between 1e-12 and 1e12. */
    const float least = 1e-11f, most = 1e11f;
    float finest = most, *const scale = derived->input_scale;
    for (uint32_t c = 0; c < channels; c++) {
        const struct psr_channel_coding coding = psr_choose_coding(&histograms[c], penalty);
        scale[c] = fminf(coding.scale, most);
        derived->input_zero[c] = coding.zero;
        if (coding.scale > 0)
            finest = fminf(finest, fmaxf(coding.scale, least));
    }
    for (uint32_t c = 0; c < channels; c++)
        scale[c] = fmaxf(scale[c], scale[c] > 0 ? least : finest);
}

/* room: [2][terms] */
static void round_weights(const struct psr_layer *layer, const struct psr_rounding *rounding,
                          const double *mean, double *room, struct psr_int8_layer *derived)
{
    float inverse_scale[PSR_MAX_CHANNELS];
    const uint32_t c_in = layer->c_in, terms = rounding->terms;
    for (uint32_t i = 0; i < c_in; i++)
        inverse_scale[i] = 1.0f / derived->input_scale[i];
    const struct psr_weights weights = {
        .weight = layer->weight,
        .bias = layer->bias,
        .c_in = c_in,
        .c_out = layer->c_out,
        .coding = {inverse_scale, derived->input_zero},
    };
    double *const steps = room, *const errors = room + terms;
    for (uint32_t o = 0; o < layer->c_out; o++) {
        const float step = psr_weight_scale_int8(&weights, o);
        const float *weight = layer->weight + (size_t)o * terms;
        double mean_error = 0;
        for (uint32_t i = 0; i < terms; i++)
            steps[i] = (double)weight[i] * (double)derived->input_scale[i / 9] / (double)step;
        psr_rounding_row(rounding, steps, derived->weight + (size_t)o * terms, errors);
        for (uint32_t i = 0; i < terms; i++)
            mean_error += errors[i] * mean[i];
        derived->weight_scale[o] = step;
        derived->bias[o] = (float)((double)layer->bias[o] - mean_error * (double)step);
    }
}

int psr_int8_layer_derive(const struct psr_layer *layer, uint32_t index, uint32_t n_body,
                          const struct psr_histogram *histograms, const struct psr_moments *moments,
                          struct psr_int8_layer *derived)
{
    const size_t terms = moments->terms;
    struct psr_rounding rounding = {0};
    double *const covariance = malloc((terms + 3) * terms * sizeof *covariance);
    if (!covariance)
        return -1;
    double *const mean = covariance + terms * terms, *const room = mean + terms;
    choose_codings(histograms, layer->c_in, clip_penalty(index, n_body), derived);
    psr_moments_get(moments, derived->input_scale, mean, covariance);
    const int failed = psr_rounding_init(&rounding, covariance, (uint32_t)terms);
    if (!failed)
        round_weights(layer, &rounding, mean, room, derived);
    psr_rounding_free(&rounding);
    free(covariance);
    return failed;
}
