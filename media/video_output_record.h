/* SPDX-License-Identifier: MIT
 *
 * Which file a job in segments is joined into, kept in its folder: to tell, after a process was
 * killed, whether its output has got its name.
 */
#ifndef MEDIA_VIDEO_OUTPUT_RECORD_H
#define MEDIA_VIDEO_OUTPUT_RECORD_H

#include "media/video_parts.h"

/* Records the temporary output of this process. */
enum media_status media_output_record_begin(const struct media_parts *parts,
                                            const char *temporary_path, struct media_error *error);

/* Has the recorded file become the one at `target_path`? */
bool media_output_record_is(const struct media_parts *parts, const char *target_path);

#endif
