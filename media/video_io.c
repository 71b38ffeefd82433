/* SPDX-License-Identifier: MIT */
#include "media/video_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>
#include <libavutil/version.h>

enum { BUFFER_BYTES = 1 << 18, POLL_MS = 50 };

/* libavformat 61 made the written bytes const. */
#if LIBAVFORMAT_VERSION_MAJOR >= 61
typedef const uint8_t written_byte;
#else
typedef uint8_t written_byte;
#endif

static int remember(struct media_video_io *io, int error_number)
{
    if (io->error_number == 0) {
        io->error_number = error_number;
    }
    return AVERROR(error_number);
}

static bool is_set(const atomic_bool *flag)
{
    return flag != NULL && atomic_load(flag);
}

/* Waits until the descriptor can be read or written; 0 or an AVERROR. */
static int wait_ready(struct media_video_io *io, short events)
{
    for (;;) {
        if (is_set(io->cancel) || is_set(io->stop)) {
            return AVERROR_EXIT;
        }
        struct pollfd poll_fd = {.fd = io->fd, .events = events};
        int n_ready = poll(&poll_fd, 1, POLL_MS);
        if (n_ready > 0) {
            return 0; /* errors, too, are told by the read or write that follows */
        }
        if (n_ready < 0 && errno != EINTR) {
            return remember(io, errno);
        }
    }
}

static int read_bytes(void *opaque, uint8_t *buffer, int size)
{
    struct media_video_io *io = opaque;
    for (;;) {
        int status = wait_ready(io, POLLIN);
        if (status < 0) {
            return status;
        }
        ssize_t n_read = read(io->fd, buffer, (size_t)size);
        if (n_read > 0) {
            return (int)n_read;
        }
        if (n_read == 0) {
            return AVERROR_EOF;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return remember(io, errno);
        }
    }
}

static int write_bytes(void *opaque, written_byte *buffer, int size)
{
    struct media_video_io *io = opaque;
    int n_done = 0;
    while (n_done < size) {
        int status = wait_ready(io, POLLOUT);
        if (status < 0) {
            return status;
        }
        size_t n_bytes = (size_t)(size - n_done);
        if (!io->regular_file && n_bytes > PIPE_BUF) {
            n_bytes = PIPE_BUF; /* what poll() promises: more could block, deaf to cancellation */
        }
        ssize_t n_written = write(io->fd, buffer + n_done, n_bytes);
        if (n_written >= 0) {
            n_done += (int)n_written;
        } else if (errno != EINTR && errno != EAGAIN) {
            return remember(io, errno);
        }
    }
    return size;
}

static int64_t seek_bytes(void *opaque, int64_t offset, int whence)
{
    struct media_video_io *io = opaque;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE) {
        struct stat facts;
        return fstat(io->fd, &facts) == 0 ? (int64_t)facts.st_size : AVERROR(errno);
    }
    off_t position = lseek(io->fd, (off_t)offset, whence);
    return position >= 0 ? (int64_t)position : AVERROR(errno);
}

/* Takes the descriptor over, also on failure. */
static enum media_status attach_context(struct media_video_io *io, bool writable,
                                        struct media_error *error)
{
    struct stat facts;
    io->regular_file = fstat(io->fd, &facts) == 0 && S_ISREG(facts.st_mode);
    uint8_t *buffer = av_malloc(BUFFER_BYTES);
    if (buffer != NULL) {
        io->context =
            avio_alloc_context(buffer, BUFFER_BYTES, writable, io, writable ? NULL : read_bytes,
                               writable ? write_bytes : NULL, io->regular_file ? seek_bytes : NULL);
    }
    if (io->context == NULL) {
        av_free(buffer);
        media_video_io_close(io);
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    return MEDIA_OK;
}

enum media_status media_video_io_open_input(struct media_video_io *io, const char *path,
                                            const atomic_bool *cancel, struct media_error *error)
{
    *io = (struct media_video_io){.fd = STDIN_FILENO, .cancel = cancel};
    if (strcmp(path, "-") != 0) {
        io->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (io->fd < 0) {
            return media_fail(error, MEDIA_ERROR_INPUT, "cannot open %s: %s", path,
                              strerror(errno));
        }
        io->close_fd = true;
    }
    return attach_context(io, false, error);
}

enum media_status media_video_io_open_output(struct media_video_io *io, const char *path,
                                             const atomic_bool *cancel, struct media_error *error)
{
    *io = (struct media_video_io){.fd = STDOUT_FILENO, .cancel = cancel};
    if (strcmp(path, "-") != 0) {
        io->fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (io->fd < 0) {
            return media_fail(error, MEDIA_ERROR_OUTPUT, "cannot write %s: %s", path,
                              strerror(errno));
        }
        io->close_fd = true;
    }
    return attach_context(io, true, error);
}

int media_video_io_close(struct media_video_io *io)
{
    if (io->context != NULL) {
        if (io->context->write_flag && !io->discard) {
            avio_flush(io->context);
        }
        av_freep(&io->context->buffer);
        avio_context_free(&io->context);
    }
    if (io->close_fd && close(io->fd) != 0) {
        remember(io, errno);
    }
    io->close_fd = false;
    return io->error_number;
}
