/* SPDX-License-Identifier: MIT
 *
 * What the element takes, in GStreamer's words and in the library's.
 */
#ifndef PIPERSR_GSTREAMER_FORMATS_H
#define PIPERSR_GSTREAMER_FORMATS_H

#include <gst/video/video.h>
#include <stdbool.h>

#include "pipersr.h"

/* The library's samples of more than 8 bits are in the machine's byte order. */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define FORMATS_ORDER "LE"
#else
#define FORMATS_ORDER "BE"
#endif

#define FORMATS_DEEP(BITS)                                                                         \
    "I420_" BITS FORMATS_ORDER ", I422_" BITS FORMATS_ORDER ", Y444_" BITS FORMATS_ORDER
#define FORMATS_LIST                                                                               \
    "{ I420, Y42B, Y444, " FORMATS_DEEP("10") ", " FORMATS_DEEP(                                   \
        "12") ", GRAY8, GRAY16_" FORMATS_ORDER ", RGB, RGBA }"

/* Fields are woven pictures of two moments, which the network would take for one. */
#define FORMATS_CAPS GST_VIDEO_CAPS_MAKE(FORMATS_LIST) ", interlace-mode = (string) progressive"

/* New caps: those with sides, and ranges of them, `scale` times as large (`enlarge`) or as small;
 * those that leave no whole number are left out. */
GstCaps *formats_scale_caps(const GstCaps *caps, gint scale, bool enlarge);

/* How the planes of this video are meant; false for a matrix that the library lacks. */
bool formats_describe_yuv(const GstVideoInfo *info, pipersr_yuv_format *format);

#endif /* PIPERSR_GSTREAMER_FORMATS_H */
