/* SPDX-License-Identifier: MIT
 *
 * Interlaced frames become whole ones: libavfilter's bwdif, one frame out for each frame in, field
 * order from the frames' own flags.
 */
#ifndef MEDIA_VIDEO_DEINTERLACE_H
#define MEDIA_VIDEO_DEINTERLACE_H

#include <libavfilter/avfilter.h>
#include <libavformat/avformat.h>

#include "media/video.h"

struct media_deinterlacer {
    enum media_deinterlace mode;
    AVRational time_base; /* of the frames, in and out */
    AVFilterGraph *graph; /* NULL until the first frame that needs it */
    AVFilterContext *source, *sink;
    int width_px, height_px, format; /* that the graph was made for */
    AVFrame *waiting;                /* of another kind, until the graph has given its last frame */
    bool at_end;
    uint64_t n_interlaced; /* frames that were deinterlaced */
    bool top_field_first;  /* of the first of them */
};

/* Does this frame have to go through? Once one did, all do, as the filter looks at neighbours. */
bool media_deinterlacer_wants(const struct media_deinterlacer *deinterlacer, const AVFrame *frame);

/* Takes the frame's references. NULL: there are no more. `stream` tells the field order where, with
 * MEDIA_DEINTERLACE_YES, the frame does not. MEDIA_ERROR_UNSUPPORTED for a size that the filter
 * does not take, _MEMORY, _INTERNAL. */
enum media_status media_deinterlacer_send(struct media_deinterlacer *deinterlacer, AVFrame *frame,
                                          const AVStream *stream, struct media_error *error);

/* *got_frame false: send another one first, or, after NULL was sent, it is the end. */
enum media_status media_deinterlacer_receive(struct media_deinterlacer *deinterlacer,
                                             AVFrame *frame, bool *got_frame,
                                             struct media_error *error);

/* Harmless on a zeroed one. */
void media_deinterlacer_free(struct media_deinterlacer *deinterlacer);

#endif
