/* SPDX-License-Identifier: MIT
 *
 * Colour under transparent pixels: what is visible stays, what is hidden gets its neighbours'
 * colour, and bands that overlap by 16 rows give what the whole picture gives.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pipersr.h"

enum { W = 45, H = 90 };

static void make(unsigned char *pixels)
{
    unsigned seed = 99;
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            unsigned char *p = pixels + (y * W + x) * 4;
            const int visible = (x - 20) * (x - 20) + (y - 30) * (y - 30) < 150;
            for (int c = 0; c < 3; c++)
                p[c] = (unsigned char)check_random(&seed);
            p[3] = visible ? (unsigned char)(1 + check_random(&seed) % 255) : 0;
        }
    }
}

static void test_picture(void)
{
    static unsigned char before[W * H * 4], after[W * H * 4], band[W * H * 4];
    make(before);
    memcpy(after, before, sizeof after);
    pipersr_frame frame = {after, W * 4, W, H, PIPERSR_RGBA8};
    CHECK(pipersr_bleed_transparent(&frame) == PIPERSR_OK, "bleed");

    int visible_changed = 0, alpha_changed = 0, filled = 0, far_changed = 0;
    for (int i = 0; i < W * H; i++) {
        const unsigned char *b = before + i * 4, *a = after + i * 4;
        const int x = i % W - 20, y = i / W - 30, changed = memcmp(a, b, 3) != 0;
        alpha_changed += a[3] != b[3];
        visible_changed += b[3] && changed;
        filled += !b[3] && changed;
        /* radius 12.25, and 16 steps of at most sqrt(2) */
        far_changed += changed && x * x + y * y > 36 * 36;
    }
    CHECK(!alpha_changed && !visible_changed && !far_changed && filled > 1000,
          "alpha %d, visible %d, far %d changed; %d filled", alpha_changed, visible_changed,
          far_changed, filled);

    /* Rows 40..59 from a band with 16 more on each side. */
    memcpy(band, before, sizeof band);
    pipersr_frame part = {band + 24 * W * 4, W * 4, W, 52, PIPERSR_RGBA8};
    CHECK(pipersr_bleed_transparent(&part) == PIPERSR_OK, "bleed of a band");
    CHECK(memcmp(band + 40 * W * 4, after + 40 * W * 4, 20 * W * 4) == 0, "a band differs");
}

static void test_constant(void)
{
    /* One colour stays that colour, whatever lies hidden; 16 bits keep all their bits. */
    static uint16_t pixels[20 * 20 * 2];
    for (int i = 0; i < 400; i++) {
        pixels[i * 2] = i % 7 ? 12345 : 54321;
        pixels[i * 2 + 1] = i % 7 ? 65535 : 0;
    }
    pipersr_frame frame = {pixels, 20 * 4, 20, 20, PIPERSR_GRAYA16};
    CHECK(pipersr_bleed_transparent(&frame) == PIPERSR_OK, "bleed");
    int wrong = 0;
    for (int i = 0; i < 400; i++)
        wrong += pixels[i * 2] != 12345;
    CHECK(wrong == 0, "%d samples are not the one colour", wrong);
}

int main(void)
{
    unsigned char rgb[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, same[12];
    memcpy(same, rgb, sizeof same);
    pipersr_frame opaque = {rgb, 6, 2, 2, PIPERSR_RGB8}, bad = {NULL, 6, 2, 2, PIPERSR_RGBA8};
    CHECK(pipersr_bleed_transparent(&opaque) == PIPERSR_OK && !memcmp(rgb, same, 12), "no alpha");
    CHECK(pipersr_bleed_transparent(&bad) == PIPERSR_ERROR_ARGUMENT, "no data");
    CHECK(pipersr_bleed_transparent(NULL) == PIPERSR_ERROR_ARGUMENT, "no frame");
    test_picture();
    test_constant();
    return check_result();
}
