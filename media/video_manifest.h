/* SPDX-License-Identifier: MIT
 *
 * What a job in segments is: everything that its result depends on, and for planned jobs where each
 * segment begins. Kept as manifest.json, with a SHA-256 of itself.
 */
#ifndef MEDIA_VIDEO_MANIFEST_H
#define MEDIA_VIDEO_MANIFEST_H

#include "media/video.h"
#include "media/video_digest.h"
#include "media/video_parts.h"

struct json_t;

struct media_manifest {
    struct json_t *job; /* NULL: none */
    char sha256[MEDIA_DIGEST_BYTES];
};

/* How a decoded frame is known again. */
struct media_frame_mark {
    int64_t pts; /* in the time base of the input's stream */
    char sha256[MEDIA_DIGEST_BYTES];
};

/* Describes the job, and runs the network on a small picture to tell it from others. `muxer_name`
 * is FFmpeg's. MEDIA_ERROR_INPUT where the input cannot be read. Free it in any case. */
enum media_status media_manifest_make(struct media_manifest *manifest, const struct media_job *job,
                                      const char *input_path, const char *target_path,
                                      const char *muxer_name,
                                      const struct media_video_options *options,
                                      uint64_t segment_frames, struct media_error *error);

void media_manifest_free(struct media_manifest *manifest);

/* To and from the folder. A folder without one gives MEDIA_OK and job NULL; a damaged one
 * MEDIA_ERROR_INPUT. */
enum media_status media_manifest_write(struct media_manifest *manifest,
                                       const struct media_parts *parts, struct media_error *error);
enum media_status media_manifest_read(struct media_manifest *manifest,
                                      const struct media_parts *parts, struct media_error *error);

/* Is it the same job? If not, `difference` says in words what has changed. */
bool media_manifest_same(const struct media_manifest *kept, const struct media_manifest *now,
                         char *difference, size_t size_bytes);

/* Is the input what it was? MEDIA_ERROR_INPUT with a message if not. */
enum media_status media_manifest_check_input(const struct media_manifest *manifest,
                                             struct media_error *error);

/* Is the network the same, as far as its numbers tell? MEDIA_ERROR_UNSUPPORTED if not. */
enum media_status media_manifest_check_network(const struct media_manifest *manifest,
                                               const struct media_job *job,
                                               struct media_error *error);

uint64_t media_manifest_segment_frames(const struct media_manifest *manifest);

/* NULL where the text is not known. They live as long as the manifest. */
const char *media_manifest_input_path(const struct media_manifest *manifest);
const char *media_manifest_target_path(const struct media_manifest *manifest);
const char *media_manifest_model(const struct media_manifest *manifest);
const char *media_manifest_precision(const struct media_manifest *manifest);
unsigned media_manifest_scale(const struct media_manifest *manifest);

/* The options of the job; their texts live as long as the manifest. */
void media_manifest_options(const struct media_manifest *manifest,
                            struct media_video_options *options);

/* ------------------------------------------------------------------------------ planned jobs -- */

/* What one decoding of the whole input has shown. */
struct media_survey {
    uint64_t frames;
    uint64_t damaged, faulty, retimed, interlaced; /* as in media_segment_entry */
    struct media_frame_mark *starts;               /* the first frames of all segments */
    uint64_t n_starts;
};

/* Copies it. False when out of memory. */
bool media_manifest_set_plan(struct media_manifest *manifest, const struct media_survey *survey);

/* Without `starts`; all zero if the job is not planned. */
void media_manifest_plan(const struct media_manifest *manifest, struct media_survey *survey);

/* 0: the job is not planned. */
uint64_t media_manifest_planned_segments(const struct media_manifest *manifest);

/* Do times or pictures of the planned input depend on all frames before? */
bool media_manifest_must_be_linear(const struct media_manifest *manifest);

/* False if there is no such segment. */
bool media_manifest_start(const struct media_manifest *manifest, uint64_t segment,
                          struct media_frame_mark *mark);

#endif
