/* SPDX-License-Identifier: MIT */
#include "src/moments.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "src/mem.h"

int psr_moments_init(struct psr_moments *moments, uint32_t channels)
{
    const size_t terms = (size_t)channels * 9;
    *moments = (struct psr_moments){.channels = channels, .terms = (uint32_t)terms};
    moments->sums = calloc(terms, sizeof *moments->sums);
    moments->products = calloc(terms * terms, sizeof *moments->products);
    moments->batch = malloc((PSR_MOMENTS_BATCH + 1) * terms * sizeof *moments->batch);
    return moments->sums && moments->products && moments->batch ? 0 : -1;
}

void psr_moments_free(struct psr_moments *moments)
{
    free(moments->sums);
    free(moments->products);
    free(moments->rows);
    free(moments->batch);
}

/* The same pixels of every frame of a size. Steps of 2^32 / golden ratio spread evenly. */
static bool in_sample(const struct psr_moments *moments, uint32_t x, uint32_t y)
{
    const uint32_t at = (uint32_t)((uint64_t)y * moments->width_px + x);
    return at * 2654435769u <= moments->threshold;
}

int psr_moments_begin(struct psr_moments *moments, uint32_t width_px, uint32_t height_px,
                      uint32_t sample, double weight)
{
    const double pixels = (double)width_px * height_px;
    size_t needed;
    if (psr_size_multiply(((size_t)width_px + 2) * 3, moments->channels, &needed) ||
        needed > SIZE_MAX / sizeof *moments->rows)
        return -1;
    if (needed > moments->rows_size) {
        free(moments->rows);
        moments->rows = malloc(needed * sizeof *moments->rows);
        moments->rows_size = moments->rows ? needed : 0;
        if (!moments->rows)
            return -1;
    }
    memset(moments->rows, 0, needed * sizeof *moments->rows);
    moments->width_px = width_px;
    moments->height_px = height_px;
    moments->y = moments->batched = 0;
    moments->threshold = pixels <= sample ? UINT32_MAX : (uint32_t)(sample / pixels * UINT32_MAX);
    uint64_t taken = 0;
    for (uint32_t y = 0; y < height_px; y++) {
        for (uint32_t x = 0; x < width_px; x++)
            taken += in_sample(moments, x, y);
    }
    moments->pixel_weight = weight * pixels / (double)taken;
    return 0;
}

static float *row_of(const struct psr_moments *moments, uint32_t y)
{
    return moments->rows + (size_t)(y % 3) * (moments->width_px + 2) * moments->channels;
}

float *psr_moments_next_row(struct psr_moments *moments)
{
    return row_of(moments, moments->y) + moments->channels;
}

/* Four at a time, so that a sum is fetched and put back a quarter as often. */
static void add_batch(struct psr_moments *moments)
{
    const uint32_t terms = moments->terms, n = moments->batched;
    const double weight = moments->pixel_weight;
    float *const sums = moments->batch + (size_t)PSR_MOMENTS_BATCH * terms;
    for (uint32_t k = n; k < (n + 3) / 4 * 4; k++)
        memset(moments->batch + (size_t)k * terms, 0, terms * sizeof *moments->batch);
    for (uint32_t i = 0; i < terms; i++) {
        double sum = 0;
        memset(sums + i, 0, (terms - i) * sizeof *sums);
        for (uint32_t k = 0; k < n; k += 4) {
            const float *restrict a = moments->batch + (size_t)k * terms, *restrict b = a + terms;
            const float *restrict c = b + terms, *restrict d = c + terms;
            const float of_a = a[i], of_b = b[i], of_c = c[i], of_d = d[i];
            sum += (double)of_a + (double)of_b + (double)of_c + (double)of_d;
            for (uint32_t j = i; j < terms; j++)
                sums[j] += (of_a * a[j] + of_b * b[j]) + (of_c * c[j] + of_d * d[j]);
        }
        moments->sums[i] += weight * sum;
        double *products = moments->products + (size_t)i * terms;
        for (uint32_t j = i; j < terms; j++)
            products[j] += weight * (double)sums[j];
    }
    moments->weight += weight * n;
    moments->batched = 0;
}

static void add_pixel(struct psr_moments *moments, uint32_t x, uint32_t y)
{
    const uint32_t channels = moments->channels;
    float *to = moments->batch + (size_t)moments->batched * moments->terms;
    for (uint32_t row = 0; row < 3; row++) {
        /* Above the first row and below the last lie the zeros that it was begun with or given. */
        const float *from = row_of(moments, y + row + 2) + (size_t)x * channels;
        for (uint32_t column = 0; column < 3; column++) {
            for (uint32_t c = 0; c < channels; c++)
                to[9 * c + 3 * row + column] = *from++;
        }
    }
    if (++moments->batched == PSR_MOMENTS_BATCH)
        add_batch(moments);
}

static void add_pixels_of_row(struct psr_moments *moments, uint32_t y)
{
    for (uint32_t x = 0; x < moments->width_px; x++) {
        if (in_sample(moments, x, y))
            add_pixel(moments, x, y);
    }
}

void psr_moments_add_row(struct psr_moments *moments)
{
    const uint32_t y = moments->y++;
    if (y > 0)
        add_pixels_of_row(moments, y - 1);
    if (moments->y < moments->height_px)
        return;
    memset(psr_moments_next_row(moments), 0,
           (size_t)moments->width_px * moments->channels * sizeof *moments->rows);
    add_pixels_of_row(moments, y);
    if (moments->batched)
        add_batch(moments);
}

void psr_moments_get(const struct psr_moments *moments, const float *scale, double *mean,
                     double *covariance)
{
    const uint32_t terms = moments->terms;
    for (uint32_t i = 0; i < terms; i++)
        mean[i] = moments->sums[i] / moments->weight / (double)scale[i / 9];
    for (uint32_t i = 0; i < terms; i++) {
        for (uint32_t j = i; j < terms; j++) {
            const double product = moments->products[(size_t)i * terms + j] / moments->weight;
            const double value =
                product / ((double)scale[i / 9] * (double)scale[j / 9]) - mean[i] * mean[j];
            covariance[(size_t)i * terms + j] = covariance[(size_t)j * terms + i] = value;
        }
    }
}
