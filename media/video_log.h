/* SPDX-License-Identifier: MIT
 *
 * FFmpeg's libraries report causes only through their process-wide log. It is caught here: nothing
 * is printed, and the last error line is kept for our own one-line messages.
 */
#ifndef MEDIA_VIDEO_LOG_H
#define MEDIA_VIDEO_LOG_H

#include <stddef.h>

/* Takes the log over, once per process, and forgets the last lines. Any thread. */
void media_video_log_begin(void);

/* Copies ": <last error line>" to `text`, or "" if there was none. The log is shared by all jobs
 * of a process: with several at once, the line may stem from another one. */
void media_video_log_last(char *text, size_t size_bytes);

/* The same of the last warning, which is no reason to fail by itself. */
void media_video_log_last_warning(char *text, size_t size_bytes);

#endif
