/* SPDX-License-Identifier: MIT
 *
 * Planar YUV frames that the library enlarges as they are, without a conversion to RGB before it.
 */
#ifndef MEDIA_VIDEO_PLANAR_H
#define MEDIA_VIDEO_PLANAR_H

#include "media/video_colour.h"

/* The library's word for such samples; false where it has none: another matrix, packed or
 * semi-planar samples, alpha, the other byte order, chroma on the lower row. Chroma of unspecified
 * place is taken to lie left, as in H.264 and as media_colour_prepare() takes it. */
bool media_planar_describe(const struct media_samples *samples, pipersr_yuv_format *format);

bool media_planar_same(const pipersr_yuv_format *a, const pipersr_yuv_format *b);

/* The planes of a frame of such samples; they stay the frame's. */
pipersr_yuv_frame media_planar_view(const AVFrame *frame);

#endif
