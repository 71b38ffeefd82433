/* SPDX-License-Identifier: MIT */
#include "src/frame.h"

#include <inttypes.h>
#include <math.h>

#include "src/error.h"

int psr_format_describe(pipersr_format format, struct psr_format *description)
{
    const unsigned channels = (unsigned)format & 0xf, bytes = (unsigned)format >> 4;
    if (channels < 1 || channels > 4 || (bytes != 1 && bytes != 2 && bytes != 4))
        return -1;
    description->colours = channels <= 2 ? 1 : 3;
    description->alpha = channels % 2 == 0;
    description->sample_bytes = bytes;
    description->pixel_bytes = (size_t)channels * bytes;
    return 0;
}

size_t pipersr_format_pixel_bytes(pipersr_format format)
{
    struct psr_format description;
    return psr_format_describe(format, &description) ? 0 : description.pixel_bytes;
}

/* --------------------------------------------------------------------------------- the checks --
 */

pipersr_status psr_check_size(uint32_t width, uint32_t height, pipersr_error *error)
{
    if (width < 1 || width > PSR_MAX_WIDTH || height < 1 || height > PSR_MAX_HEIGHT)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "a picture of %" PRIu32 " x %" PRIu32
                        " pixels is out of range (1 x 1 to %d x %d)",
                        width, height, PSR_MAX_WIDTH, PSR_MAX_HEIGHT);
    return PIPERSR_OK;
}

pipersr_status psr_check_size_and_format(uint32_t width, uint32_t height, pipersr_format format,
                                         struct psr_format *description, pipersr_error *error)
{
    const pipersr_status status = psr_check_size(width, height, error);
    if (status)
        return status;
    if (psr_format_describe(format, description))
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "unknown pixel format 0x%x",
                        (unsigned)format);
    return PIPERSR_OK;
}

pipersr_status psr_check_rows(const void *data, ptrdiff_t stride, uint32_t width, uint32_t rows,
                              const struct psr_format *format, const char *which,
                              pipersr_error *error)
{
    const size_t row_bytes = (size_t)width * format->pixel_bytes;
    const size_t step = stride < 0 ? (size_t)0 - (size_t)stride : (size_t)stride;
    if (!data)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "the %s has no pixels (NULL)", which);
    if (rows > 1 && step < row_bytes)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "the %s's stride of %td bytes is shorter than a row of %zu", which, stride,
                        row_bytes);
    if ((uintptr_t)data % format->sample_bytes || step % format->sample_bytes)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "the %s's data or stride is not aligned to its %" PRIu32 "-byte samples",
                        which, format->sample_bytes);
    return PIPERSR_OK;
}

/* ------------------------------------------------------------------------------- the samples -- */

/* Also turns NaN into 0: it fails the first comparison. */
static inline float clamp01(float value)
{
    return value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f;
}

static inline float load(const void *samples, size_t i, uint32_t sample_bytes)
{
    switch (sample_bytes) {
    case 1:
        return (float)((const uint8_t *)samples)[i] / 255.0f;
    case 2:
        return (float)((const uint16_t *)samples)[i] / 65535.0f;
    default:
        return clamp01(((const float *)samples)[i]);
    }
}

static inline void store(void *samples, size_t i, uint32_t sample_bytes, float value)
{
    value = clamp01(value);
    switch (sample_bytes) {
    case 1:
        ((uint8_t *)samples)[i] = (uint8_t)(value * 255.0f + 0.5f);
        break;
    case 2:
        ((uint16_t *)samples)[i] = (uint16_t)(value * 65535.0f + 0.5f);
        break;
    default:
        ((float *)samples)[i] = value;
    }
}

static inline __attribute__((always_inline)) void read_as(const void *row, size_t n,
                                                          uint32_t colours, bool alpha,
                                                          uint32_t sample_bytes, float *rgb,
                                                          float *alphas)
{
    const size_t channels = colours + alpha;
    for (size_t i = 0; i < n; i++) {
        float *to = rgb + i * PSR_RGB_FLOATS;
        to[0] = load(row, i * channels, sample_bytes);
        to[1] = colours == 3 ? load(row, i * channels + 1, sample_bytes) : to[0];
        to[2] = colours == 3 ? load(row, i * channels + 2, sample_bytes) : to[0];
        to[3] = 0.0f;
        if (alpha)
            alphas[i] = load(row, i * channels + colours, sample_bytes);
    }
}

static inline __attribute__((always_inline)) void write_as(void *row, size_t n, uint32_t colours,
                                                           bool alpha, uint32_t sample_bytes,
                                                           const float *rgb, const float *alphas)
{
    const size_t channels = colours + alpha;
    for (size_t i = 0; i < n; i++) {
        const float *from = rgb + i * PSR_RGB_FLOATS;
        if (colours == 3) {
            for (size_t c = 0; c < 3; c++)
                store(row, i * channels + c, sample_bytes, from[c]);
        } else {
            const float luma =
                0.299f * clamp01(from[0]) + 0.587f * clamp01(from[1]) + 0.114f * clamp01(from[2]);
            store(row, i * channels, sample_bytes, luma);
        }
        if (alpha)
            store(row, i * channels + colours, sample_bytes, alphas[i]);
    }
}

/* Calls FUNCTION with the format as constants, so that each format gets a loop of its own. */
#define FOR_FORMAT(FUNCTION, ROW)                                                                  \
    switch (format->sample_bytes * 16 + format->colours * 2 + format->alpha) {                     \
    case 1 * 16 + 2 + 0:                                                                           \
        FUNCTION(ROW, n, 1, false, 1, rgb, alpha);                                                 \
        break;                                                                                     \
    case 1 * 16 + 2 + 1:                                                                           \
        FUNCTION(ROW, n, 1, true, 1, rgb, alpha);                                                  \
        break;                                                                                     \
    case 1 * 16 + 6 + 0:                                                                           \
        FUNCTION(ROW, n, 3, false, 1, rgb, alpha);                                                 \
        break;                                                                                     \
    case 1 * 16 + 6 + 1:                                                                           \
        FUNCTION(ROW, n, 3, true, 1, rgb, alpha);                                                  \
        break;                                                                                     \
    default:                                                                                       \
        FUNCTION(ROW, n, format->colours, format->alpha, format->sample_bytes, rgb, alpha);        \
    }

void psr_row_read(const void *row, const struct psr_format *format, size_t x, size_t n, float *rgb,
                  float *alpha)
{
    const void *from = (const unsigned char *)row + x * format->pixel_bytes;
    FOR_FORMAT(read_as, from)
}

void psr_row_write(void *row, const struct psr_format *format, size_t x, size_t n, const float *rgb,
                   const float *alpha)
{
    void *to = (unsigned char *)row + x * format->pixel_bytes;
    FOR_FORMAT(write_as, to)
}

int psr_bicubic_taps(uint32_t scale, uint32_t phase, float weights[4])
{
    /* Centres of samples lie at +0.5: the output sample's place among the inputs. */
    const double at = (phase + 0.5) / scale - 0.5;
    const double base = floor(at), f = at - base;

    /* R. Keys, "Cubic convolution interpolation for digital image processing", 1981, eq. 15. */
    weights[0] = (float)(-0.5 * f + f * f - 0.5 * f * f * f);
    weights[1] = (float)(1.0 - 2.5 * f * f + 1.5 * f * f * f);
    weights[2] = (float)(0.5 * f + 2.0 * f * f - 1.5 * f * f * f);
    weights[3] = (float)(-0.5 * f * f + 0.5 * f * f * f);
    return (int)base;
}
