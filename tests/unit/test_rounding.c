/* SPDX-License-Identifier: MIT
 *
 * What calibration rounds weights by: moments of a sample of pixels, and rounding itself.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "src/moments.h"
#include "src/rounding.h"

/* ----------------------------------------------------------------------------------- moments -- */

enum { CHANNELS = 5, TERMS = 9 * CHANNELS };

struct image {
    uint32_t width, height;
    float *values; /* [height][width][CHANNELS] */
};

static struct image new_image(uint32_t width, uint32_t height, unsigned seed)
{
    const size_t n = (size_t)width * height * CHANNELS;
    struct image image = {width, height, malloc(n * sizeof *image.values)};
    for (size_t i = 0; i < n; i++)
        image.values[i] = check_random_float(&seed) + (float)(i % CHANNELS) / 4;
    return image;
}

static double value_at(const struct image *image, int64_t x, int64_t y, uint32_t channel)
{
    const bool inside = x >= 0 && y >= 0 && x < image->width && y < image->height;
    return inside ? image->values[((size_t)y * image->width + (size_t)x) * CHANNELS + channel] : 0;
}

static void add(struct psr_moments *moments, const struct image *image, uint32_t sample,
                double weight)
{
    const size_t row = (size_t)image->width * CHANNELS;
    CHECK(psr_moments_begin(moments, image->width, image->height, sample, weight) == 0, "memory");
    for (uint32_t y = 0; y < image->height; y++) {
        memcpy(psr_moments_next_row(moments), image->values + y * row, row * sizeof(float));
        psr_moments_add_row(moments);
    }
}

/* By the definition, over all pixels of two images that weigh 1 and 3. */
static void expected_moments(const struct image *images, const float *scale, double *mean,
                             double *covariance)
{
    double total = 0, terms[TERMS];
    memset(mean, 0, TERMS * sizeof *mean);
    memset(covariance, 0, sizeof(double) * TERMS * TERMS);
    for (int image = 0; image < 2; image++) {
        const double weight = 1 + 2 * image;
        for (uint32_t at = 0; at < images[image].width * images[image].height; at++) {
            const int64_t x = at % images[image].width, y = at / images[image].width;
            for (uint32_t i = 0; i < TERMS; i++)
                terms[i] = value_at(&images[image], x + i % 3 - 1, y + i / 3 % 3 - 1, i / 9) /
                           (double)scale[i / 9];
            for (uint32_t i = 0; i < TERMS; i++) {
                mean[i] += weight * terms[i];
                for (uint32_t j = 0; j < TERMS; j++)
                    covariance[i * TERMS + j] += weight * terms[i] * terms[j];
            }
            total += weight;
        }
    }
    for (uint32_t i = 0; i < TERMS; i++)
        mean[i] /= total;
    for (uint32_t i = 0; i < TERMS * TERMS; i++)
        covariance[i] = covariance[i] / total - mean[i / TERMS] * mean[i % TERMS];
}

static void test_all_pixels(void)
{
    static const float scale[CHANNELS] = {0.5f, 1, 2, 0.01f, 3};
    static double mean[2][TERMS], covariance[2][TERMS * TERMS];
    const struct image images[2] = {new_image(13, 7, 5), new_image(1, 1, 6)};
    struct psr_moments moments;
    CHECK(psr_moments_init(&moments, CHANNELS) == 0, "memory");
    add(&moments, &images[0], 13 * 7, 1);
    add(&moments, &images[1], 1000, 3);
    psr_moments_get(&moments, scale, mean[0], covariance[0]);
    expected_moments(images, scale, mean[1], covariance[1]);
    for (uint32_t i = 0; i < TERMS; i++)
        CHECK(fabs(mean[0][i] - mean[1][i]) < 1e-5 / (double)scale[i / 9], "mean %u: %g not %g", i,
              mean[0][i], mean[1][i]);
    for (uint32_t i = 0; i < TERMS * TERMS; i++) {
        const double size = (double)scale[i / TERMS / 9] * (double)scale[i % TERMS / 9];
        CHECK(fabs(covariance[0][i] - covariance[1][i]) < 1e-5 / size,
              "covariance %u, %u: %g not %g", i / TERMS, i % TERMS, covariance[0][i],
              covariance[1][i]);
    }
    psr_moments_free(&moments);
    free(images[0].values);
    free(images[1].values);
}

/* A sample stands for all pixels: the same weight, much the same moments. */
static void test_sample(void)
{
    static const float scale[CHANNELS] = {1, 1, 1, 1, 1};
    static double mean[2][TERMS], covariance[2][TERMS * TERMS];
    const struct image image = new_image(150, 110, 9);
    struct psr_moments moments[2];
    for (int i = 0; i < 2; i++) {
        CHECK(psr_moments_init(&moments[i], CHANNELS) == 0, "memory");
        add(&moments[i], &image, i ? 3000 : UINT32_MAX, 7);
        psr_moments_get(&moments[i], scale, mean[i], covariance[i]);
        CHECK(fabs(moments[i].weight - 7.0 * 150 * 110) < 1e-6 * moments[i].weight, "weight %g",
              moments[i].weight);
    }
    CHECK(memcmp(covariance[0], covariance[1], sizeof covariance[0]) != 0, "all were counted");
    for (uint32_t i = 0; i < TERMS; i++)
        CHECK(fabs(mean[0][i] - mean[1][i]) < 0.06, "mean %u: %g, all %g", i, mean[1][i],
              mean[0][i]);
    for (uint32_t i = 0; i < TERMS * TERMS; i++)
        CHECK(fabs(covariance[0][i] - covariance[1][i]) < 0.06, "covariance %u: %g, all %g", i,
              covariance[1][i], covariance[0][i]);
    psr_moments_free(&moments[0]);
    psr_moments_free(&moments[1]);
    free(image.values);
}

/* ---------------------------------------------------------------------------------- rounding -- */

enum { N = 24 };

/* Of N terms that are much alike: each is made of a few hidden ones and a little of its own. */
static void draw_covariance(double *covariance, unsigned *random)
{
    enum { HIDDEN = 4 };
    double mix[N][HIDDEN];
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < HIDDEN; k++)
            mix[i][k] = (double)check_random_float(random) * (1 + i % 3);
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double *value = &covariance[i * N + j];
            *value = i == j ? 0.05 : 0;
            for (int k = 0; k < HIDDEN; k++)
                *value += mix[i][k] * mix[j][k];
        }
    }
}

static double lost(const double *covariance, const double *errors)
{
    double sum = 0;
    for (int i = 0; i < N * N; i++)
        sum += errors[i / N] * covariance[i] * errors[i % N];
    return sum;
}

static void test_rounding_loses_less(void)
{
    static double covariance[N * N];
    unsigned random = 21;
    double rounded = 0, nearest = 0;
    for (int round = 0; round < 20; round++) {
        struct psr_rounding rounding;
        double weights[N], errors[N], nearest_errors[N];
        int8_t codes[N];
        draw_covariance(covariance, &random);
        CHECK(psr_rounding_init(&rounding, covariance, N) == 0, "memory");
        for (int i = 0; i < N; i++)
            weights[i] = 126 * (double)check_random_float(&random);
        const int largest = round % N;
        weights[largest] = round % 2 ? 127 : -127;
        psr_rounding_row(&rounding, weights, codes, errors);
        CHECK(codes[largest] == weights[largest], "the largest became %d", codes[largest]);
        for (int i = 0; i < N; i++) {
            CHECK(fabs(errors[i] - (codes[i] - weights[i])) < 1e-12, "error %g", errors[i]);
            nearest_errors[i] = rint(weights[i]) - weights[i];
        }
        rounded += lost(covariance, errors);
        nearest += lost(covariance, nearest_errors);
        psr_rounding_free(&rounding);
    }
    CHECK(rounded < nearest / 4, "%g is lost, each for itself %g", rounded, nearest);
}

/* Terms that have nothing in common are rounded each for itself; nothing is divided by 0 where
 * nothing varies, and a sample of one pixel makes no weight run away. */
static void test_rounding_of_odd_covariances(void)
{
    static double covariance[N * N];
    for (int kind = 0; kind < 3; kind++) {
        struct psr_rounding rounding;
        double weights[N], errors[N];
        int8_t codes[N];
        unsigned random = 4;
        for (int i = 0; i < N * N; i++) {
            const bool diagonal = i / N == i % N;
            covariance[i] = kind == 0 ? diagonal * (1 + i % 5) : kind == 1 ? 0 : 1e4;
        }
        CHECK(psr_rounding_init(&rounding, covariance, N) == 0, "memory");
        for (int i = 0; i < N; i++)
            weights[i] = i ? 100 * (double)check_random_float(&random) : 127;
        psr_rounding_row(&rounding, weights, codes, errors);
        for (int i = 0; i < N; i++) {
            CHECK(kind == 2 || codes[i] == (int)rint(weights[i]), "%d, not %g", codes[i],
                  rint(weights[i]));
            CHECK(fabs(errors[i]) < 3, "an error of %g", errors[i]);
        }
        psr_rounding_free(&rounding);
    }
}

int main(void)
{
    test_all_pixels();
    test_sample();
    test_rounding_loses_less();
    test_rounding_of_odd_covariances();
    return check_result();
}
