/* SPDX-License-Identifier: MIT
 *
 * What a job's process does with a video: an order's words become the pipeline's options.
 */
#ifndef SERVER_WORKER_VIDEO_H
#define SERVER_WORKER_VIDEO_H

#include <jansson.h>

#include "media/video.h"

/* What a stranger's video may be: a container that names no other files, and as long as the order
 * allows. */
struct media_video_limits server_worker_limits(const json_t *order);

/* Upscales the order's input into `output`, as media_video_upscale() does. A long video is cut into
 * segments, kept in the folder `work`; what an earlier process has begun there is continued. */
enum media_status server_worker_video(const json_t *order, const char *work,
                                      const struct media_job *job, const char *output,
                                      const char *target, struct media_video_result *result,
                                      struct media_error *error);

#endif
