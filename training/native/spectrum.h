/* SPDX-License-Identifier: MIT
 *
 * Winograd's F(4x4, 3x3) at the points 0, 1, -1, 2, -2 and infinity, as in Lavin and Gray, "Fast
 * Algorithms for Convolutional Neural Networks", 2015: with its matrices A, B and G the outputs of
 * a tile are A' ((G g G') * (B' d B)) A. The kernel's gradient is the transposed of that:
 * G' (sum over tiles of (B' d B) * (A y A')) G. What is multiplied point by point are spectra here.
 */
#ifndef PIPERSR_TRAINING_SPECTRUM_H
#define PIPERSR_TRAINING_SPECTRUM_H

#include <stddef.h>

#include "widest.h"

enum { TILE = 4, SPAN = 6 };

INLINE void to_spectrum(const vec d[SPAN], vec t[SPAN])
{
    const vec a = d[4] - 4.0f * d[2], b = d[3] - 4.0f * d[1];
    const vec p = d[4] - d[2], q = d[3] - d[1];
    t[0] = 4.0f * d[0] + (d[4] - 5.0f * d[2]);
    t[1] = a + b;
    t[2] = a - b;
    t[3] = p + 2.0f * q;
    t[4] = p - 2.0f * q;
    t[5] = 4.0f * d[1] + (d[5] - 5.0f * d[3]);
}

INLINE void from_spectrum(const vec m[SPAN], vec y[TILE])
{
    const vec s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = d1 + 2.0f * d2;
    y[2] = s1 + 4.0f * s2;
    y[3] = d1 + 8.0f * d2 + m[5];
}

/* The transposed of from_spectrum(). */
INLINE void gradient_to_spectrum(const vec y[TILE], vec m[SPAN])
{
    const vec s1 = y[0] + y[2], d1 = y[1] + y[3];
    const vec s2 = y[0] + 4.0f * y[2], d2 = y[1] + 4.0f * y[3];
    m[0] = y[0];
    m[1] = s1 + d1;
    m[2] = s1 - d1;
    m[3] = s2 + 2.0f * d2;
    m[4] = s2 - 2.0f * d2;
    m[5] = y[3];
}

INLINE void kernel_to_spectrum(const vec g[3], vec t[SPAN])
{
    const vec s = g[0] + g[2], p = g[0] + 4.0f * g[2], q = 2.0f * g[1];
    t[0] = 0.25f * g[0];
    t[1] = (-1.0f / 6) * (s + g[1]);
    t[2] = (-1.0f / 6) * (s - g[1]);
    t[3] = (1.0f / 24) * (p + q);
    t[4] = (1.0f / 24) * (p - q);
    t[5] = g[2];
}

/* The transposed of kernel_to_spectrum(). */
INLINE void gradient_from_spectrum(const vec t[SPAN], vec g[3])
{
    const vec s1 = (-1.0f / 6) * (t[1] + t[2]), d1 = (-1.0f / 6) * (t[1] - t[2]);
    const vec s2 = (1.0f / 24) * (t[3] + t[4]), d2 = (1.0f / 12) * (t[3] - t[4]);
    g[0] = 0.25f * t[0] + s1 + s2;
    g[1] = d1 + d2;
    g[2] = s1 + 4.0f * s2 + t[5];
}

/* A tile's functions bring the next one's pixels to the first cache: the processor does not foresee
 * steps of a whole pixel.
 *
 * Six by six pixels of LANES channels; `step` numbers between points. */
INLINE void input_tile(const float *from, size_t pixel, size_t row, float *to, size_t step)
{
    vec t[SPAN][SPAN];
    UNROLLED
    for (int x = 0; x < SPAN; x++) {
        vec d[SPAN], c[SPAN];
        UNROLLED
        for (int y = 0; y < SPAN; y++)
            d[y] = vec_load(from + y * row + x * pixel);
        UNROLLED
        for (int y = 0; y < SPAN && x >= SPAN - TILE; y++)
            __builtin_prefetch(from + y * row + (x + TILE) * pixel);
        to_spectrum(d, c);
        UNROLLED
        for (int y = 0; y < SPAN; y++)
            t[y][x] = c[y];
    }
    UNROLLED
    for (int y = 0; y < SPAN; y++) {
        vec c[SPAN];
        to_spectrum(t[y], c);
        UNROLLED
        for (int x = 0; x < SPAN; x++, to += step)
            vec_store(to, c[x]);
    }
}

/* Four by four pixels. */
INLINE void gradient_tile(const float *from, size_t pixel, size_t row, float *to, size_t step)
{
    vec t[SPAN][TILE];
    UNROLLED
    for (int x = 0; x < TILE; x++) {
        vec d[TILE], c[SPAN];
        UNROLLED
        for (int y = 0; y < TILE; y++)
            d[y] = vec_load(from + y * row + x * pixel);
        UNROLLED
        for (int y = 0; y < TILE; y++)
            __builtin_prefetch(from + y * row + (x + TILE) * pixel);
        gradient_to_spectrum(d, c);
        UNROLLED
        for (int y = 0; y < SPAN; y++)
            t[y][x] = c[y];
    }
    UNROLLED
    for (int y = 0; y < SPAN; y++) {
        vec c[SPAN];
        gradient_to_spectrum(t[y], c);
        UNROLLED
        for (int x = 0; x < SPAN; x++, to += step)
            vec_store(to, c[x]);
    }
}

#endif
