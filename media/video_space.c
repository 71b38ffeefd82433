/* SPDX-License-Identifier: MIT */
#include "media/video_space.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>

/* Bits for a pixel at CRF 23: at the low end of what films come to. */
static const double bits_per_px = 0.03;
enum { REFERENCE_CRF = 23, DEFAULT_CRF = 18, CRF_OF_TWICE_THE_BITS = 6, LOSSLESS_RATIO = 10 };

static void size_text(double bytes, char *text, size_t size_bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    size_t unit = 0;
    bytes /= 1000;
    while (bytes >= 1000 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1000;
        unit++;
    }
    snprintf(text, size_bytes, bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

enum media_status media_space_check_bytes(const char *path, uint64_t needed_bytes,
                                          struct media_error *error)
{
    struct statvfs about;
    if (statvfs(path, &about) != 0) {
        return MEDIA_OK; /* the writing will tell */
    }
    double free_bytes = (double)about.f_bavail * (double)about.f_frsize;
    if (free_bytes >= (double)needed_bytes) {
        return MEDIA_OK;
    }
    char needed[32], available[32];
    size_text((double)needed_bytes, needed, sizeof needed);
    size_text(free_bytes, available, sizeof available);
    return media_fail(error, MEDIA_ERROR_OUTPUT,
                      "not enough space for the output: at least about %s are needed, %s are free; "
                      "free some or choose another folder",
                      needed, available);
}

/* No film has fewer bits for a pixel than an encoder spends, but a still one may: so the input's
 * own number counts if it is smaller. */
static double estimate_compressed(const struct media_pipeline *pipeline, double input_bytes)
{
    const struct media_video_plan *plan = &pipeline->plan;
    double frames = (double)pipeline->expected_frames;
    double source_px = (double)plan->source.width_px * plan->source.height_px;
    double target_px = (double)plan->target.width_px * plan->target.height_px;
    int crf = pipeline->options->crf >= 0 ? pipeline->options->crf : DEFAULT_CRF;
    double by_crf = bits_per_px * exp2((double)(REFERENCE_CRF - crf) / CRF_OF_TWICE_THE_BITS);
    double by_input = input_bytes * 8 / (frames * source_px);
    return frames * target_px * (by_input < by_crf ? by_input : by_crf) / 8;
}

static double estimate_picture(const struct media_pipeline *pipeline, double input_bytes)
{
    const struct media_video_plan *plan = &pipeline->plan;
    const AVCodecDescriptor *codec = avcodec_descriptor_get(pipeline->encoder.codec->id);
    if (codec == NULL || (codec->props & AV_CODEC_PROP_LOSSY) != 0) {
        return estimate_compressed(pipeline, input_bytes);
    }
    int frame_bytes = av_image_get_buffer_size(plan->target.format, plan->target.width_px,
                                               plan->target.height_px, 1);
    return frame_bytes > 0 ? (double)pipeline->expected_frames * frame_bytes / LOSSLESS_RATIO : 0;
}

enum media_status media_space_check(const struct media_pipeline *pipeline, const char *input_path,
                                    const char *path, bool in_segments, uint64_t kept_bytes,
                                    struct media_error *error)
{
    struct stat input;
    if (strcmp(path, "-") == 0 || !media_video_output_is_file(&pipeline->output) ||
        pipeline->expected_frames == 0 || pipeline->plan.counts_frames ||
        stat(input_path, &input) != 0 || !S_ISREG(input.st_mode)) {
        return MEDIA_OK;
    }
    double bytes = estimate_picture(pipeline, (double)input.st_size) * (in_segments ? 2 : 1);
    bytes -= (double)kept_bytes;
    return bytes >= 1 && bytes < 1e18 ? media_space_check_bytes(path, (uint64_t)bytes, error)
                                      : MEDIA_OK;
}
