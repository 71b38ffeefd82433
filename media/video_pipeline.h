/* SPDX-License-Identifier: MIT
 *
 * One video on its way, and the three threads that share it: demux and decode | network | encode
 * and mux. Where the formats of both ends allow it (media_video_plan.planar), the library converts
 * colours inside the network. Else libswscale converts to RGB in the first stage and back in the
 * third, so that the network's worker threads never wait for it.
 */
#ifndef MEDIA_VIDEO_PIPELINE_H
#define MEDIA_VIDEO_PIPELINE_H

#include <pthread.h>

#include "media/queue.h"
#include "media/video.h"
#include "media/video_colour.h"
#include "media/video_encoder.h"
#include "media/video_frames.h"
#include "media/video_input.h"
#include "media/video_output.h"
#include "media/video_plan.h"

/* Packets of other streams that come before the first picture: the output's header, which needs
 * that picture, must be written before them. */
struct media_early_packets {
    AVPacket **packets;
    size_t count, capacity, total_bytes;
};

/* Most frames in flight in the network. */
enum { MEDIA_MAX_AT_ONCE = 64 };

/* The last frames that a pass of the network took, the latest first, and what it made of them:
 * references that keep the pixels, of which the first n are in use. */
struct media_last_frames {
    AVFrame *in[PIPERSR_MAX_BEFORE], *out[PIPERSR_MAX_BEFORE];
    uint32_t n;
};

struct media_pipeline {
    const struct media_job *job;
    const struct media_video_options *options;
    struct media_video_result *result;
    struct media_video_input input;
    struct media_video_plan plan;
    struct media_video_encoder encoder;
    struct media_video_output output;
    AVFrame *first_frame;
    uint64_t expected_frames; /* 0: unknown */
    int64_t first_pts;
    const char *output_path; /* where the file is written, "-" for standard output */
    uint64_t n_captioned;    /* frames with closed captions that went to the encoder */
    bool lost_rhythm;        /* frames were not at equal distances, and the output cannot say so */
    struct media_early_packets early;
    struct media_colour_conversion to_rgb, from_rgb;
    struct media_colour_conversion
        to_planes;                    /* from RGB, for frames unlike a planar video's first */
    struct media_frame_shells shells; /* of all pools and of references to decoded frames */
    struct media_frame_pool unturned; /* RGB of the input's size */
    struct media_frame_pool frames[MEDIA_MAX_PASSES + 1]; /* before and after each pass */
    struct media_frame_pool encodable;                    /* unless `frames` are */
    struct media_queue *to_network, *to_encoder;          /* of AVFrame */
    struct media_last_frames last[MEDIA_MAX_PASSES];      /* the network stage's */
    size_t at_once;      /* frames that the network takes together, if they are there */
    size_t queue_frames; /* that each queue holds */
    /* Set before prepare(): 0 or how many frames to stop after. */
    uint64_t max_frames;
    bool holds_all; /* set before prepare(): each queue holds max_frames frames */

    atomic_bool stop;      /* a stage has failed: the others need not wait for a slow pipe */
    pthread_mutex_t mutex; /* of everything below */
    pthread_cond_t changed;
    bool locks_made;
    int n_running;
    enum media_status status; /* the first failure */
    struct media_error error;
};

/* Opens input and output and everything between, up to the output's header. Free the pipeline in
 * any case. */
enum media_status media_pipeline_prepare(struct media_pipeline *pipeline, const char *input_path,
                                         const char *output_path, const char *target_path,
                                         struct media_error *error);

/* The middle part of it, for a pipeline that has its input and its first frame: the plan, queues,
 * pools and the encoder. No output is opened. */
enum media_status media_pipeline_prepare_stages(struct media_pipeline *pipeline,
                                                const AVOutputFormat *muxer,
                                                struct media_error *error);

/* After the stages have ended: compares the numbers of frames, ends the output, and tells what was
 * lost. */
enum media_status media_pipeline_complete(struct media_pipeline *pipeline,
                                          struct media_error *error);

void media_pipeline_free(struct media_pipeline *pipeline);

/* Only the frames, of a pipeline that is not going to run. */
void media_pipeline_free_pools(struct media_pipeline *pipeline);
void media_pipeline_free_early(struct media_early_packets *early);

/* One stage each, to the end of the video or to the first failure. The queues tell the neighbours
 * of the end; of a failure the caller must. */
enum media_status media_stage_decode(struct media_pipeline *pipeline, struct media_error *error);
enum media_status media_stage_network(struct media_pipeline *pipeline, struct media_error *error);
enum media_status media_stage_encode(struct media_pipeline *pipeline, struct media_error *error);

/* All three at once, each in a thread of its own, until the last has ended. */
enum media_status media_pipeline_run(struct media_pipeline *pipeline, struct media_error *error);

#endif
