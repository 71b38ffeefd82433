/* SPDX-License-Identifier: MIT
 *
 * A YUV format as numbers that conversions are made of, and the checks of planar frames.
 *
 * Sources: the luma coefficients are those of ITU-R BT.601-7 (2.5.1), BT.709-6 (3.2) and BT.2020-2
 * (table 4, non-constant luminance); codes and ranges are those of ITU-T H.273 (8.3, equations for
 * VideoFullRangeFlag 0 and 1).
 */
#ifndef PSR_YUV_FORMAT_H
#define PSR_YUV_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "pipersr.h"
#include "src/frame.h"

/* How chroma samples become twice as many along one axis: sample 2 c + phase is the sum of
 * weight[phase][tap] times sample c + base[phase] - 1 + tap. */
struct psr_yuv_axis {
    float weight[2][4];
    int base[2]; /* -1 or 0 */
};

/* E' of luma is 0..1, of chroma -0.5..0.5; code = E' * step + zero. */
struct psr_yuv {
    bool gray;                 /* no chroma planes */
    uint32_t x_shift, y_shift; /* 1: chroma has half as many samples along this axis */
    bool x_cosited, y_cosited; /* chroma sample c lies on luma sample 2 c; else half a sample on */
    struct psr_yuv_axis x, y;
    uint32_t sample_bytes;
    float luma_step, luma_zero, chroma_step, chroma_zero, highest_code;
    float kr, kg, kb;            /* luma = kr R + kg G + kb B */
    float cb_of_blue, cr_of_red; /* Cb = (B - luma) * cb_of_blue */
    float red_of_cr, green_of_cb, green_of_cr, blue_of_cb;
};

/* ERROR_ARGUMENT for a format that is none. */
pipersr_status psr_yuv_describe(const pipersr_yuv_format *format, struct psr_yuv *yuv,
                                pipersr_error *error);

/* Sizes, planes, strides and alignment of a frame; `which` names it in the message. */
pipersr_status psr_yuv_check_frame(const pipersr_yuv_frame *frame, const struct psr_yuv *yuv,
                                   const char *which, pipersr_error *error);

/* A frame's planes, which have been checked. */
void psr_yuv_planes(const pipersr_yuv_frame *frame, struct psr_rows planes[PSR_PLANES]);

/* Input pixels and rows left of and above a part of the picture whose output its chroma samples
 * still depend on: they are filtered out of the output's neighbours. 0 or 1. The part begins at an
 * even pixel and row, and ends at one or with the picture. */
uint32_t psr_yuv_surround_px(const struct psr_yuv *yuv);
uint32_t psr_yuv_surround_rows(const struct psr_yuv *yuv);

/* Pixels and rows, on each side, whose chroma samples a pixel's colour is interpolated from. */
void psr_yuv_read_surround(const struct psr_yuv *yuv, uint32_t *px, uint32_t *rows);

#endif
