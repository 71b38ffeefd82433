/* SPDX-License-Identifier: MIT */
#include "media/video_encoder_settings.h"

#include <libavutil/common.h>
#include <libavutil/mathematics.h>

#include "media/video_compat.h"

static const char *codec_name(enum AVCodecID id)
{
    switch (id) {
    case AV_CODEC_ID_H264:
        return "h264";
    case AV_CODEC_ID_HEVC:
        return "hevc";
    case AV_CODEC_ID_AV1:
        return "av1";
    case AV_CODEC_ID_VP9:
        return "vp9";
    case AV_CODEC_ID_FFV1:
        return "ffv1";
    case AV_CODEC_ID_PRORES:
        return "prores";
    default:
        return NULL;
    }
}

/* Only where the pixel format does not say it: H.264's lower profiles, and ProRes' sizes. */
static const char *profile_name(const AVCodecParameters *parameters)
{
    static const char *const prores[] = {"proxy", "lt", "standard", "hq", "4444", "4444xq"};
    const int profile = parameters->profile;
    if (parameters->codec_id == AV_CODEC_ID_PRORES) {
        return profile >= 0 && profile < (int)(sizeof prores / sizeof prores[0]) ? prores[profile]
                                                                                 : NULL;
    }
    if (parameters->codec_id != AV_CODEC_ID_H264) {
        return NULL;
    }
    switch (profile) {
    case FF_PROFILE_H264_BASELINE:
    case FF_PROFILE_H264_CONSTRAINED_BASELINE:
        return "baseline";
    case FF_PROFILE_H264_MAIN:
        return "main";
    case FF_PROFILE_H264_HIGH:
        return "high";
    default:
        return NULL;
    }
}

/* From the demuxer's index, which some containers have whole, some in part and some not at all. */
static int keyframe_distance(const struct media_video_input *input)
{
    AVStream *stream = input->stream;
    int64_t last = AV_NOPTS_VALUE, longest = 0;
    const int n_entries = avformat_index_get_entries_count(stream);
    for (int i = 0; i < n_entries; i++) {
        const AVIndexEntry *entry = avformat_index_get_entry(stream, i);
        if ((entry->flags & AVINDEX_KEYFRAME) == 0) {
            continue;
        }
        if (last != AV_NOPTS_VALUE && av_sat_sub64(entry->timestamp, last) > longest) {
            longest = av_sat_sub64(entry->timestamp, last);
        }
        last = entry->timestamp;
    }
    const AVRational rate = stream->avg_frame_rate;
    if (longest <= 0 || rate.num <= 0 || rate.den <= 0) {
        return 0;
    }
    const int64_t frames = av_rescale_q(longest, stream->time_base, av_inv_q(rate));
    return frames > 0 && frames < 100000 ? (int)frames : 0;
}

enum media_status media_encoder_settings_of(const struct media_video_input *input,
                                            struct media_encoder_settings *settings,
                                            struct media_error *error)
{
    const AVCodecParameters *parameters = input->stream->codecpar;
    *settings = (struct media_encoder_settings){.codec = codec_name(parameters->codec_id)};
    if (settings->codec == NULL) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "--codec copy-settings: %s is not written here; choose h264, hevc, av1, "
                          "vp9, ffv1 or prores",
                          avcodec_get_name(parameters->codec_id));
    }
    settings->profile = profile_name(parameters);
    settings->keyframe_distance = keyframe_distance(input);
    settings->no_b_frames = input->decoder->has_b_frames == 0;
    return MEDIA_OK;
}
