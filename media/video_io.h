/* SPDX-License-Identifier: MIT
 *
 * Bytes of a video: a file or a pipe as an AVIOContext of our own. So names are never taken for
 * URLs, a blocked pipe can be cancelled, and the operating system's error is kept even where a
 * muxer loses it.
 */
#ifndef MEDIA_VIDEO_IO_H
#define MEDIA_VIDEO_IO_H

#include <libavformat/avio.h>

#include "media/job.h"

struct media_video_io {
    AVIOContext *context; /* NULL when closed */
    int fd;
    bool close_fd;
    bool regular_file;         /* seekable */
    bool discard;              /* do not write what is still buffered */
    int error_number;          /* errno of the first failed read or write, 0 if none */
    const atomic_bool *cancel; /* NULL: none; so is the next */
    const atomic_bool *stop;   /* set by the owner when there is no use in going on */
};

/* Opens `path` for reading, "-" for standard input. MEDIA_ERROR_INPUT, _MEMORY. */
enum media_status media_video_io_open_input(struct media_video_io *io, const char *path,
                                            const atomic_bool *cancel, struct media_error *error);

/* Opens an existing file for writing and empties it, "-" for standard output. MEDIA_ERROR_OUTPUT,
 * _MEMORY. */
enum media_status media_video_io_open_output(struct media_video_io *io, const char *path,
                                             const atomic_bool *cancel, struct media_error *error);

/* Writes out what is buffered and closes; harmless when closed or zeroed. Returns 0 or the errno
 * of the first operation that failed since the opening. */
int media_video_io_close(struct media_video_io *io);

#endif
