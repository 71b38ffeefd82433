/* SPDX-License-Identifier: MIT */
#include "cli/kind.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/image.h"
#include "media/kind.h"

const char *cli_kind_name(enum cli_kind kind)
{
    switch (kind) {
    case CLI_KIND_PICTURE:
    case CLI_KIND_UNREADABLE:
        return "picture";
    case CLI_KIND_VIDEO:
        return "video";
    case CLI_KIND_UNKNOWN:
        break;
    }
    return "unknown";
}

enum cli_kind cli_kind_of_head(const unsigned char *head, size_t size)
{
    if (media_image_recognise(head, size))
        return CLI_KIND_PICTURE;
    switch (media_kind_of_head(head, size)) {
    case MEDIA_KIND_PICTURE:
    case MEDIA_KIND_ANIMATION:
        return CLI_KIND_UNREADABLE;
    case MEDIA_KIND_VIDEO:
        return CLI_KIND_VIDEO;
    case MEDIA_KIND_UNKNOWN:
        break;
    }
    return CLI_KIND_UNKNOWN;
}

/* ------------------------------------------------------------------------------------ files -- */

static enum media_status kind_of_descriptor(int descriptor, off_t offset, enum cli_kind *kind,
                                            struct media_error *error)
{
    unsigned char head[MEDIA_KIND_HEAD_BYTES];
    ssize_t size = pread(descriptor, head, sizeof head, offset);
    if (size < 0)
        return media_fail(error, MEDIA_ERROR_INPUT, "cannot be read: %s", strerror(errno));
    if (size == 0)
        return media_fail(error, MEDIA_ERROR_INPUT, "the file is empty");
    *kind = cli_kind_of_head(head, (size_t)size);
    return MEDIA_OK;
}

static enum media_status kind_of_open_file(int descriptor, enum cli_kind *kind,
                                           struct media_error *error)
{
    struct stat about;
    if (fstat(descriptor, &about) != 0)
        return media_fail(error, MEDIA_ERROR_INPUT, "cannot be examined: %s", strerror(errno));
    if (S_ISDIR(about.st_mode))
        return media_fail(error, MEDIA_ERROR_INPUT,
                          "this is a folder; add -r to take the files in it");
    if (!S_ISREG(about.st_mode))
        return media_fail(
            error, MEDIA_ERROR_INPUT,
            "this is not a regular file; for a pipe or a device give '-' and redirect it");
    return kind_of_descriptor(descriptor, 0, kind, error);
}

enum media_status cli_kind_of_file(const char *path, enum cli_kind *kind, struct media_error *error)
{
    /* Not to wait for a writer where the name is that of a FIFO. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return media_fail(error, MEDIA_ERROR_INPUT, "cannot be opened: %s", strerror(errno));
    enum media_status status = kind_of_open_file(descriptor, kind, error);
    close(descriptor);
    return status;
}

/* --------------------------------------------------------------------------- standard input -- */

#ifdef __linux__
/* Copies what waits in the pipe, at least as much as the signatures need where the writer sends it
 * within a second. Returns the number of bytes: 0 at the end, -1 on failure. */
static ssize_t peek_pipe(int input, int scratch[2], unsigned char *head)
{
    enum { ENOUGH_BYTES = 1024, STEP_MS = 20, STEPS = 50 };
    ssize_t size = 0;
    bool closed = false;
    for (int step = 0; step < STEPS && size < ENOUGH_BYTES; step++) {
        ssize_t copied = tee(input, scratch[1], MEDIA_KIND_HEAD_BYTES, 0);
        if (copied <= 0)
            return copied;
        size = read(scratch[0], head, (size_t)copied);
        if (size < 0 || closed)
            break;
        /* Once more after the writer has gone: it may have written between the copy and the look.
         */
        struct pollfd writer = {.fd = input, .events = 0};
        closed = size < ENOUGH_BYTES && poll(&writer, 1, STEP_MS) > 0;
    }
    return size;
}

static enum media_status kind_of_pipe(int input, enum cli_kind *kind, struct media_error *error)
{
    int scratch[2];
    if (pipe2(scratch, O_CLOEXEC) != 0)
        return MEDIA_OK; /* unknown: the names decide */
    unsigned char head[MEDIA_KIND_HEAD_BYTES];
    ssize_t size = peek_pipe(input, scratch, head);
    close(scratch[0]);
    close(scratch[1]);
    if (size == 0)
        return media_fail(error, MEDIA_ERROR_INPUT, "nothing came through the pipe");
    if (size > 0)
        *kind = cli_kind_of_head(head, (size_t)size);
    return MEDIA_OK;
}
#else
static enum media_status kind_of_pipe(int input, enum cli_kind *kind, struct media_error *error)
{
    (void)input, (void)kind, (void)error;
    return MEDIA_OK;
}
#endif

enum media_status cli_kind_of_stdin(enum cli_kind *kind, struct media_error *error)
{
    *kind = CLI_KIND_UNKNOWN;
    struct stat about;
    if (fstat(STDIN_FILENO, &about) != 0)
        return media_fail(error, MEDIA_ERROR_INPUT, "closed: %s", strerror(errno));
    if (S_ISREG(about.st_mode)) {
        off_t here = lseek(STDIN_FILENO, 0, SEEK_CUR);
        return kind_of_descriptor(STDIN_FILENO, here < 0 ? 0 : here, kind, error);
    }
    if (S_ISDIR(about.st_mode))
        return media_fail(error, MEDIA_ERROR_INPUT, "this is a folder; redirect a file or a pipe");
    if (S_ISFIFO(about.st_mode))
        return kind_of_pipe(STDIN_FILENO, kind, error);
    if (isatty(STDIN_FILENO))
        return media_fail(error, MEDIA_ERROR_INPUT,
                          "this is a terminal; redirect a file or a pipe");
    return MEDIA_OK;
}
