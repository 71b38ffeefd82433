/* SPDX-License-Identifier: MIT */
#include "cli/picture_metrics.h"

#include <math.h>
#include <stdlib.h>

enum { CHANNELS = 3, WINDOW = 11, TAPS = 4 };

struct plane {
    double *samples;
    size_t width, height;
};

static const uint8_t *frame_row(const pipersr_frame *frame, size_t y)
{
    return (const uint8_t *)frame->data + (ptrdiff_t)y * frame->stride_bytes;
}

static bool plane_create(struct plane *plane, size_t width, size_t height)
{
    plane->width = width;
    plane->height = height;
    /* Rows and columns are 32-bit numbers, so only the bytes can overflow. */
    plane->samples = NULL;
    if (width && height > SIZE_MAX / sizeof(double) / width)
        return false;
    plane->samples = malloc(width * height * sizeof(double));
    return plane->samples != NULL;
}

/* ------------------------------------------------------------------------------------- luma -- */

static bool luma_inside(const pipersr_frame *frame, uint32_t shave_px, struct plane *luma)
{
    if (!plane_create(luma, frame->width_px - 2 * (size_t)shave_px,
                      frame->height_px - 2 * (size_t)shave_px))
        return false;
    double *sample = luma->samples;
    for (size_t y = 0; y < luma->height; y++) {
        const uint8_t *pixel = frame_row(frame, y + shave_px) + (size_t)shave_px * CHANNELS;
        for (size_t x = 0; x < luma->width; x++, pixel += CHANNELS)
            *sample++ = 16.0 + (65.481 * pixel[0] + 128.553 * pixel[1] + 24.966 * pixel[2]) / 255.0;
    }
    return true;
}

/* ------------------------------------------------------------------------------------- PSNR -- */

static double decibels(double squares, double count)
{
    return squares == 0 ? INFINITY : 10 * log10(255.0 * 255.0 / (squares / count));
}

static double psnr_of_planes(const struct plane *a, const struct plane *b)
{
    size_t count = a->width * a->height;
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = a->samples[i] - b->samples[i];
        squares += difference * difference;
    }
    return decibels(squares, (double)count);
}

static double psnr_of_colours(const pipersr_frame *a, const pipersr_frame *b, uint32_t shave_px)
{
    size_t width = a->width_px - 2 * (size_t)shave_px, height = a->height_px - 2 * (size_t)shave_px;
    double squares = 0;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *row_a = frame_row(a, y + shave_px) + (size_t)shave_px * CHANNELS;
        const uint8_t *row_b = frame_row(b, y + shave_px) + (size_t)shave_px * CHANNELS;
        for (size_t i = 0; i < width * CHANNELS; i++) {
            double difference = (double)row_a[i] - row_b[i];
            squares += difference * difference;
        }
    }
    return decibels(squares, (double)width * (double)height * CHANNELS);
}

/* ------------------------------------------------------------------------------------- SSIM -- */

static void gaussian_window(double weights[WINDOW])
{
    const double sigma = 1.5;
    double sum = 0;
    for (int i = 0; i < WINDOW; i++) {
        double distance = i - WINDOW / 2;
        weights[i] = exp(-distance * distance / (2 * sigma * sigma));
        sum += weights[i];
    }
    for (int i = 0; i < WINDOW; i++)
        weights[i] /= sum;
}

/* What SSIM averages under the window: both means, both second moments and the mixed one. */
enum { MOMENTS = 5 };

static void moments_of_row(const double *a, const double *b, size_t width_out,
                           const double weights[WINDOW], double *moments)
{
    for (size_t x = 0; x < width_out; x++) {
        double sum[MOMENTS] = {0};
        for (size_t i = 0; i < WINDOW; i++) {
            double p = a[x + i], q = b[x + i], w = weights[i];
            sum[0] += w * p;
            sum[1] += w * q;
            sum[2] += w * p * p;
            sum[3] += w * q * q;
            sum[4] += w * p * q;
        }
        for (size_t m = 0; m < MOMENTS; m++)
            moments[x * MOMENTS + m] = sum[m];
    }
}

static double ssim_of_moments(const double m[MOMENTS])
{
    const double c1 = (0.01 * 255) * (0.01 * 255), c2 = (0.03 * 255) * (0.03 * 255);
    double square_a = m[0] * m[0], square_b = m[1] * m[1], product = m[0] * m[1];
    double variance_a = m[2] - square_a, variance_b = m[3] - square_b, covariance = m[4] - product;
    return ((2 * product + c1) * (2 * covariance + c2)) /
           ((square_a + square_b + c1) * (variance_a + variance_b + c2));
}

/* Mean over the positions where the whole window lies inside. False where memory runs out. */
static bool ssim_of_planes(const struct plane *a, const struct plane *b, double *ssim)
{
    *ssim = NAN;
    if (a->width < WINDOW || a->height < WINDOW)
        return true;
    size_t width = a->width - WINDOW + 1, height = a->height - WINDOW + 1;
    struct plane rows; /* horizontally filtered, the moments of a pixel side by side */
    if (!plane_create(&rows, width * MOMENTS, a->height))
        return false;
    double weights[WINDOW];
    gaussian_window(weights);
    for (size_t y = 0; y < a->height; y++)
        moments_of_row(a->samples + y * a->width, b->samples + y * b->width, width, weights,
                       rows.samples + y * rows.width);
    double sum = 0;
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            double moments[MOMENTS] = {0};
            for (size_t i = 0; i < WINDOW; i++)
                for (size_t m = 0; m < MOMENTS; m++)
                    moments[m] += weights[i] * rows.samples[(y + i) * rows.width + x * MOMENTS + m];
            sum += ssim_of_moments(moments);
        }
    }
    free(rows.samples);
    *ssim = sum / ((double)width * (double)height);
    return true;
}

bool cli_picture_compare(const pipersr_frame *picture, const pipersr_frame *original,
                         uint32_t shave_px, struct cli_picture_metrics *metrics)
{
    if (picture->width_px <= 2 * (uint64_t)shave_px || picture->height_px <= 2 * (uint64_t)shave_px)
        return false;
    struct plane a = {0}, b = {0};
    bool done = luma_inside(picture, shave_px, &a) && luma_inside(original, shave_px, &b) &&
                ssim_of_planes(&a, &b, &metrics->ssim_y);
    if (done) {
        metrics->psnr_y = psnr_of_planes(&a, &b);
        metrics->psnr_rgb = psnr_of_colours(picture, original, shave_px);
    }
    free(a.samples);
    free(b.samples);
    return done;
}

/* ---------------------------------------------------------------------------------- bicubic -- */

static double keys_kernel(double distance)
{
    double x = fabs(distance);
    if (x <= 1)
        return (1.5 * x - 2.5) * x * x + 1;
    if (x < 2)
        return ((-0.5 * x + 2.5) * x - 4) * x + 2;
    return 0;
}

/* Index of the mirrored line 0 1 .. n-1 n-1 .. 1 0 0 1 .. */
static size_t mirrored(ptrdiff_t index, size_t length)
{
    ptrdiff_t period = 2 * (ptrdiff_t)length;
    ptrdiff_t within = ((index % period) + period) % period;
    return (size_t)(within < (ptrdiff_t)length ? within : period - 1 - within);
}

struct tap_set {
    size_t index[TAPS];
    double weight[TAPS];
};

/* The input samples of output sample `position`, as MATLAB aligns them: pixel areas, not centres.
 */
static struct tap_set taps_at(size_t position, size_t length_in, uint32_t scale)
{
    struct tap_set taps;
    double centre = ((double)position + 0.5) / scale - 0.5;
    ptrdiff_t first = (ptrdiff_t)floor(centre) - 1;
    double sum = 0;
    for (ptrdiff_t i = 0; i < TAPS; i++) {
        taps.index[i] = mirrored(first + i, length_in);
        taps.weight[i] = keys_kernel(centre - (double)(first + i));
        sum += taps.weight[i];
    }
    for (int i = 0; i < TAPS; i++)
        taps.weight[i] /= sum;
    return taps;
}

static uint8_t to_byte(double value)
{
    double rounded = floor(value + 0.5);
    return (uint8_t)(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
}

bool cli_picture_enlarge_bicubic(const pipersr_frame *in, uint32_t scale, const pipersr_frame *out)
{
    struct plane row; /* one output row at the input's width */
    if (!plane_create(&row, (size_t)in->width_px * CHANNELS, 1))
        return false;
    for (size_t y = 0; y < out->height_px; y++) {
        struct tap_set down = taps_at(y, in->height_px, scale);
        for (size_t i = 0; i < row.width; i++) {
            double sum = 0;
            for (int t = 0; t < TAPS; t++)
                sum += down.weight[t] * frame_row(in, down.index[t])[i];
            /* imresize() keeps the class of its input, so it rounds between the two directions. */
            row.samples[i] = to_byte(sum);
        }
        uint8_t *pixel = (uint8_t *)out->data + (ptrdiff_t)y * out->stride_bytes;
        for (size_t x = 0; x < out->width_px; x++) {
            struct tap_set across = taps_at(x, in->width_px, scale);
            for (size_t c = 0; c < CHANNELS; c++) {
                double sum = 0;
                for (int t = 0; t < TAPS; t++)
                    sum += across.weight[t] * row.samples[across.index[t] * CHANNELS + c];
                *pixel++ = to_byte(sum);
            }
        }
    }
    free(row.samples);
    return true;
}
