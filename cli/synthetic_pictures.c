/* SPDX-License-Identifier: MIT */
#include "cli/synthetic_pictures.h"

#include <string.h>

enum { SIZE = CLI_SYNTHETIC_PX };

struct canvas {
    uint8_t *rgb;
    uint32_t random;
};

/* xorshift */
static uint32_t next_random(struct canvas *canvas)
{
    canvas->random ^= canvas->random << 13;
    canvas->random ^= canvas->random >> 17;
    canvas->random ^= canvas->random << 5;
    return canvas->random;
}

static unsigned random_below(struct canvas *canvas, unsigned limit)
{
    return (next_random(canvas) >> 8) % limit;
}

static void set(struct canvas *canvas, unsigned x, unsigned y, uint32_t colour)
{
    uint8_t *pixel = canvas->rgb + (y * SIZE + x) * 3;
    if (x >= SIZE || y >= SIZE)
        return;
    pixel[0] = (uint8_t)(colour >> 16);
    pixel[1] = (uint8_t)(colour >> 8);
    pixel[2] = (uint8_t)colour;
}

/* Every channel 0 or 255: black, white and the six pure colours. */
static uint32_t pure_colour(unsigned bits)
{
    return (bits & 1 ? 0xff0000u : 0) | (bits & 2 ? 0x00ff00u : 0) | (bits & 4 ? 0x0000ffu : 0);
}

/* Squares of `side` pixels. */
static void draw_noise(struct canvas *canvas, unsigned side, uint32_t (*colour)(struct canvas *))
{
    for (unsigned y = 0; y < SIZE; y += side) {
        for (unsigned x = 0; x < SIZE; x += side) {
            const uint32_t chosen = colour(canvas);
            for (unsigned i = 0; i < side * side; i++)
                set(canvas, x + i % side, y + i / side, chosen);
        }
    }
}

static uint32_t any_colour(struct canvas *canvas)
{
    return next_random(canvas) >> 8;
}

static uint32_t any_gray(struct canvas *canvas)
{
    return random_below(canvas, 256) * 0x010101u;
}

static uint32_t any_pure_colour(struct canvas *canvas)
{
    return pure_colour(random_below(canvas, 8));
}

static uint32_t black_or_white(struct canvas *canvas)
{
    return pure_colour(random_below(canvas, 2) * 7);
}

/* Lines or checks of `width` pixels; each quarter of the picture has its own pair of colours. */
static void draw_pattern(struct canvas *canvas, unsigned width, unsigned kind)
{
    static const uint8_t pairs[4][2] = {{0, 7}, {1, 6}, {2, 4}, {0, 3}};
    for (unsigned y = 0; y < SIZE; y++) {
        for (unsigned x = 0; x < SIZE; x++) {
            const uint8_t *pair = pairs[2 * (y >= SIZE / 2) + (x >= SIZE / 2)];
            const unsigned along[] = {x / width, y / width, (x + y) / width, x / width + y / width};
            set(canvas, x, y, pure_colour(pair[along[kind] % 2]));
        }
    }
}

/* Letters as far as a network sees them: strokes of one or two pixels in cells of 5 x 8. */
static void draw_text(struct canvas *canvas, uint32_t paper, uint32_t ink)
{
    for (unsigned i = 0; i < SIZE * SIZE; i++)
        set(canvas, i % SIZE, i / SIZE, paper);
    for (unsigned y = 2; y + 8 < SIZE; y += 10) {
        for (unsigned x = 2; x + 6 < SIZE; x += 6) {
            for (unsigned strokes = 2 + random_below(canvas, 3); strokes > 0; strokes--) {
                const unsigned kind = random_below(canvas, 4), at = random_below(canvas, 5);
                const unsigned thick = 1 + random_below(canvas, 4) / 3;
                for (unsigned t = 0; t < 7 * thick; t++) {
                    const unsigned along = t % 7, across = t / 7;
                    const unsigned px[] = {at % 4 + across, along * 5 / 7, along * 5 / 7,
                                           4 - along * 5 / 7};
                    const unsigned py[] = {along, at * 3 / 2 + across, along, along};
                    set(canvas, x + px[kind], y + py[kind], ink);
                }
            }
        }
    }
}

void cli_synthetic_picture(unsigned index, uint8_t *rgb)
{
    struct canvas canvas = {rgb, 0x9e3779b9u + index};
    memset(rgb, 0, SIZE * SIZE * 3);
    switch (index) {
    case 0:
        draw_noise(&canvas, 1, any_colour);
        break;
    case 1:
        draw_noise(&canvas, 1, any_gray);
        break;
    case 2:
        draw_noise(&canvas, 1, black_or_white);
        break;
    case 3:
        draw_noise(&canvas, 1, any_pure_colour);
        break;
    case 4:
        draw_noise(&canvas, 2, black_or_white);
        break;
    case 5:
        draw_noise(&canvas, 3, any_pure_colour);
        break;
    case 6:
        draw_noise(&canvas, 12, any_pure_colour);
        break;
    case 7:
        draw_noise(&canvas, 24, any_colour);
        break;
    case 8:
        draw_text(&canvas, 0xffffff, 0x000000);
        break;
    case 9:
        draw_text(&canvas, 0x000000, 0xffffff);
        break;
    case 10:
        draw_text(&canvas, 0xffff00, 0x0000ff);
        break;
    case 11:
        draw_pattern(&canvas, 1, 3);
        break;
    default:
        draw_pattern(&canvas, index == 12 ? 2 : index - 11, index % 4);
    }
}
