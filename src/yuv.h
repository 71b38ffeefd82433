/* SPDX-License-Identifier: MIT
 *
 * Rows of planar YUV <-> rows of floats.
 *
 * What is written to a chroma sample is filtered out of the pixels around it, so writing keeps the
 * chroma of the last three output rows in a ring. Each sample depends on pixels of the picture
 * only, not on where a strip's borders are. Beyond the picture its edge repeats.
 */
#ifndef PSR_YUV_H
#define PSR_YUV_H

#include <stddef.h>
#include <stdint.h>

#include "src/yuv_format.h"

/* Floats of scratch for reading `px` pixels of a row. */
size_t psr_yuv_read_floats(size_t px);

/* Pixels from .. to-1 of row y of a picture, as R, G, B, 0 (PSR_RGB_FLOATS), 0..1 and clamped.
 * Chroma is interpolated by Keys' bicubic, first down the columns, then along the row. */
void psr_yuv_read_row(const struct psr_yuv *yuv, const struct psr_rows planes[PSR_PLANES],
                      uint32_t width, uint32_t height, int64_t y, int64_t from, int64_t to,
                      float *scratch, float *rgb);

/* Floats of scratch for writing from rows of `px` output pixels, surround counted. */
size_t psr_yuv_write_floats(size_t px);

/* A part of the output, in output pixels: what is to be written, and what of each row is known,
 * psr_yuv_surround_px() more on the left at least, where the picture has them. x0 and y0 are even,
 * x1 and y1 too unless they are the picture's. */
struct psr_yuv_part {
    int64_t x0, x1, y0, y1;
    int64_t known_from, known_to;
    int64_t height; /* of the whole output */
};

/* R, G and B rows of the next output row, to be filled in: [known_to - known_from] each. */
struct psr_yuv_colours {
    float *red, *green, *blue;
};
struct psr_yuv_colours psr_yuv_colours(float *scratch, size_t px);

/* Writes what row y of the output completes, from the colours (which are lost; any range, NaN
 * counts as 0): its luma, and the row of chroma samples that it is the last one of. Rows come in
 * order, psr_yuv_surround_rows() more above; of these nothing is written. `px` is that of
 * psr_yuv_write_floats(). Chroma between two pixels is their mean, that on a pixel its half and a
 * quarter of each neighbour. */
void psr_yuv_write_row(const struct psr_yuv *yuv, const struct psr_rows planes[PSR_PLANES],
                       const struct psr_yuv_part *part, int64_t y, float *scratch, size_t px);

#endif
