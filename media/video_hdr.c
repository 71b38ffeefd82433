/* SPDX-License-Identifier: MIT */
#include "media/video_hdr.h"

#include <stdio.h>
#include <string.h>

#include "media/video_compat.h"

void media_hdr_describe(const AVStream *stream, const AVFrame *first_frame, struct media_hdr *hdr)
{
    *hdr = (struct media_hdr){0};
    size_t size_bytes = 0;
    const void *data = NULL;
    const AVFrameSideData *of_frame =
        av_frame_get_side_data(first_frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
    if (of_frame != NULL) {
        data = of_frame->data;
        size_bytes = of_frame->size;
    } else {
        data = media_stream_side_data(stream, AV_PKT_DATA_MASTERING_DISPLAY_METADATA, &size_bytes);
    }
    if (data != NULL && size_bytes >= sizeof hdr->display) {
        memcpy(&hdr->display, data, sizeof hdr->display);
        hdr->has_display = hdr->display.has_primaries && hdr->display.has_luminance;
    }
    of_frame = av_frame_get_side_data(first_frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
    if (of_frame != NULL) {
        data = of_frame->data;
        size_bytes = of_frame->size;
    } else {
        data = media_stream_side_data(stream, AV_PKT_DATA_CONTENT_LIGHT_LEVEL, &size_bytes);
    }
    if (data != NULL && size_bytes >= sizeof hdr->light) {
        memcpy(&hdr->light, data, sizeof hdr->light);
        hdr->has_light = true;
    }
}

/* "G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)", each number in units of 1/scale. */
static void describe_display(const AVMasteringDisplayMetadata *display, double chroma_scale,
                             double luma_scale, int decimals, char *text, size_t size_bytes)
{
    static const char *const names[] = {"R", "G", "B"};
    static const int order[] = {1, 2, 0};
    size_t length = 0;
    for (size_t i = 0; i < 3 && length < size_bytes; i++) {
        const AVRational *xy = display->display_primaries[order[i]];
        length += (size_t)snprintf(text + length, size_bytes - length, "%s(%.*f,%.*f)",
                                   names[order[i]], decimals, av_q2d(xy[0]) * chroma_scale,
                                   decimals, av_q2d(xy[1]) * chroma_scale);
    }
    if (length < size_bytes) {
        snprintf(text + length, size_bytes - length, "WP(%.*f,%.*f)L(%.*f,%.*f)", decimals,
                 av_q2d(display->white_point[0]) * chroma_scale, decimals,
                 av_q2d(display->white_point[1]) * chroma_scale, decimals,
                 av_q2d(display->max_luminance) * luma_scale, decimals,
                 av_q2d(display->min_luminance) * luma_scale);
    }
}

int media_hdr_set_params(const AVCodec *codec, const struct media_hdr *hdr,
                         AVDictionary **dictionary)
{
    /* x264 and x265 count in the units of the SEI message, SVT-AV1 in plain numbers. */
    static const struct {
        const char *encoder, *option, *display, *light;
        double chroma_scale, luma_scale;
        int decimals;
    } encoders[] = {
        {"libx264", "x264-params", "mastering-display", "cll", 50000, 10000, 0},
        {"libx265", "x265-params", "hdr10=1:master-display", "max-cll", 50000, 10000, 0},
        {"libsvtav1", "svtav1-params", "mastering-display", "content-light", 1, 1, 5},
    };
    for (size_t i = 0; i < sizeof encoders / sizeof encoders[0]; i++) {
        if (strcmp(codec->name, encoders[i].encoder) != 0) {
            continue;
        }
        const char *option = encoders[i].option;
        char display[200], line[320];
        int status = 0;
        if (hdr->has_display) {
            describe_display(&hdr->display, encoders[i].chroma_scale, encoders[i].luma_scale,
                             encoders[i].decimals, display, sizeof display);
            snprintf(line, sizeof line, "%s%s=%s",
                     av_dict_get(*dictionary, option, NULL, 0) != NULL ? ":" : "",
                     encoders[i].display, display);
            status = av_dict_set(dictionary, option, line, AV_DICT_APPEND);
        }
        if (status >= 0 && hdr->has_light) {
            snprintf(line, sizeof line, "%s%s=%u,%u",
                     av_dict_get(*dictionary, option, NULL, 0) != NULL ? ":" : "",
                     encoders[i].light, hdr->light.MaxCLL, hdr->light.MaxFALL);
            status = av_dict_set(dictionary, option, line, AV_DICT_APPEND);
        }
        return status;
    }
    return 0;
}
