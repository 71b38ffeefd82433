/* SPDX-License-Identifier: MIT */
#include "cli/upscale_video.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/naming.h"

/* The media room knows no options of ours. */
static void tell_kept(uint64_t frames, const char *parts_folder, enum media_status status,
                      struct media_error *error)
{
    char reason[sizeof error->message];
    snprintf(reason, sizeof reason, "%.300s", error->message);
    media_fail(error, status, "%s; %" PRIu64 " frames are kept in '%s', --resume continues", reason,
               frames, parts_folder);
}

enum media_status cli_upscale_video(const struct media_job *job,
                                    const struct cli_upscale_options *options, char *model,
                                    const char *input_path, const char *output_path,
                                    const char *target, const char *parts_folder,
                                    const char *pictures, struct cli_report_result *result,
                                    struct media_error *error)
{
    struct media_video_options video = options->video;
    struct media_video_result made = {0};
    video.container = options->format && !pictures ? cli_format_muxer(options->format) : NULL;
    video.parts_folder = parts_folder;
    video.restart = options->force;
    video.sequence = pictures;
    video.quality = options->image.quality;
    video.lossless = options->image.lossless;
    video.model = model;
    enum media_status status =
        media_video_upscale(job, input_path, output_path, target, &video, &made, error);
    *result = (struct cli_report_result){
        .width_px = made.width_px,
        .height_px = made.height_px,
        .frames = made.frames_out,
        .first_number = made.first_number,
        .input_px = made.input_px,
        .reused_px = made.reused_px,
        .frames_kept = made.frames_kept,
        .damaged_packets = made.damaged_packets,
        .damaged_frames = made.damaged_frames,
        .missing_s = made.missing_s,
    };
    if (made.frames_kept > 0 && status != MEDIA_OK && status != MEDIA_ERROR_CANCELLED)
        tell_kept(made.frames_kept, parts_folder, status, error);
    free(model);
    return status;
}

bool cli_upscale_video_is_done(const struct cli_upscale_options *options, const char *target,
                               const char *parts_folder)
{
    if (options->skip_existing)
        return true;
    if (!options->video.resume || options->force || !parts_folder)
        return false;
    return media_video_parts_settle(parts_folder, target) || access(parts_folder, F_OK) != 0;
}
