/* SPDX-License-Identifier: MIT */
#include "media/video_deinterlace.h"

#include <stdio.h>

#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>

#include "media/video_compat.h"

enum { MIN_WIDTH_PX = 3, MIN_HEIGHT_PX = 4 }; /* bwdif's own limits */

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

static enum media_status fail_filter(int av_status, struct media_error *error)
{
    if (av_status == AVERROR(ENOMEM)) {
        return fail_memory(error);
    }
    char reason[AV_ERROR_MAX_STRING_SIZE];
    av_make_error_string(reason, sizeof reason, av_status);
    return media_fail(error, MEDIA_ERROR_INTERNAL,
                      "deinterlacing failed: %s; --deinterlace no goes without", reason);
}

bool media_deinterlacer_wants(const struct media_deinterlacer *deinterlacer, const AVFrame *frame)
{
    switch (deinterlacer->mode) {
    case MEDIA_DEINTERLACE_NO:
        return false;
    case MEDIA_DEINTERLACE_YES:
        return true;
    default:
        return deinterlacer->graph != NULL || media_frame_interlaced(frame);
    }
}

static bool fits(const struct media_deinterlacer *deinterlacer, const AVFrame *frame)
{
    return deinterlacer->width_px == frame->width && deinterlacer->height_px == frame->height &&
           deinterlacer->format == frame->format;
}

static enum media_status make_graph(struct media_deinterlacer *deinterlacer, const AVFrame *frame,
                                    struct media_error *error)
{
    if (frame->width < MIN_WIDTH_PX || frame->height < MIN_HEIGHT_PX) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "%dx%d is too small to deinterlace; add --deinterlace no", frame->width,
                          frame->height);
    }
    AVFilterGraph *graph = avfilter_graph_alloc();
    if (graph == NULL) {
        return fail_memory(error);
    }
    deinterlacer->graph = graph;
    deinterlacer->width_px = frame->width;
    deinterlacer->height_px = frame->height;
    deinterlacer->format = frame->format;

    AVBufferSrcParameters *parameters = av_buffersrc_parameters_alloc();
    deinterlacer->source = avfilter_graph_alloc_filter(graph, avfilter_get_by_name("buffer"), "in");
    if (parameters == NULL || deinterlacer->source == NULL) {
        av_free(parameters);
        return fail_memory(error);
    }
    parameters->format = frame->format;
    parameters->width = frame->width;
    parameters->height = frame->height;
    parameters->time_base = deinterlacer->time_base;
    parameters->sample_aspect_ratio = frame->sample_aspect_ratio;
#if LIBAVFILTER_VERSION_INT >= AV_VERSION_INT(9, 16, 100)
    parameters->color_space = frame->colorspace;
    parameters->color_range = frame->color_range;
#endif
    int av_status = av_buffersrc_parameters_set(deinterlacer->source, parameters);
    av_free(parameters);
    if (av_status >= 0) {
        av_status = avfilter_init_str(deinterlacer->source, NULL);
    }
    AVFilterContext *filter = NULL;
    const char *deint = deinterlacer->mode == MEDIA_DEINTERLACE_YES ? "all" : "interlaced";
    char options[64];
    snprintf(options, sizeof options, "mode=send_frame:parity=auto:deint=%s", deint);
    if (av_status >= 0) {
        av_status = avfilter_graph_create_filter(&filter, avfilter_get_by_name("bwdif"), "bwdif",
                                                 options, NULL, graph);
    }
    if (av_status >= 0) {
        av_status = avfilter_graph_create_filter(
            &deinterlacer->sink, avfilter_get_by_name("buffersink"), "out", NULL, NULL, graph);
    }
    if (av_status >= 0) {
        av_status = avfilter_link(deinterlacer->source, 0, filter, 0);
    }
    if (av_status >= 0) {
        av_status = avfilter_link(filter, 0, deinterlacer->sink, 0);
    }
    if (av_status >= 0) {
        av_status = avfilter_graph_config(graph, NULL);
    }
    return av_status >= 0 ? MEDIA_OK : fail_filter(av_status, error);
}

static bool is_bottom_first(enum AVFieldOrder order)
{
    return order == AV_FIELD_BB || order == AV_FIELD_TB;
}

static void count(struct media_deinterlacer *deinterlacer, AVFrame *frame, const AVStream *stream)
{
    if (!media_frame_interlaced(frame)) {
        if (deinterlacer->mode != MEDIA_DEINTERLACE_YES) {
            return;
        }
        media_frame_set_interlaced(frame, !is_bottom_first(stream->codecpar->field_order));
    }
    if (deinterlacer->n_interlaced++ == 0) {
        deinterlacer->top_field_first = media_frame_top_field_first(frame);
    }
}

static enum media_status push(struct media_deinterlacer *deinterlacer, AVFrame *frame,
                              struct media_error *error)
{
    const int av_status = av_buffersrc_add_frame(deinterlacer->source, frame);
    return av_status >= 0 ? MEDIA_OK : fail_filter(av_status, error);
}

enum media_status media_deinterlacer_send(struct media_deinterlacer *deinterlacer, AVFrame *frame,
                                          const AVStream *stream, struct media_error *error)
{
    if (frame == NULL) {
        deinterlacer->at_end = true;
        return deinterlacer->graph != NULL ? push(deinterlacer, NULL, error) : MEDIA_OK;
    }
    count(deinterlacer, frame, stream);
    if (deinterlacer->graph != NULL && !fits(deinterlacer, frame)) {
        deinterlacer->waiting = av_frame_alloc();
        if (deinterlacer->waiting == NULL) {
            return fail_memory(error);
        }
        av_frame_move_ref(deinterlacer->waiting, frame);
        return push(deinterlacer, NULL, error);
    }
    enum media_status status =
        deinterlacer->graph == NULL ? make_graph(deinterlacer, frame, error) : MEDIA_OK;
    return status == MEDIA_OK ? push(deinterlacer, frame, error) : status;
}

/* The graph has ended: another one begins with the frame that waited for that. */
static enum media_status begin_again(struct media_deinterlacer *deinterlacer,
                                     struct media_error *error)
{
    AVFrame *frame = deinterlacer->waiting;
    deinterlacer->waiting = NULL;
    avfilter_graph_free(&deinterlacer->graph);
    enum media_status status = make_graph(deinterlacer, frame, error);
    if (status == MEDIA_OK) {
        status = push(deinterlacer, frame, error);
    }
    if (status == MEDIA_OK && deinterlacer->at_end) {
        status = push(deinterlacer, NULL, error);
    }
    av_frame_free(&frame);
    return status;
}

enum media_status media_deinterlacer_receive(struct media_deinterlacer *deinterlacer,
                                             AVFrame *frame, bool *got_frame,
                                             struct media_error *error)
{
    *got_frame = false;
    while (deinterlacer->graph != NULL) {
        const int av_status = av_buffersink_get_frame(deinterlacer->sink, frame);
        if (av_status >= 0) {
            /* The filter halves the time base, for those who want a frame of each field. */
            frame->pts = av_rescale_q(frame->pts, av_buffersink_get_time_base(deinterlacer->sink),
                                      deinterlacer->time_base);
            *got_frame = true;
            return MEDIA_OK;
        }
        if (av_status == AVERROR(EAGAIN)) {
            return MEDIA_OK;
        }
        if (av_status != AVERROR_EOF) {
            return fail_filter(av_status, error);
        }
        if (deinterlacer->waiting == NULL) {
            return MEDIA_OK;
        }
        enum media_status status = begin_again(deinterlacer, error);
        if (status != MEDIA_OK) {
            return status;
        }
    }
    return MEDIA_OK;
}

void media_deinterlacer_free(struct media_deinterlacer *deinterlacer)
{
    avfilter_graph_free(&deinterlacer->graph);
    av_frame_free(&deinterlacer->waiting);
}
