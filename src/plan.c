/* SPDX-License-Identifier: MIT */
#include "src/plan.h"

#include <math.h>

enum {
    /* Narrower or lower, and a part is mostly surround; the model would see that too, but trying
     * thousands of cuts takes time. */
    MIN_STRIP_PX = 32,
    MIN_BAND_ROWS = 16,
    /* More jobs than this for each thread even out nothing more. */
    MAX_ROUNDS = 8
};

static uint32_t parts_of(uint32_t size, uint32_t part)
{
    return (size + part - 1) / part;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

uint32_t psr_plan_most_strips(uint32_t width_px)
{
    return parts_of(width_px, PSR_STRIP_ALIGNMENT_PX);
}

uint32_t psr_plan_strip_border(uint32_t width_px, uint32_t strips, uint32_t i)
{
    const uint64_t place = (uint64_t)psr_plan_most_strips(width_px) * i / strips;
    return smaller((uint32_t)(place * PSR_STRIP_ALIGNMENT_PX), width_px);
}

uint32_t psr_plan_widest_strip(uint32_t width_px, uint32_t strips)
{
    return smaller(parts_of(psr_plan_most_strips(width_px), strips) * PSR_STRIP_ALIGNMENT_PX,
                   width_px);
}

static uint32_t most_bands(uint32_t height_px)
{
    return parts_of(height_px, PSR_BAND_ALIGNMENT_ROWS);
}

uint32_t psr_plan_band_border(uint32_t height_px, uint32_t bands, uint32_t i)
{
    const uint64_t place = (uint64_t)most_bands(height_px) * i / bands;
    return smaller((uint32_t)(place * PSR_BAND_ALIGNMENT_ROWS), height_px);
}

/* A part's length with half of the surround on each of its sides that is not the picture's own. */
static double with_surround(uint32_t part, uint32_t parts, uint32_t surround)
{
    const double sides = parts == 1 ? 0 : parts == 2 ? 1 : 2;
    return part + sides * surround / 2;
}

/* Time until the last thread ends, in pixels. */
static double cost_of(const struct psr_plan_request *request, uint32_t strips, uint32_t bands)
{
    const uint32_t width = psr_plan_widest_strip(request->width_px, strips);
    const double columns = with_surround(width, strips, request->surround_px);
    const double rows =
        with_surround(parts_of(request->height_px, bands), bands, request->surround_rows);
    const uint64_t jobs = (uint64_t)strips * bands * request->n_pictures;
    const double rounds = (double)((jobs + request->threads - 1) / request->threads);
    const double held = (width + 2.0 * request->surround_px) * (double)request->bytes_per_column;
    const double outgrown = held / (double)request->cache_bytes;
    return rounds * columns * rows * (outgrown > 1 ? 1 + 0.05 * log2(outgrown) : 1);
}

static uint32_t fixed_or(uint32_t asked, uint32_t size, uint32_t most, uint32_t otherwise)
{
    return asked ? smaller(parts_of(size, asked), most) : otherwise;
}

struct psr_plan psr_plan_cut(const struct psr_plan_request *request)
{
    const uint32_t width = request->width_px, height = request->height_px;
    const uint32_t strips_for_width = psr_plan_most_strips(width);
    /* All strips that fill the threads MAX_ROUNDS times, and those of a picture so wide that they
     * would still be wider than four times what fits the cache. */
    const uint32_t fitting_px =
        (uint32_t)(request->cache_bytes /
                   (request->bytes_per_column ? request->bytes_per_column : 1));
    const uint32_t wide = parts_of(width, larger(4 * smaller(fitting_px, width), MIN_STRIP_PX));
    const uint32_t first_strips = fixed_or(request->strip_width_px, width, strips_for_width, wide);
    const uint32_t last_strips =
        fixed_or(request->strip_width_px, width, strips_for_width,
                 larger(first_strips, smaller(larger(width / MIN_STRIP_PX, 1),
                                              8 * first_strips + MAX_ROUNDS * request->threads)));
    const uint32_t allowed_bands = smaller(request->max_bands, most_bands(height));
    const uint32_t first_bands = fixed_or(request->band_height_px, height, allowed_bands, 1);
    struct psr_plan best = {first_strips, first_bands};
    double least = INFINITY;

    for (uint32_t strips = first_strips; strips <= last_strips; strips++) {
        const uint32_t last_bands =
            fixed_or(request->band_height_px, height, allowed_bands,
                     smaller(smaller(larger(height / MIN_BAND_ROWS, 1), allowed_bands),
                             larger(MAX_ROUNDS * request->threads / strips, 1)));
        for (uint32_t bands = first_bands; bands <= last_bands; bands++) {
            const double cost = cost_of(request, strips, bands);
            if (cost < least) {
                least = cost;
                best = (struct psr_plan){strips, bands};
            }
        }
    }
    return best;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        const uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

uint32_t psr_plan_pictures_at_once(const struct psr_plan_request *request)
{
    struct psr_plan_request alone = *request;
    alone.n_pictures = 1;
    alone.threads = 1;
    alone.max_bands = 1;
    const struct psr_plan plan = psr_plan_cut(&alone);
    const uint32_t even = request->threads / common_divisor(request->threads, plan.strips);
    return request->threads > 1 ? larger(even, 2) : 1;
}
