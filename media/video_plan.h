/* SPDX-License-Identifier: MIT
 *
 * What is decided once for a video, from its first frame: sizes, formats, colours, orientation.
 */
#ifndef MEDIA_VIDEO_PLAN_H
#define MEDIA_VIDEO_PLAN_H

#include "media/video.h"
#include "media/video_colour.h"
#include "media/video_encoder.h"
#include "media/video_input.h"
#include "media/video_orientation.h"
#include "media/video_planar.h"

struct media_video_plan {
    struct media_samples source; /* of the first frame; later ones may differ in format */
    /* The decoder's frames are what the network reads, and its frames what the encoder reads: both
     * are planar YUV, `planes`. Else there is RGB between them. */
    bool planar;
    pipersr_yuv_format planes;
    enum AVPixelFormat network_format;    /* RGB that loses nothing of the source */
    enum AVPixelFormat frame_format;      /* between the stages: the source's, or network_format */
    struct media_orientation orientation; /* to be applied to the pixels */
    bool shown_transposed;                /* players turn the output by 90 degrees */
    AVRational shape; /* of a pixel after the last step, where it was square before */
    struct media_samples network_input; /* before the orientation is applied */
    struct media_samples network_output;
    struct media_samples target;        /* what the encoder gets */
    struct media_video_picture picture; /* how the encoder is told about it */
    bool deinterlaced;                  /* the first frame was interlaced, which has been said */
    bool counts_frames;                 /* the container has a frame rate in place of timestamps */
    int pass_width_px[MEDIA_MAX_PASSES + 1], pass_height_px[MEDIA_MAX_PASSES + 1]; /* [0]: input */
};

/* Chooses the encoder on the way. Notes tell what cannot be kept. MEDIA_ERROR_UNSUPPORTED. */
enum media_status
media_video_plan_make(struct media_video_plan *plan, const struct media_job *job,
                      const struct media_video_options *options, const AVOutputFormat *muxer,
                      const struct media_video_input *input, const AVFrame *first_frame,
                      struct media_video_encoder *encoder, struct media_error *error);

#endif
