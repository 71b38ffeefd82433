/* SPDX-License-Identifier: MIT
 *
 * One video of `pipersr upscale`, and the folder in which a long one keeps its segments.
 */
#ifndef CLI_UPSCALE_VIDEO_H
#define CLI_UPSCALE_VIDEO_H

#include "cli/report.h"
#include "cli/upscale_options.h"

/* `model` is as cli_engine_model_name() gives it, and freed; `target` and `parts_folder` are NULL
 * for standard output. `pictures` is the format where the output is numbered ones, else NULL. */
enum media_status cli_upscale_video(const struct media_job *job,
                                    const struct cli_upscale_options *options, char *model,
                                    const char *input_path, const char *output_path,
                                    const char *target, const char *parts_folder,
                                    const char *pictures, struct cli_report_result *result,
                                    struct media_error *error);

/* Nothing is to be done about an output that exists? With --skip-existing, or with --resume: an
 * output appears whole, so nothing is left to be resumed, unless it is older than the segments
 * beside it. Takes away the folder of a job that was ended after its last step. `parts_folder` may
 * be NULL. */
bool cli_upscale_video_is_done(const struct cli_upscale_options *options, const char *target,
                               const char *parts_folder);

#endif
