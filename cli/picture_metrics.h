/* SPDX-License-Identifier: MIT
 *
 * The customary measures of super-resolution research, and the bicubic enlargement that every
 * result is compared with. All frames are PIPERSR_RGB8; the two of a comparison have one size.
 * Luma is that of MATLAB's rgb2ycbcr (16..235) in floating point, without rounding. `shave_px`
 * pixels along each edge do not count.
 */
#ifndef CLI_PICTURE_METRICS_H
#define CLI_PICTURE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "pipersr.h"

struct cli_picture_metrics {
    double psnr_y;   /* dB, peak 255; infinity for equal pictures */
    double psnr_rgb; /* the same over the three colour channels */
    double ssim_y;   /* 11x11 Gaussian window of sigma 1.5; NAN where the picture is smaller */
};

/* False where memory runs out or nothing is left inside the shaved edges. */
bool cli_picture_compare(const pipersr_frame *picture, const pipersr_frame *original,
                         uint32_t shave_px, struct cli_picture_metrics *metrics);

/* MATLAB's imresize(picture, scale, 'bicubic'): Keys' kernel with a = -0.5, edges mirrored, rounded
 * to 8 bits after the vertical and after the horizontal step. `out` is scale times as wide and high
 * as `in`. False where memory runs out. */
bool cli_picture_enlarge_bicubic(const pipersr_frame *in, uint32_t scale, const pipersr_frame *out);

#endif
