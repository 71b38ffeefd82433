/* SPDX-License-Identifier: MIT */
#include "media/video_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libavutil/sha.h>

enum { SHA_BITS = 256, SHA_BYTES = SHA_BITS / 8, CHUNK_BYTES = 1 << 18 };

static struct AVSHA *begin(void)
{
    struct AVSHA *sha = av_sha_alloc();
    if (sha != NULL) {
        av_sha_init(sha, SHA_BITS);
    }
    return sha;
}

static void finish(struct AVSHA *sha, char digest[MEDIA_DIGEST_BYTES])
{
    uint8_t bytes[SHA_BYTES];
    digest[0] = '\0';
    if (sha == NULL) {
        return;
    }
    av_sha_final(sha, bytes);
    for (int i = 0; i < SHA_BYTES; i++) {
        snprintf(digest + 2 * (ptrdiff_t)i, 3, "%02x", bytes[i]);
    }
    av_free(sha);
}

void media_digest_of_bytes(const void *bytes, size_t size_bytes, char digest[MEDIA_DIGEST_BYTES])
{
    struct AVSHA *sha = begin();
    if (sha != NULL) {
        av_sha_update(sha, bytes, size_bytes);
    }
    finish(sha, digest);
}

void media_digest_of_frame(const AVFrame *frame, char digest[MEDIA_DIGEST_BYTES])
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
    struct AVSHA *sha = format != NULL ? begin() : NULL;
    int n_planes = av_pix_fmt_count_planes(frame->format);
    for (int plane = 0; sha != NULL && plane < n_planes; plane++) {
        int row_bytes = av_image_get_linesize(frame->format, frame->width, plane);
        bool is_chroma = plane == 1 || plane == 2;
        int rows = is_chroma ? AV_CEIL_RSHIFT(frame->height, format->log2_chroma_h) : frame->height;
        for (int y = 0; row_bytes > 0 && y < rows; y++) {
            av_sha_update(sha, frame->data[plane] + (ptrdiff_t)y * frame->linesize[plane],
                          (size_t)row_bytes);
        }
    }
    finish(sha, digest);
}

/* Up to `size` bytes from the file's position; false after a failed read, with errno. */
static bool add(struct AVSHA *sha, int fd, uint8_t *chunk, uint64_t size)
{
    while (size > 0) {
        ssize_t n_read = read(fd, chunk, size < CHUNK_BYTES ? (size_t)size : CHUNK_BYTES);
        if (n_read == 0) {
            return true;
        }
        if (n_read > 0) {
            av_sha_update(sha, chunk, (size_t)n_read);
            size -= (uint64_t)n_read;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static bool add_file(struct AVSHA *sha, int fd, uint8_t *chunk, size_t ends_bytes)
{
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return false;
    }
    if (ends_bytes == 0) {
        return add(sha, fd, chunk, UINT64_MAX);
    }
    if (!add(sha, fd, chunk, ends_bytes)) {
        return false;
    }
    off_t tail = about.st_size > (off_t)ends_bytes ? about.st_size - (off_t)ends_bytes : 0;
    return lseek(fd, tail, SEEK_SET) >= 0 && add(sha, fd, chunk, ends_bytes);
}

enum media_status media_digest_of_file(const char *path, size_t ends_bytes,
                                       char digest[MEDIA_DIGEST_BYTES], struct media_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return media_fail(error, MEDIA_ERROR_INPUT, "cannot open %s: %s", path, strerror(errno));
    }
    uint8_t *chunk = malloc(CHUNK_BYTES);
    struct AVSHA *sha = chunk != NULL ? begin() : NULL;
    enum media_status status =
        sha != NULL ? MEDIA_OK : media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    if (status == MEDIA_OK && !add_file(sha, fd, chunk, ends_bytes)) {
        status = media_fail(error, MEDIA_ERROR_INPUT, "cannot read %s: %s", path, strerror(errno));
    }
    finish(sha, digest);
    free(chunk);
    close(fd);
    return status;
}

enum media_status media_digest_size_of_file(const char *path, uint64_t *size_bytes,
                                            struct media_error *error)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        return media_fail(error, MEDIA_ERROR_INPUT, "cannot open %s: %s", path, strerror(errno));
    }
    *size_bytes = (uint64_t)about.st_size;
    return MEDIA_OK;
}
