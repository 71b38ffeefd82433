/* SPDX-License-Identifier: MIT
 *
 * An encoder that video_encoder_choice.h has chosen: frames in, packets out.
 */
#ifndef MEDIA_VIDEO_ENCODER_H
#define MEDIA_VIDEO_ENCODER_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "media/video.h"
#include "media/video_colour.h"
#include "media/video_encoder_settings.h"
#include "media/video_hdr.h"

struct frame_time {
    int64_t pts, duration;
};

struct media_video_encoder {
    const AVCodec *codec;
    enum AVPixelFormat format; /* that the frames must have */
    bool chose_coarser; /* 4:2:0 is the choice for an input that has more, not what it must be */
    struct media_encoder_settings settings; /* zeroed unless the input's are wanted */
    AVCodecContext *context;
    AVPacket *packet;
    /* Durations of the frames inside the encoder: few encoders carry them. */
    struct frame_time *in_flight;
    size_t n_in_flight, max_in_flight;
    uint64_t n_frames, n_packets;
};

struct media_video_picture {
    int width_px, height_px;
    AVRational time_base, frame_rate, sample_aspect_ratio;
    struct media_colour_tags tags;
    struct media_hdr hdr;
};

/* Codec and format are chosen. MEDIA_ERROR_UNSUPPORTED when the encoder refuses an option or the
 * picture. */
enum media_status media_video_encoder_open(struct media_video_encoder *encoder,
                                           const struct media_video_options *options,
                                           const AVOutputFormat *muxer,
                                           const struct media_video_picture *picture,
                                           struct media_error *error);

/* Does this encoder write the closed captions that frames carry? */
bool media_video_encoder_takes_captions(const struct media_video_encoder *encoder);

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
