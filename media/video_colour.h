/* SPDX-License-Identifier: MIT
 *
 * How a video's samples become RGB for the network and back: matrix, range and the place of the
 * chroma samples are taken from the frames, used in both directions, and described for the output.
 */
#ifndef MEDIA_VIDEO_COLOUR_H
#define MEDIA_VIDEO_COLOUR_H

#include <libavutil/frame.h>
#include <libswscale/swscale.h>

#include "media/job.h"

/* One kind of samples. `matrix` and `full_range` are what is used, never "unspecified". */
struct media_samples {
    enum AVPixelFormat format; /* never one of the yuvj formats: full_range says it */
    int width_px, height_px;
    enum AVColorSpace matrix;
    bool full_range;
    enum AVChromaLocation chroma_location; /* may be unspecified: left, as in H.264 */
};

/* The colour description for the output's encoder; unspecified where the input's was, unless a
 * player would then guess differently for the larger picture. */
struct media_colour_tags {
    enum AVColorSpace matrix;
    enum AVColorRange range;
    enum AVColorPrimaries primaries;
    enum AVColorTransferCharacteristic transfer;
    enum AVChromaLocation chroma_location;
};

/* The matrix that players take for an untagged YUV picture of this size. */
enum AVColorSpace media_colour_guess_matrix(int width_px, int height_px);

/* Replaces the deprecated yuvj formats by their plain ones. */
enum AVPixelFormat media_colour_plain_format(enum AVPixelFormat format);

bool media_colour_is_rgb(enum AVPixelFormat format);

/* Describes a decoded frame. MEDIA_ERROR_UNSUPPORTED for a matrix that is not an ordinary one
 * (ICtCp, BT.2020 constant luminance, ...) and for formats libswscale cannot read. */
enum media_status media_colour_describe(const AVFrame *frame, struct media_samples *samples,
                                        struct media_error *error);

/* Tags for an output of `width_px` x `height_px` in `format` made from such a frame. */
struct media_colour_tags media_colour_tags_for(const AVFrame *frame,
                                               const struct media_samples *samples,
                                               enum AVPixelFormat format, int width_px,
                                               int height_px);

/* The RGB format for the network that loses nothing of `format`; alpha only if `keep_alpha`. */
enum AVPixelFormat media_colour_network_format(enum AVPixelFormat format, bool keep_alpha);
pipersr_format media_colour_engine_format(enum AVPixelFormat network_format);

/* A conversion between frames of one size; one side RGB. */
struct media_colour_conversion {
    struct SwsContext *context;
    struct media_samples from, to;
};

/* Prepares a conversion, again if it was prepared for other samples. MEDIA_ERROR_MEMORY,
 * _UNSUPPORTED. */
enum media_status media_colour_prepare(struct media_colour_conversion *conversion,
                                       const struct media_samples *from,
                                       const struct media_samples *to, struct media_error *error);

enum media_status media_colour_convert(struct media_colour_conversion *conversion,
                                       const AVFrame *from, AVFrame *to, struct media_error *error);

/* Harmless on a zeroed one. */
void media_colour_free(struct media_colour_conversion *conversion);

#endif
