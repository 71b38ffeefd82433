/* SPDX-License-Identifier: MIT
 *
 * Makes segments, one after the other: each is a pipeline of its own, with an encoder of its own,
 * over one input that stays open.
 */
#ifndef MEDIA_VIDEO_SEGMENT_RUN_H
#define MEDIA_VIDEO_SEGMENT_RUN_H

#include <libavformat/avformat.h>

#include "media/video_input.h"
#include "media/video_segment_entry.h"

struct media_segment_run {
    /* Set by the caller, and outlive the run. */
    const struct media_job *job;
    const struct media_video_options *options;
    const AVOutputFormat *muxer; /* of the output that the segments are for */
    const char *input_path;
    const AVFrame *reference; /* the video's first frame: what is decided once goes by it */
    const struct media_parts *parts;
    const struct media_manifest *manifest;
    uint64_t expected_frames; /* of the video; 0: unknown */
    uint64_t kept_frames;     /* made by earlier runs */

    /* The run's own. */
    struct media_video_input input;
    AVFrame *next;                /* has been read: the first of the segment that follows */
    uint64_t next_number;         /* its number */
    bool is_positioned;           /* `input` is open and `next` there */
    uint64_t input_px, reused_px; /* as in media_video_result, of what this run has made */
};

/* Makes segment `number`, whose first frame is known by `mark` (not looked at for number 0), and
 * leaves it whole and on the disk, with its entry. `linear`: the input must be decoded from its
 * beginning. The caller frees the entry. */
enum media_status media_segment_run_one(struct media_segment_run *run, uint64_t number,
                                        const struct media_frame_mark *mark, bool linear,
                                        struct media_segment_entry *entry,
                                        struct media_error *error);

/* Harmless on one that has not begun. */
void media_segment_run_end(struct media_segment_run *run);

#endif
