/* SPDX-License-Identifier: MIT */
#include "pixels.h"

#include <math.h>
#include <stddef.h>

/* Rec. 601's luma of full-range R, G, B in 0..1, as picture_quality.py has it. */
static const float Y_WEIGHTS[COLOURS] = {65.481f / 255, 128.553f / 255, 24.966f / 255};
static const float MSE_FACTOR = 20; /* as in device_step.py */

uint32_t shape_made(const struct shape *shape)
{
    return COLOURS * shape->scale * shape->scale;
}

static const uint8_t *source_of(const uint8_t *from, int64_t start, int64_t row, int64_t symmetry,
                                uint32_t side, uint32_t i, uint32_t j)
{
    const uint32_t first = symmetry & 1 ? side - 1 - i : i,
                   second = symmetry & 2 ? side - 1 - j : j;
    const uint32_t y = symmetry & 4 ? second : first, x = symmetry & 4 ? first : second;
    return from + (size_t)(start + y * row + x) * COLOURS;
}

const uint8_t *pixels_low(const struct pixels *pixels, const struct shape *shape, uint32_t i,
                          uint32_t j)
{
    return source_of(pixels->low, pixels->choice[0], pixels->choice[1], pixels->choice[4],
                     shape->side, i, j);
}

void pixels_wanted(const struct pixels *pixels, const struct shape *shape, uint8_t *wanted)
{
    const uint32_t side = shape->side, scale = shape->scale, area = scale * scale;
    for (uint32_t i = 0; i < side * scale; i++)
        for (uint32_t j = 0; j < side * scale; j++) {
            const uint8_t *from = source_of(pixels->high, pixels->choice[2], pixels->choice[3],
                                            pixels->choice[4], side * scale, i, j);
            uint8_t *to = wanted + ((size_t)(i / scale) * side + j / scale) * COLOURS * area +
                          i % scale * scale + j % scale;
            for (uint32_t c = 0; c < COLOURS; c++)
                to[c * area] = from[c];
        }
}

double pixels_loss(const struct loss *loss, const struct shape *shape, const float *made,
                   uint32_t stride, const uint8_t *wanted, float *gradient)
{
    const uint32_t area = shape->scale * shape->scale;
    const double pixels = (double)loss->patches * shape->side * shape->side * area;
    const float rgb_l1 = (float)((1 - loss->y_share) * (1 - loss->mse) / (pixels * COLOURS));
    const float rgb_l2 = (float)((1 - loss->y_share) * loss->mse * MSE_FACTOR / (pixels * COLOURS));
    const float y_l1 = (float)(loss->y_share * (1 - loss->mse) / pixels);
    const float y_l2 = (float)(loss->y_share * loss->mse * MSE_FACTOR / pixels);
    float sum = 0;
    for (uint32_t j = 0; j < shape->side; j++) {
        for (uint32_t k = 0; k < area; k++) {
            float error[COLOURS], y = 0;
            for (uint32_t c = 0; c < COLOURS; c++) {
                error[c] = made[c * area + k] - wanted[c * area + k] * (1.0f / 255);
                y += Y_WEIGHTS[c] * error[c];
            }
            const float y_gradient = copysignf(y_l1, y) + 2 * y_l2 * y;
            sum += fabsf(y) * y_l1 + y * y * y_l2;
            for (uint32_t c = 0; c < COLOURS; c++) {
                const float e = error[c];
                sum += fabsf(e) * rgb_l1 + e * e * rgb_l2;
                gradient[c * area + k] =
                    copysignf(rgb_l1, e) + 2 * rgb_l2 * e + Y_WEIGHTS[c] * y_gradient;
            }
        }
        made += stride;
        wanted += COLOURS * area;
        gradient += COLOURS * area;
    }
    return sum;
}
