/* SPDX-License-Identifier: MIT */
#include "cli/calibration_view.h"

enum {
    /* Statistics gain more from another picture than from more of the same. */
    MAX_SIDE_PX = 256,
    /* A picture is halved if as much of it is left. */
    MIN_HALVED_PX = 64
};

/* To half the width and height, in place: each pixel the mean of four. Photos as they come from a
 * camera are soft at the scale of their pixels, while the network is trained on pictures that were
 * made smaller, with their detail at that scale; halving makes the one like the other. */
static void halve(pipersr_frame *frame)
{
    const uint32_t width = frame->width_px / 2, height = frame->height_px / 2;
    const size_t stride = (size_t)frame->stride_bytes;
    uint8_t *pixels = frame->data, *to = pixels;
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *upper = pixels + 2 * (size_t)y * stride, *lower = upper + stride;
        for (size_t x = 0; x < width; x++) {
            for (size_t c = 0; c < 3; c++) {
                const size_t left = x * 6 + c, right = left + 3;
                *to++ =
                    (uint8_t)((upper[left] + upper[right] + lower[left] + lower[right] + 2) / 4);
            }
        }
    }
    frame->width_px = width;
    frame->height_px = height;
    frame->stride_bytes = (ptrdiff_t)width * 3;
}

static uint32_t at_most(uint32_t size, uint32_t most)
{
    return size < most ? size : most;
}

void cli_calibration_view(pipersr_frame *frame, bool halved)
{
    if (halved && frame->width_px >= 2 * MIN_HALVED_PX && frame->height_px >= 2 * MIN_HALVED_PX)
        halve(frame);
    const uint32_t width = at_most(frame->width_px, MAX_SIDE_PX);
    const uint32_t height = at_most(frame->height_px, MAX_SIDE_PX);
    const size_t left = (frame->width_px - width) / 2, top = (frame->height_px - height) / 2;
    frame->data = (uint8_t *)frame->data + top * (size_t)frame->stride_bytes + left * 3;
    frame->width_px = width;
    frame->height_px = height;
}
