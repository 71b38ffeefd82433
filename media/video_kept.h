/* SPDX-License-Identifier: MIT
 *
 * What a finished file holds of what was given to its muxer: muxers leave out without a word what
 * their container has no place for.
 */
#ifndef MEDIA_VIDEO_KEPT_H
#define MEDIA_VIDEO_KEPT_H

#include <libavformat/avformat.h>

#include "media/job.h"

/* Opens the finished file at `path` and names in one note to the job the tags, marks, chapters and
 * descriptions of the picture that `wanted`, the muxer's context, has and the file lacks. A file
 * that cannot be read back (a pipe, a device) is let be. */
void media_video_note_lost(const struct media_job *job, const AVFormatContext *wanted,
                           const char *path);

#endif
