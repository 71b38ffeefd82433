/* SPDX-License-Identifier: MIT
 *
 * Videos through FFmpeg's libraries: every packet that is not the picture goes straight through,
 * the picture through decode | network | encode on bounded queues.
 */
#ifndef MEDIA_VIDEO_H
#define MEDIA_VIDEO_H

#include "media/job.h"

/* For files of strangers. */
struct media_video_limits {
    const char *const *demuxers; /* FFmpeg's names, the last followed by NULL; NULL: any */
    uint32_t max_duration_s;     /* as the header tells it; 0: any */
};

/* AUTO: frames that are flagged as interlaced; YES: all; NO: none. */
enum media_deinterlace { MEDIA_DEINTERLACE_AUTO = 0, MEDIA_DEINTERLACE_YES, MEDIA_DEINTERLACE_NO };

/* What is refused unless it is allowed: descriptions of each picture that no encoder here writes;
 * HDR colours in a format that cannot say what they are; more than 8 bits where 8 are taken. */
enum media_loss {
    MEDIA_LOSS_DOLBY_VISION = 1,
    MEDIA_LOSS_HDR10PLUS = 2,
    MEDIA_LOSS_HDR_VIVID = 4,
    MEDIA_LOSS_HDR = 8,
    MEDIA_LOSS_DEPTH = 16
};

struct media_video_options {
    /* "h264", "hevc", "av1", "vp9", "ffv1", "prores", an encoder's own name, or "copy-settings":
     * the input's codec, profile, B-frames and distance of keyframes. NULL: "h264", and one of 10
     * bits for inputs with more than 8, or what the container takes. */
    const char *codec;
    int crf;            /* quality of the encoder, -1: default (18 for H.264) */
    const char *preset; /* encoder preset, NULL: default ("medium") */
    const char
        *pix_fmt; /* FFmpeg's name; NULL: the nearest to the input's that the encoder takes */
    const char
        *encoder_opts; /* "key=value:key=value..." in FFmpeg's words, NULL: none; they rule */
    const char
        *container; /* muxer name, NULL: from the target's extension; "yuv4mpegpipe" for y4m */
    /* The output is numbered pictures of this format: "png", "jpg", ..., as
     * media_video_sequence_format() gives it. NULL: one file. Codec, crf and preset are not taken
     * then, but the two below. */
    const char *sequence;
    int quality;   /* 1..100 of JPEG and WebP; 0: default (92, 90) */
    bool lossless; /* WebP without loss */
    /* Of an input that is numbered pictures. */
    uint32_t framerate_num, framerate_den; /* frames per second; 0: 25 */
    bool has_start_number;
    uint64_t start_number; /* of the first picture; else the lowest. Of the output's first one too,
                              where it is numbered pictures made from a video; else 1 */
    bool strip;            /* drop global and stream metadata (never timestamps or colour) */
    unsigned encoder_threads; /* 0: default */
    enum media_deinterlace deinterlace;
    /* The part to upscale, counted from the file's beginning; the output begins at 0. */
    int64_t start_us;       /* 0: from the beginning */
    int64_t end_us;         /* 0: to the end */
    int64_t duration_us;    /* in place of the end; 0: not given */
    int64_t max_frame_px;   /* larger frames of the input are refused; 0: 2^26, twice 8K */
    uint32_t max_height_px; /* of the output as it is shown; 0: no limit */
    unsigned allow_lossy;   /* set of enum media_loss */
    bool strict;            /* damaged input is an error */
    bool no_reuse;          /* compute every frame whole, even what is as it was before */

    /* A job from a file to a file may be cut into segments that are kept in a folder of its own, so
     * that what is done outlasts a crash (docs/video.md, "Segments"). A field above that the result
     * depends on has its row in video_options_json.c. */
    const char *parts_folder; /* where they are kept; NULL: the job is not cut */
    uint64_t segment_frames; /* length of a segment; 0: by the picture's size, if the job is long */
    bool
        resume; /* cut it however short it is, and continue what the folder holds of the same job */
    bool restart; /* discard what the folder holds of another job or, without `resume`, of this one;
                     otherwise either is refused */
    const char
        *model; /* by which the caller finds the network again: kept with the job; NULL: none */
    const struct media_video_limits *limits; /* NULL: none */
};

/* What the job did, for the summary line and for --json. */
struct media_video_result {
    uint64_t frames_in, frames_out;
    uint32_t width_px, height_px; /* of the output */
    /* Pixels of all frames before the first pass; those whose output came from a frame before. */
    uint64_t input_px, reused_px;
    /* Damage that was got over: packets that could not be used, frames with faults in them, and by
     * how much the file falls short of what its header promises. */
    uint64_t damaged_packets, damaged_frames;
    double missing_s;
    unsigned streams_copied;  /* audio, subtitles, ... */
    unsigned streams_dropped; /* each was named through job->on_note */
    uint64_t first_number;    /* of the output's first picture, if it is a sequence */
    uint64_t frames_kept;     /* after a failure: in parts_folder, where `resume` finds them */
};

/* One line with the versions of FFmpeg's libraries. Malloc'd. */
char *media_video_describe(void);

/* Can this target name (or muxer name) be written here? */
bool media_video_can_write(const char *path_or_muxer);

/* The picture format in which a sequence of this name, a pattern, would be written: its extension,
 * or `format` if that is not NULL. NULL if it is none of those that are written. Constant. */
const char *media_video_sequence_format(const char *pattern, const char *format);

/* Is what the folder holds a job whose output has got its name, `target_path`, or what is left of
 * such a folder's removal? Then the folder is removed: the process was ended between the two. */
bool media_video_parts_settle(const char *parts_folder, const char *target_path);

/* Removes what is kept of a job, once its output has its name. Harmless if there is nothing. */
void media_video_parts_remove(const char *parts_folder);

/* Upscales the video at `input_path` ("-": standard input) into `output_path` ("-": standard
 * output; otherwise a temporary file as made by media_output_begin(), or with options->sequence
 * a folder as made by media_output_begin_sequence()). An input name that media_sequence_is_input()
 * takes is numbered pictures, unless options->limits are set. `target_path` is the name
 * to take the container from (NULL for stdout: y4m unless options->container says otherwise). After
 * success the parts folder, if there was one, is still there: remove it when the output has its
 * name. */
enum media_status media_video_upscale(const struct media_job *job, const char *input_path,
                                      const char *output_path, const char *target_path,
                                      const struct media_video_options *options,
                                      struct media_video_result *result, struct media_error *error);

/* What a stage took for all frames: by the clock, and of the CPUs together. */
struct media_stage_time {
    double seconds, cpu_seconds;
};

/* A video's way, stage by stage, for the same frames. */
struct media_video_timing {
    uint64_t frames;
    uint32_t width_px, height_px;                    /* of the output */
    double reused_share;                             /* of the input's pixels, in the pipeline */
    struct media_stage_time decode, network, encode; /* each stage alone */
    struct media_stage_time pipeline;                /* all of them at once */
};

/* Runs up to `max_frames` (at least 1) frames of a video through each stage alone, then through the
 * pipeline. What is encoded goes nowhere. Each stage's frames are held in memory until the next
 * has run. options->container and ->strip are not looked at. */
enum media_status media_video_measure(const struct media_job *job, const char *input_path,
                                      const struct media_video_options *options,
                                      uint64_t max_frames, struct media_video_timing *timing,
                                      struct media_error *error);

#endif
