/* SPDX-License-Identifier: MIT
 *
 * Is there room on the disk? Asked before the work, so that hours of it are not lost to a full
 * disk.
 */
#ifndef MEDIA_VIDEO_SPACE_H
#define MEDIA_VIDEO_SPACE_H

#include "media/video_pipeline.h"

/* Before a prepared job begins: compares a low estimate of its output with what is free where
 * `path` is (a file or a folder). Segments need it twice, less the `kept_bytes` of them that are
 * there. A job of unknown length and one to a pipe pass. MEDIA_ERROR_OUTPUT with both numbers. */
enum media_status media_space_check(const struct media_pipeline *pipeline, const char *input_path,
                                    const char *path, bool in_segments, uint64_t kept_bytes,
                                    struct media_error *error);

/* Is there room for so many bytes more? MEDIA_ERROR_OUTPUT with both numbers. */
enum media_status media_space_check_bytes(const char *path, uint64_t needed_bytes,
                                          struct media_error *error);

#endif
