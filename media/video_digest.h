/* SPDX-License-Identifier: MIT
 *
 * SHA-256 of files and of decoded frames, as text.
 */
#ifndef MEDIA_VIDEO_DIGEST_H
#define MEDIA_VIDEO_DIGEST_H

#include <libavutil/frame.h>

#include "media/job.h"

enum { MEDIA_DIGEST_BYTES = 65 }; /* 64 hexadecimal digits and a zero */

/* "" when out of memory. */
void media_digest_of_bytes(const void *bytes, size_t size_bytes, char digest[MEDIA_DIGEST_BYTES]);

/* Of the visible samples of every plane, and nothing else of the frame. "" when out of memory. */
void media_digest_of_frame(const AVFrame *frame, char digest[MEDIA_DIGEST_BYTES]);

/* Of the whole file, or, if `ends_bytes` is not 0, of so many bytes at its beginning and at its
 * end. MEDIA_ERROR_INPUT, _MEMORY. */
enum media_status media_digest_of_file(const char *path, size_t ends_bytes,
                                       char digest[MEDIA_DIGEST_BYTES], struct media_error *error);

/* MEDIA_ERROR_INPUT. */
enum media_status media_digest_size_of_file(const char *path, uint64_t *size_bytes,
                                            struct media_error *error);

#endif
