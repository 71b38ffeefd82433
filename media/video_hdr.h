/* SPDX-License-Identifier: MIT
 *
 * The static description of an HDR picture: on which display it was mastered, how bright it gets.
 */
#ifndef MEDIA_VIDEO_HDR_H
#define MEDIA_VIDEO_HDR_H

#include <stdbool.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/mastering_display_metadata.h>

struct media_hdr {
    bool has_display, has_light;
    AVMasteringDisplayMetadata display;
    AVContentLightMetadata light;
};

/* From the first frame, or from the stream where only the container says it. */
void media_hdr_describe(const AVStream *stream, const AVFrame *first_frame, struct media_hdr *hdr);

/* Adds what makes the encoder write it into its own bitstream, where it can; containers get it in
 * any case. 0 or an AVERROR. */
int media_hdr_set_params(const AVCodec *codec, const struct media_hdr *hdr,
                         AVDictionary **dictionary);

#endif
