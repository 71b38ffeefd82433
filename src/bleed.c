/* SPDX-License-Identifier: MIT
 *
 * Colour for pixels that nobody sees. The network looks 14 pixels around; under full transparency
 * files hold anything, mostly black, and it would show as a dark seam along every soft edge.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipersr.h"
#include "src/frame.h"
#include "src/mem.h"

enum { REACH_PX = 16 };

struct bleed {
    size_t width, height;
    float *colour;         /* [height][width][PSR_RGB_FLOATS]; the fourth float: 1 = has a colour */
    unsigned char *filled; /* step in which a pixel got its colour; 0: visible; UNKNOWN: none yet */
};

enum { UNKNOWN = 255 };

/* Gives each pixel without a colour the mean of those of its eight neighbours that had one before
 * this step. Returns how many were filled. */
static size_t spread(struct bleed *b, unsigned char step)
{
    size_t filled = 0;
    for (size_t y = 0; y < b->height; y++) {
        for (size_t x = 0; x < b->width; x++) {
            if (b->filled[y * b->width + x] != UNKNOWN)
                continue;
            float sum[3] = {0}, n = 0;
            for (size_t v = y ? y - 1 : 0; v <= y + 1 && v < b->height; v++) {
                for (size_t u = x ? x - 1 : 0; u <= x + 1 && u < b->width; u++) {
                    if (b->filled[v * b->width + u] >= step)
                        continue;
                    const float *colour = b->colour + (v * b->width + u) * PSR_RGB_FLOATS;
                    for (int c = 0; c < 3; c++)
                        sum[c] += colour[c];
                    n++;
                }
            }
            if (n > 0) {
                float *colour = b->colour + (y * b->width + x) * PSR_RGB_FLOATS;
                for (int c = 0; c < 3; c++)
                    colour[c] = sum[c] / n;
                b->filled[y * b->width + x] = step;
                filled++;
            }
        }
    }
    return filled;
}

static unsigned char *row_of(const pipersr_frame *frame, size_t y)
{
    return (unsigned char *)frame->data + (ptrdiff_t)y * frame->stride_bytes;
}

/* Writes back only what was filled: a round trip through floats must not touch the rest. */
static void write_filled(const struct bleed *b, const pipersr_frame *frame,
                         const struct psr_format *format)
{
    const float transparent = 0.0f;
    for (size_t y = 0; y < b->height; y++) {
        for (size_t x = 0; x < b->width; x++) {
            const unsigned char step = b->filled[y * b->width + x];
            if (step != 0 && step != UNKNOWN)
                psr_row_write(row_of(frame, y), format, x, 1,
                              b->colour + (y * b->width + x) * PSR_RGB_FLOATS, &transparent);
        }
    }
}

pipersr_status pipersr_bleed_transparent(const pipersr_frame *frame)
{
    struct psr_format format;
    struct bleed b;
    size_t pixels, colour_bytes;

    if (!frame || !frame->data || frame->width_px < 1 || frame->height_px < 1 ||
        frame->width_px > PSR_MAX_WIDTH || frame->height_px > PSR_MAX_HEIGHT ||
        psr_format_describe(frame->format, &format))
        return PIPERSR_ERROR_ARGUMENT;
    if (!format.alpha)
        return PIPERSR_OK;
    b.width = frame->width_px;
    b.height = frame->height_px;
    if (psr_size_multiply(b.width, b.height, &pixels) ||
        psr_size_multiply(pixels, PSR_RGB_FLOATS * sizeof(float), &colour_bytes))
        return PIPERSR_ERROR_MEMORY;
    b.colour = malloc(colour_bytes);
    b.filled = malloc(pixels);
    float *alpha = malloc(b.width * sizeof *alpha);
    if (!b.colour || !b.filled || !alpha) {
        free(b.colour);
        free(b.filled);
        free(alpha);
        return PIPERSR_ERROR_MEMORY;
    }

    for (size_t y = 0; y < b.height; y++) {
        psr_row_read(row_of(frame, y), &format, 0, b.width, b.colour + y * b.width * PSR_RGB_FLOATS,
                     alpha);
        for (size_t x = 0; x < b.width; x++)
            b.filled[y * b.width + x] = alpha[x] > 0.0f ? 0 : UNKNOWN;
    }
    for (unsigned char step = 1; step <= REACH_PX && spread(&b, step); step++)
        continue;
    write_filled(&b, frame, &format);

    free(b.colour);
    free(b.filled);
    free(alpha);
    return PIPERSR_OK;
}
