/* SPDX-License-Identifier: MIT
 *
 * Photos and animated pictures through libvips.
 */
#ifndef MEDIA_IMAGE_H
#define MEDIA_IMAGE_H

#include "media/job.h"

struct media_image_options {
    bool strip;    /* drop ICC profile, EXIF, XMP and the like */
    int quality;   /* 1..100 for lossy formats; 0: default (JPEG 92, WebP 90, AVIF/HEIC 80) */
    bool lossless; /* WebP, AVIF, HEIC, JPEG XL: lossless */
    const char
        *format; /* "png", "jpg", ...; NULL: from the target's extension. Needed for stdout */
    uint64_t max_pixels; /* refuse larger inputs (all pages together); 0: the default, 2^32 */
};

/* Once per process, before any other function here, from the main thread; `threads` limits
 * libvips' own workers (the engine has its own). */
enum media_status media_image_init(const char *program_path, unsigned threads,
                                   struct media_error *error);
void media_image_shutdown(void);

/* One line with libvips' version and the formats that it reads and writes here. Malloc'd. */
char *media_image_describe(void);

/* Is the data at the start of a file (at least 64 bytes if it has them) a picture that libvips can
 * read here? Decides photo or video by content, not by name. */
bool media_image_recognise(const void *head, size_t size);

/* Can this target name (or format) be written here? */
bool media_image_can_write(const char *path_or_format);

/* Upscales the picture at `input_path` ("-": standard input) into `output_path` ("-": standard
 * output; otherwise a temporary file as made by media_output_begin()).
 * Streams: memory grows with the width of the picture, not its height, where the formats allow it.
 * `target_path` is the name to take the format from (NULL for stdout). */
enum media_status media_image_upscale(const struct media_job *job, const char *input_path,
                                      const char *output_path, const char *target_path,
                                      const struct media_image_options *options,
                                      struct media_error *error);

struct media_image_size {
    uint32_t width_px, height_px; /* of one page, upright */
    uint32_t pages;               /* frames of an animation, pages of a document; else 1 */
};

/* The size of the picture at `path`, from its header. */
enum media_status media_image_measure(const char *path, struct media_image_size *size,
                                      struct media_error *error);

/* Reads a whole picture as 8-bit RGB (orientation applied, alpha dropped), for measurements.
 * frame->data is malloc'd, rows without padding; the caller frees it. */
enum media_status media_image_load_rgb8(const char *path, pipersr_frame *frame,
                                        struct media_error *error);

#endif
