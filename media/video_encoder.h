/* SPDX-License-Identifier: MIT
 *
 * Which encoder, which pixel format, with which options; frames in, packets out.
 */
#ifndef MEDIA_VIDEO_ENCODER_H
#define MEDIA_VIDEO_ENCODER_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "media/video.h"
#include "media/video_colour.h"

struct frame_time {
    int64_t pts, duration;
};

struct media_video_encoder {
    const AVCodec *codec;
    enum AVPixelFormat format; /* that the frames must have */
    AVCodecContext *context;
    AVPacket *packet;
    /* Durations of the frames inside the encoder: few encoders carry them. */
    struct frame_time *in_flight;
    size_t n_in_flight, max_in_flight;
    uint64_t n_frames, n_packets;
};

/* Is this muxer one that the program writes videos with? */
bool media_video_encoder_fits(const AVOutputFormat *muxer);

/* Picks codec and format. `source` is the input's plain pixel format. MEDIA_ERROR_UNSUPPORTED for
 * an unknown or missing encoder and for one that the muxer cannot hold. */
enum media_status media_video_encoder_choose(struct media_video_encoder *encoder,
                                             const struct media_video_options *options,
                                             const AVOutputFormat *muxer, enum AVPixelFormat source,
                                             struct media_error *error);

struct media_video_picture {
    int width_px, height_px;
    AVRational time_base, frame_rate, sample_aspect_ratio;
    struct media_colour_tags tags;
};

/* After choose(). MEDIA_ERROR_UNSUPPORTED when the encoder refuses an option or the picture. */
enum media_status media_video_encoder_open(struct media_video_encoder *encoder,
                                           const struct media_video_options *options,
                                           const AVOutputFormat *muxer,
                                           const struct media_video_picture *picture,
                                           struct media_error *error);

/* Takes a packet in the encoder's time base, duration set; owns its reference afterwards. */
typedef enum media_status media_encoded_sink(void *opaque, AVPacket *packet,
                                             struct media_error *error);

/* Encodes a frame, or drains the encoder if `frame` is NULL; the packets that come out go to
 * `sink`. When drained, checks that as many packets have come out as frames went in. */
enum media_status media_video_encoder_send(struct media_video_encoder *encoder,
                                           const AVFrame *frame, media_encoded_sink *sink,
                                           void *opaque, struct media_error *error);

/* Harmless on a zeroed one. */
void media_video_encoder_close(struct media_video_encoder *encoder);

#endif
