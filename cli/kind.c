/* SPDX-License-Identifier: MIT */
#include "cli/kind.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/image.h"

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

/* ------------------------------------------------------------------------------- signatures -- */

static bool has(const unsigned char *head, size_t size, size_t offset, const char *bytes,
                size_t length)
{
    return size >= offset + length && memcmp(head + offset, bytes, length) == 0;
}

#define HAS(offset, literal) has(head, size, offset, literal, sizeof literal - 1)

/* HEIF's brands: the same file structure as MP4, but a picture. */
static bool is_heif(const unsigned char *head, size_t size)
{
    static const char brands[][5] = {"avif", "avis", "heic", "heix", "hevc",
                                     "heim", "heis", "mif1", "msf1", "jxl "};
    if (!HAS(4, "ftyp"))
        return false;
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
        if (has(head, size, 8, brands[i], 4))
            return true;
    return false;
}

static bool is_other_picture(const unsigned char *head, size_t size)
{
    return is_heif(head, size) || HAS(0, "\x00\x00\x00\x0cJXL ") || HAS(0, "\xff\x0a") ||
           HAS(0, "\x00\x00\x00\x0cjP  ") || HAS(0, "\xff\x4f\xff\x51") || HAS(0, "8BPS") ||
           HAS(0, "v/1\x01") || HAS(0, "BM") || HAS(0, "\x89PNG\r\n\x1a\n") ||
           HAS(0, "\xff\xd8\xff") || HAS(0, "GIF8") || HAS(0, "II*\x00") || HAS(0, "MM\x00*") ||
           (HAS(0, "RIFF") && HAS(8, "WEBP"));
}

/* Top-level atoms with which QuickTime and MP4 files begin. */
static bool is_quicktime(const unsigned char *head, size_t size)
{
    return HAS(4, "ftyp") || HAS(4, "moov") || HAS(4, "mdat") || HAS(4, "free") || HAS(4, "wide") ||
           HAS(4, "skip") || HAS(4, "pnot");
}

/* Packets of a transport stream begin with 0x47, every 188 bytes, or 192 with a time code. */
static bool is_transport_stream(const unsigned char *head, size_t size)
{
    for (size_t start = 0; start <= 4; start += 4) {
        size_t step = 188 + start, packets = 0;
        while (start + packets * step < size && head[start + packets * step] == 0x47)
            packets++;
        if (packets >= 5 && start + packets * step >= size)
            return true;
    }
    return false;
}

/* H.264 and HEVC without a container begin with a delimiter or a parameter set. */
static bool is_elementary_stream(const unsigned char *head, size_t size)
{
    size_t start = HAS(0, "\x00\x00\x00\x01") ? 4 : 3;
    return (start == 4 || HAS(0, "\x00\x00\x01")) &&
           (HAS(start, "\x09") || HAS(start, "\x67") || HAS(start, "\x27") ||
            HAS(start, "\x46\x01") || HAS(start, "\x40\x01"));
}

static bool is_video(const unsigned char *head, size_t size)
{
    return is_quicktime(head, size) || HAS(0, "\x1a\x45\xdf\xa3") /* Matroska, WebM */ ||
           HAS(0, "YUV4MPEG2") || (HAS(0, "RIFF") && HAS(8, "AVI ")) || HAS(0, "FLV\x01") ||
           HAS(0, "OggS") || HAS(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11") /* WMV, ASF */ ||
           HAS(0, "\x00\x00\x01\xba") /* MPEG program stream */ || HAS(0, "\x00\x00\x01\xb3") ||
           HAS(0, "nut/multimedia container") || HAS(0, "DKIF") /* IVF */ ||
           HAS(0, "\x06\x0e\x2b\x34") /* MXF */ || is_transport_stream(head, size) ||
           is_elementary_stream(head, size);
}

enum cli_kind cli_kind_of_head(const unsigned char *head, size_t size)
{
    if (media_image_recognise(head, size))
        return CLI_KIND_PICTURE;
    if (is_other_picture(head, size))
        return CLI_KIND_UNREADABLE;
    return is_video(head, size) ? CLI_KIND_VIDEO : CLI_KIND_UNKNOWN;
}

/* ------------------------------------------------------------------------------------ files -- */

static enum media_status kind_of_descriptor(int descriptor, off_t offset, enum cli_kind *kind,
                                            struct media_error *error)
{
    unsigned char head[CLI_HEAD_BYTES];
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
        ssize_t copied = tee(input, scratch[1], CLI_HEAD_BYTES, 0);
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
    unsigned char head[CLI_HEAD_BYTES];
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
