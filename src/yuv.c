/* SPDX-License-Identifier: MIT */
#include "src/yuv.h"

#include <stdbool.h>

/* Loops are over rows of plain floats and small enough for the compiler to make vectors of them. */

static inline float clamp01(float value)
{
    /* Also turns NaN into 0: it fails the first comparison. */
    const float positive = value > 0.0f ? value : 0.0f;
    return positive < 1.0f ? positive : 1.0f;
}

static int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static unsigned char *sample_at(const struct psr_rows *plane, const struct psr_yuv *yuv, int64_t y,
                                int64_t x)
{
    return plane->data + (y - plane->first_row) * plane->stride_bytes + x * yuv->sample_bytes;
}

/* ------------------------------------------------------------------------------------ reading --
 */

/* Chroma samples on each side that the interpolation along the row reads. */
enum { SIDE = 2 };

static size_t coarse_floats(size_t px)
{
    return px / 2 + 2 + 2 * SIDE;
}

size_t psr_yuv_read_floats(size_t px)
{
    /* A luma row; both chroma rows, which begin at an even pixel; one of coarse samples, which may
     * be as many as pixels. */
    return 4 * (px + 2 + 2 * SIDE) + coarse_floats(px);
}

static void load_codes(const void *row, uint32_t sample_bytes, size_t n, float *restrict to)
{
    const uint8_t *bytes = row;
    const uint16_t *words = row;
    if (sample_bytes == 1) {
        for (size_t i = 0; i < n; i++)
            to[i] = (float)bytes[i];
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = (float)words[i];
    }
}

static void mix_codes(const void *const rows[4], const float w[4], uint32_t sample_bytes, size_t n,
                      float *restrict to)
{
    if (sample_bytes == 1) {
        const uint8_t *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
        for (size_t i = 0; i < n; i++)
            to[i] =
                w[0] * (float)a[i] + w[1] * (float)b[i] + w[2] * (float)c[i] + w[3] * (float)d[i];
    } else {
        const uint16_t *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
        for (size_t i = 0; i < n; i++)
            to[i] =
                w[0] * (float)a[i] + w[1] * (float)b[i] + w[2] * (float)c[i] + w[3] * (float)d[i];
    }
}

/* Chroma samples first .. first+n-1 at the height of luma row y; the samples beyond the plane's
 * `width` x `height` are those of its edge. */
static void read_coarse(const struct psr_yuv *yuv, const struct psr_rows *plane, int64_t width,
                        int64_t height, int64_t y, int64_t first, size_t n, float *coarse)
{
    const int64_t from = within(first, 0, width - 1);
    const int64_t to = within(first + (int64_t)n, from + 1, width);
    float *inside = coarse + (from - first);
    if (yuv->y_shift) {
        const void *rows[4];
        const int64_t base = y / 2 + yuv->y.base[y % 2];
        for (int tap = 0; tap < 4; tap++)
            rows[tap] = sample_at(plane, yuv, within(base - 1 + tap, 0, height - 1), from);
        mix_codes(rows, yuv->y.weight[y % 2], yuv->sample_bytes, (size_t)(to - from), inside);
    } else {
        load_codes(sample_at(plane, yuv, y, from), yuv->sample_bytes, (size_t)(to - from), inside);
    }
    for (int64_t x = first; x < from; x++)
        coarse[x - first] = *inside;
    for (int64_t x = to; x < first + (int64_t)n; x++)
        coarse[x - first] = coarse[to - 1 - first];
}

/* Twice as many: fine[2 i + phase], of which coarse[i] is the nearest sample. */
static void interpolate(const struct psr_yuv_axis *axis, const float *coarse, size_t n,
                        float *restrict fine)
{
    const float *even = coarse + axis->base[0] - 1, *odd = coarse + axis->base[1] - 1;
    const float *w = axis->weight[0], *v = axis->weight[1];
    for (size_t i = 0; i < n; i++) {
        fine[2 * i] = w[0] * even[i] + w[1] * even[i + 1] + w[2] * even[i + 2] + w[3] * even[i + 3];
        fine[2 * i + 1] = v[0] * odd[i] + v[1] * odd[i + 1] + v[2] * odd[i + 2] + v[3] * odd[i + 3];
    }
}

/* Codes to colours. */
static void to_rgb(const struct psr_yuv *yuv, size_t n, const float *luma, const float *cb,
                   const float *cr, float *restrict rgb)
{
    const float luma_unit = 1.0f / yuv->luma_step, chroma_unit = 1.0f / yuv->chroma_step;
    const float luma_zero = yuv->luma_zero, chroma_zero = yuv->chroma_zero;
    const float red_of_cr = yuv->red_of_cr, blue_of_cb = yuv->blue_of_cb;
    const float green_of_cb = yuv->green_of_cb, green_of_cr = yuv->green_of_cr;
    for (size_t i = 0; i < n; i++) {
        const float y = (luma[i] - luma_zero) * luma_unit;
        const float u = (cb[i] - chroma_zero) * chroma_unit;
        const float v = (cr[i] - chroma_zero) * chroma_unit;
        rgb[4 * i] = clamp01(y + red_of_cr * v);
        rgb[4 * i + 1] = clamp01(y + green_of_cb * u + green_of_cr * v);
        rgb[4 * i + 2] = clamp01(y + blue_of_cb * u);
        rgb[4 * i + 3] = 0.0f;
    }
}

static void gray_to_rgb(const struct psr_yuv *yuv, size_t n, const float *luma, float *restrict rgb)
{
    const float luma_unit = 1.0f / yuv->luma_step, luma_zero = yuv->luma_zero;
    for (size_t i = 0; i < n; i++) {
        const float y = clamp01((luma[i] - luma_zero) * luma_unit);
        rgb[4 * i] = rgb[4 * i + 1] = rgb[4 * i + 2] = y;
        rgb[4 * i + 3] = 0.0f;
    }
}

void psr_yuv_read_row(const struct psr_yuv *yuv, const struct psr_rows planes[PSR_PLANES],
                      uint32_t width, uint32_t height, int64_t y, int64_t from, int64_t to,
                      float *scratch, float *rgb)
{
    const size_t n = (size_t)(to - from), room = n + 2 + 2 * SIDE;
    float *luma = scratch, *fine[2] = {luma + room, luma + 2 * room}, *coarse = luma + 3 * room;

    load_codes(sample_at(&planes[0], yuv, y, from), yuv->sample_bytes, n, luma);
    if (yuv->gray) {
        gray_to_rgb(yuv, n, luma, rgb);
        return;
    }
    const int64_t chroma_width = ((int64_t)width + yuv->x_shift) >> yuv->x_shift;
    const int64_t chroma_height = ((int64_t)height + yuv->y_shift) >> yuv->y_shift;
    for (int i = 0; i < 2; i++) {
        if (!yuv->x_shift) {
            read_coarse(yuv, &planes[1 + i], chroma_width, chroma_height, y, from, n, fine[i]);
            continue;
        }
        const int64_t first = from / 2, last = (to - 1) / 2;
        const size_t pairs = (size_t)(last - first + 1);
        read_coarse(yuv, &planes[1 + i], chroma_width, chroma_height, y, first - SIDE,
                    pairs + 2 * SIDE, coarse);
        interpolate(&yuv->x, coarse + SIDE, pairs, fine[i]);
        fine[i] += from % 2;
    }
    to_rgb(yuv, n, luma, fine[0], fine[1], rgb);
}

/* ------------------------------------------------------------------------------------ writing --
 */

/* Rows of chroma, already filtered along the row, that are kept. */
enum { RING_ROWS = 3 };

/* A row has room for a repeated edge pixel on each side. */
static size_t row_floats(size_t px)
{
    return px + 2;
}

size_t psr_yuv_write_floats(size_t px)
{
    return (3 + 2 * RING_ROWS) * row_floats(px);
}

struct psr_yuv_colours psr_yuv_colours(float *scratch, size_t px)
{
    const size_t row = row_floats(px);
    return (struct psr_yuv_colours){scratch + 1, scratch + row + 1, scratch + 2 * row + 1};
}

static float *ring_row(float *scratch, size_t px, int chroma, int64_t y)
{
    return scratch + (size_t)(3 + 2 * (y % RING_ROWS) + chroma) * row_floats(px);
}

/* A loop of its own: with the matrix in it, gcc 12 makes branches of it. */
static void clamp_row(float *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        row[i] = clamp01(row[i]);
}

/* In place: red becomes luma, green Cb and blue Cr, with E' as in struct psr_yuv. */
static void from_rgb(const struct psr_yuv *yuv, size_t n, float *restrict red,
                     float *restrict green, float *restrict blue)
{
    const float kr = yuv->kr, kg = yuv->kg, kb = yuv->kb;
    const float cb_of_blue = yuv->cb_of_blue, cr_of_red = yuv->cr_of_red;
    clamp_row(red, n);
    clamp_row(green, n);
    clamp_row(blue, n);
    for (size_t i = 0; i < n; i++) {
        const float r = red[i], b = blue[i];
        const float luma = kr * r + kg * green[i] + kb * b;
        red[i] = luma;
        green[i] = (b - luma) * cb_of_blue;
        blue[i] = (r - luma) * cr_of_red;
    }
}

static void store_codes(const float *values, size_t n, float step, float zero,
                        const struct psr_yuv *yuv, void *row)
{
    uint8_t *restrict bytes = row;
    uint16_t *restrict words = row;
    /* Nothing is below 0 by more than rounding; chroma of full range may pass the highest code by
     * half a code. */
    const float most = yuv->highest_code, up = zero + 0.5f;
    if (yuv->sample_bytes == 1) {
        for (size_t i = 0; i < n; i++) {
            const float code = values[i] * step + up;
            const float low = code > 0.0f ? code : 0.0f;
            bytes[i] = (uint8_t)(int32_t)(low < most ? low : most);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            const float code = values[i] * step + up;
            const float low = code > 0.0f ? code : 0.0f;
            words[i] = (uint16_t)(int32_t)(low < most ? low : most);
        }
    }
}

/* Chroma samples of a row out of its pixels: sample i lies on, or half a pixel right of, pixel 2 i;
 * fine[-1] and the pixel behind the last are there. */
static void filter_along(bool cosited, const float *fine, size_t n, float *restrict coarse)
{
    if (cosited) {
        for (size_t i = 0; i < n; i++)
            coarse[i] =
                0.5f * fine[2 * i] + 0.25f * (fine[(ptrdiff_t)(2 * i) - 1] + fine[2 * i + 1]);
    } else {
        for (size_t i = 0; i < n; i++)
            coarse[i] = 0.5f * (fine[2 * i] + fine[2 * i + 1]);
    }
}

/* The same down the columns, from three rows of which the middle one is row 2 i. */
static void filter_down(bool cosited, const float *above, const float *middle, const float *below,
                        size_t n, float *restrict coarse)
{
    if (cosited) {
        for (size_t i = 0; i < n; i++)
            coarse[i] = 0.5f * middle[i] + 0.25f * (above[i] + below[i]);
    } else {
        for (size_t i = 0; i < n; i++)
            coarse[i] = 0.5f * (middle[i] + below[i]);
    }
}

static void write_chroma(const struct psr_yuv *yuv, const struct psr_rows *plane,
                         const struct psr_yuv_part *part, int64_t y, float *fine, float *scratch,
                         size_t px, int chroma)
{
    const size_t known = (size_t)(part->known_to - part->known_from);
    const int64_t first = part->x0 >> yuv->x_shift;
    const size_t n = (size_t)(((part->x1 + yuv->x_shift) >> yuv->x_shift) - first);
    float *row = ring_row(scratch, px, chroma, y);
    const float *values = fine + (part->x0 - part->known_from);

    if (yuv->x_shift) {
        fine[-1] = fine[0];
        fine[known] = fine[known - 1];
        filter_along(yuv->x_cosited, values, n, row);
        values = row;
    }
    const int64_t middle = yuv->y_shift ? y / 2 * 2 : y;
    const bool complete = !yuv->y_shift || y % 2 || y == part->height - 1;
    if (!complete || middle < part->y0 || middle >= part->y1)
        return;
    if (yuv->y_shift) {
        const float *above = ring_row(scratch, px, chroma, middle > 0 ? middle - 1 : middle);
        filter_down(yuv->y_cosited, above, ring_row(scratch, px, chroma, middle), row, n, fine);
        values = fine;
    }
    store_codes(values, n, yuv->chroma_step, yuv->chroma_zero, yuv,
                sample_at(plane, yuv, middle >> yuv->y_shift, first));
}

void psr_yuv_write_row(const struct psr_yuv *yuv, const struct psr_rows planes[PSR_PLANES],
                       const struct psr_yuv_part *part, int64_t y, float *scratch, size_t px)
{
    const struct psr_yuv_colours row = psr_yuv_colours(scratch, px);

    from_rgb(yuv, (size_t)(part->known_to - part->known_from), row.red, row.green, row.blue);
    if (y >= part->y0 && y < part->y1)
        store_codes(row.red + (part->x0 - part->known_from), (size_t)(part->x1 - part->x0),
                    yuv->luma_step, yuv->luma_zero, yuv, sample_at(&planes[0], yuv, y, part->x0));
    if (yuv->gray)
        return;
    write_chroma(yuv, &planes[1], part, y, row.green, scratch, px, 0);
    write_chroma(yuv, &planes[2], part, y, row.blue, scratch, px, 1);
}
