/* SPDX-License-Identifier: MIT
 *
 * GStreamer element `pipersrupscale`: video of twice the width and height, for any pipeline.
 *
 *     gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! videoconvert ! pipersrupscale ! \
 *         videoconvert ! x264enc ! mp4mux ! filesink location=out.mp4
 *
 * Properties: model (a built-in model's name or a file), precision, threads; docs/plugins.md.
 */
#include <gst/gst.h>
#include <gst/video/gstvideofilter.h>
#include <gst/video/video.h>
#include <stdbool.h>
#include <string.h>

#include "formats.h"
#include "pipersr.h"

#define PIPERSR_TYPE_UPSCALE (pipersr_upscale_get_type())
G_DECLARE_FINAL_TYPE(PipersrUpscale, pipersr_upscale, PIPERSR, UPSCALE, GstVideoFilter)

struct _PipersrUpscale {
    GstVideoFilter parent;

    /* Properties, which may be changed at any time and count when the element starts. They and what
     * is made of them are under the object's lock. */
    gchar *model_name; /* NULL: the built-in model for videos */
    pipersr_precision precision;
    guint threads;

    pipersr_model *model; /* NULL until it is asked for */
    gint running_scale;   /* of the upscaler, whatever the properties say meanwhile; 0: none yet */

    pipersr_upscaler *upscaler;
    bool is_yuv;
    pipersr_yuv_format yuv;
    pipersr_format interleaved; /* unless is_yuv */
    guint8 *visible;            /* copy of a frame with alpha, whose hidden colours are replaced */
    gsize visible_bytes;
    /* The frame before and what became of it: where nothing changed, it is copied. Both or neither.
     */
    GstBuffer *last_in, *last_out;
};

G_DEFINE_TYPE(PipersrUpscale, pipersr_upscale, GST_TYPE_VIDEO_FILTER)

GST_DEBUG_CATEGORY_STATIC(pipersr_upscale_debug);
#define GST_CAT_DEFAULT pipersr_upscale_debug

enum { PROPERTY_MODEL = 1, PROPERTY_PRECISION, PROPERTY_THREADS };

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(FORMATS_CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(FORMATS_CAPS));

/* ------------------------------------------------------------------------------------- model -- */

static pipersr_status load_model(const gchar *name, pipersr_model **model, pipersr_error *error)
{
    const pipersr_built_in_model *built_in =
        name ? pipersr_model_find_built_in(name) : pipersr_model_built_in_for(PIPERSR_USE_VIDEO);
    if (built_in)
        return pipersr_model_load_memory(built_in->data, built_in->size_bytes, model, error);
    return pipersr_model_load_file(name, model, error);
}

/* Under the object's lock. NULL with a filled `error` if it cannot be loaded. */
static const pipersr_model *get_model(PipersrUpscale *self, pipersr_error *error)
{
    if (!self->model)
        load_model(self->model_name, &self->model, error);
    return self->model;
}

/* It decides about caps, so the model may be needed before anything flows. Without one start()
 * fails; until then any number serves. */
static gint get_scale(PipersrUpscale *self)
{
    pipersr_error error;
    pipersr_model_info info = {.scale = 2};
    GST_OBJECT_LOCK(self);
    if (self->running_scale)
        info.scale = (uint32_t)self->running_scale;
    else if (get_model(self, &error))
        pipersr_model_get_info(self->model, &info);
    GST_OBJECT_UNLOCK(self);
    return (gint)info.scale;
}

static gboolean start(GstBaseTransform *base)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(base);
    pipersr_error error = {""};
    pipersr_options options = pipersr_options_default();
    options.use = PIPERSR_USE_VIDEO;
    GST_OBJECT_LOCK(self);
    const pipersr_model *model = get_model(self, &error);
    options.precision = self->precision;
    options.threads = self->threads;
    if (model && pipersr_upscaler_create(model, &options, &self->upscaler, &error) == PIPERSR_OK) {
        pipersr_model_info info;
        pipersr_model_get_info(model, &info);
        self->running_scale = (gint)info.scale;
    }
    gchar *name = g_strdup(self->model_name ? self->model_name : "the built-in model");
    GST_OBJECT_UNLOCK(self);
    if (!model)
        GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND, ("The model cannot be loaded."),
                          ("%s: %s", name, error.message));
    else if (!self->upscaler)
        GST_ELEMENT_ERROR(self, LIBRARY, INIT, ("The upscaler cannot start."),
                          ("%s", error.message));
    g_free(name);
    return self->upscaler != NULL;
}

static void forget_last(PipersrUpscale *self)
{
    gst_buffer_replace(&self->last_in, NULL);
    gst_buffer_replace(&self->last_out, NULL);
}

static gboolean stop(GstBaseTransform *base)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(base);
    forget_last(self);
    pipersr_upscaler_free(self->upscaler);
    self->upscaler = NULL;
    g_clear_pointer(&self->visible, g_free);
    self->visible_bytes = 0;
    GST_OBJECT_LOCK(self);
    pipersr_model_free(self->model);
    self->model = NULL;
    self->running_scale = 0;
    GST_OBJECT_UNLOCK(self);
    return TRUE;
}

/* -------------------------------------------------------------------------------------- caps -- */

static GstCaps *transform_caps(GstBaseTransform *base, GstPadDirection direction, GstCaps *caps,
                               GstCaps *filter)
{
    GstCaps *result =
        formats_scale_caps(caps, get_scale(PIPERSR_UPSCALE(base)), direction == GST_PAD_SINK);
    if (filter) {
        GstCaps *both = gst_caps_intersect_full(filter, result, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref(result);
        result = both;
    }
    return result;
}

static gboolean set_info(GstVideoFilter *filter, GstCaps *in_caps, GstVideoInfo *in,
                         GstCaps *out_caps, GstVideoInfo *out)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(filter);
    (void)in_caps;
    (void)out_caps;
    (void)out;
    forget_last(self); /* its samples may have meant something else */
    self->is_yuv = !GST_VIDEO_INFO_IS_RGB(in);
    self->interleaved =
        GST_VIDEO_INFO_FORMAT(in) == GST_VIDEO_FORMAT_RGBA ? PIPERSR_RGBA8 : PIPERSR_RGB8;
    if (!self->is_yuv || formats_describe_yuv(in, &self->yuv))
        return TRUE;
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("This video's colour matrix is not handled."),
                      ("convert it before: videoconvert ! video/x-raw,colorimetry=bt709"));
    return FALSE;
}

/* One buffer more, as the last one is kept. A pool of the host that cannot have so many is then
 * replaced by GStreamer's own. */
static gboolean decide_allocation(GstBaseTransform *base, GstQuery *query)
{
    if (gst_query_get_n_allocation_pools(query) > 0) {
        GstBufferPool *pool;
        guint size, min, max;
        gst_query_parse_nth_allocation_pool(query, 0, &pool, &size, &min, &max);
        gst_query_set_nth_allocation_pool(query, 0, pool, size, min + 1, max ? max + 1 : 0);
        gst_clear_object(&pool);
    }
    return GST_BASE_TRANSFORM_CLASS(pipersr_upscale_parent_class)->decide_allocation(base, query);
}

/* ------------------------------------------------------------------------------------ frames -- */

static pipersr_yuv_frame planes_of(GstVideoFrame *frame)
{
    pipersr_yuv_frame planes = {.width_px = (uint32_t)GST_VIDEO_FRAME_WIDTH(frame),
                                .height_px = (uint32_t)GST_VIDEO_FRAME_HEIGHT(frame)};
    for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(frame); i++) {
        planes.plane[i] = GST_VIDEO_FRAME_PLANE_DATA(frame, i);
        planes.stride_bytes[i] = GST_VIDEO_FRAME_PLANE_STRIDE(frame, i);
    }
    return planes;
}

static pipersr_frame view_of(GstVideoFrame *frame, pipersr_format format)
{
    return (pipersr_frame){.data = GST_VIDEO_FRAME_PLANE_DATA(frame, 0),
                           .stride_bytes = GST_VIDEO_FRAME_PLANE_STRIDE(frame, 0),
                           .width_px = (uint32_t)GST_VIDEO_FRAME_WIDTH(frame),
                           .height_px = (uint32_t)GST_VIDEO_FRAME_HEIGHT(frame),
                           .format = format};
}

/* The buffer belongs to others too, so hidden colours are replaced in a copy. */
static pipersr_status bleed(PipersrUpscale *self, pipersr_frame *in)
{
    const gsize row_bytes = (gsize)in->width_px * 4, bytes = row_bytes * in->height_px;
    if (bytes > self->visible_bytes) {
        g_free(self->visible);
        self->visible = g_try_malloc(bytes);
        self->visible_bytes = self->visible ? bytes : 0;
        if (!self->visible)
            return PIPERSR_ERROR_MEMORY;
    }
    for (uint32_t y = 0; y < in->height_px; y++)
        memcpy(self->visible + y * row_bytes,
               (const guint8 *)in->data + (ptrdiff_t)y * in->stride_bytes, row_bytes);
    in->data = self->visible;
    in->stride_bytes = (ptrdiff_t)row_bytes;
    return pipersr_bleed_transparent(in);
}

static pipersr_status upscale_rgba(PipersrUpscale *self, GstVideoFrame *in, GstVideoFrame *out)
{
    pipersr_frame from = view_of(in, self->interleaved);
    const pipersr_frame to = view_of(out, self->interleaved);
    const pipersr_status status = bleed(self, &from);
    return status == PIPERSR_OK ? pipersr_upscale(self->upscaler, &from, &to) : status;
}

/* The frame before, mapped. */
struct last {
    GstVideoFrame in, out;
};

/* False if there is none. */
static bool map_last(PipersrUpscale *self, struct last *last)
{
    GstVideoFilter *filter = GST_VIDEO_FILTER(self);
    if (!self->last_in ||
        !gst_video_frame_map(&last->in, &filter->in_info, self->last_in, GST_MAP_READ))
        return false;
    if (gst_video_frame_map(&last->out, &filter->out_info, self->last_out, GST_MAP_READ))
        return true;
    gst_video_frame_unmap(&last->in);
    return false;
}

/* `last`, here and below: NULL if there is no frame before. */
static pipersr_status upscale_planes(PipersrUpscale *self, GstVideoFrame *in, GstVideoFrame *out,
                                     struct last *last, uint64_t *reused_px)
{
    const pipersr_yuv_frame from = planes_of(in), to = planes_of(out);
    if (!last)
        return pipersr_upscale_next_yuv_frames(self->upscaler, &self->yuv, &from, &to, 1, NULL,
                                               NULL, 0, reused_px);
    const pipersr_yuv_frame last_in = planes_of(&last->in), last_out = planes_of(&last->out);
    return pipersr_upscale_next_yuv_frames(self->upscaler, &self->yuv, &from, &to, 1, &last_in,
                                           &last_out, 1, reused_px);
}

static pipersr_status upscale_rgb(PipersrUpscale *self, GstVideoFrame *in, GstVideoFrame *out,
                                  struct last *last, uint64_t *reused_px)
{
    const pipersr_frame from = view_of(in, self->interleaved);
    const pipersr_frame to = view_of(out, self->interleaved);
    if (!last)
        return pipersr_upscale_next_frames(self->upscaler, &from, &to, 1, NULL, NULL, 0, reused_px);
    const pipersr_frame last_in = view_of(&last->in, self->interleaved);
    const pipersr_frame last_out = view_of(&last->out, self->interleaved);
    return pipersr_upscale_next_frames(self->upscaler, &from, &to, 1, &last_in, &last_out, 1,
                                       reused_px);
}

static pipersr_status upscale_next(PipersrUpscale *self, GstVideoFrame *in, GstVideoFrame *out)
{
    struct last mapped, *last = map_last(self, &mapped) ? &mapped : NULL;
    uint64_t reused_px;
    const pipersr_status status = self->is_yuv ? upscale_planes(self, in, out, last, &reused_px)
                                               : upscale_rgb(self, in, out, last, &reused_px);
    if (last) {
        gst_video_frame_unmap(&last->in);
        gst_video_frame_unmap(&last->out);
    }
    if (status != PIPERSR_OK)
        return status;
    gst_buffer_replace(&self->last_in, in->buffer);
    gst_buffer_replace(&self->last_out, out->buffer);
    GST_LOG_OBJECT(self, "%" G_GUINT64_FORMAT " pixels reused", reused_px);
    return PIPERSR_OK;
}

static GstFlowReturn transform_frame(GstVideoFilter *filter, GstVideoFrame *in, GstVideoFrame *out)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(filter);
    const bool has_alpha = !self->is_yuv && self->interleaved == PIPERSR_RGBA8;
    const pipersr_status status =
        has_alpha ? upscale_rgba(self, in, out) : upscale_next(self, in, out);
    if (status == PIPERSR_OK)
        return GST_FLOW_OK;
    GST_ELEMENT_ERROR(
        self, STREAM, FAILED, ("A frame could not be upscaled."),
        ("%s: %s", pipersr_status_name(status), pipersr_upscaler_message(self->upscaler)));
    return GST_FLOW_ERROR;
}

/* -------------------------------------------------------------------------------- properties -- */

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(object);
    GST_OBJECT_LOCK(self);
    switch (id) {
    case PROPERTY_MODEL:
        g_free(self->model_name);
        self->model_name = g_value_dup_string(value);
        pipersr_model_free(self->model);
        self->model = NULL;
        break;
    case PROPERTY_PRECISION: {
        const gchar *name = g_value_get_string(value);
        if (!name || pipersr_precision_parse(name, &self->precision) != PIPERSR_OK)
            g_warning("pipersrupscale: precision is auto, fp32, bf16 or int8, not '%s'",
                      name ? name : "");
        break;
    }
    case PROPERTY_THREADS:
        self->threads = g_value_get_uint(value);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(object);
    GST_OBJECT_LOCK(self);
    switch (id) {
    case PROPERTY_MODEL:
        g_value_set_string(value, self->model_name);
        break;
    case PROPERTY_PRECISION:
        g_value_set_string(value, pipersr_precision_name(self->precision));
        break;
    case PROPERTY_THREADS:
        g_value_set_uint(value, self->threads);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void finalize(GObject *object)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(object);
    pipersr_upscaler_free(self->upscaler);
    pipersr_model_free(self->model);
    g_free(self->model_name);
    g_free(self->visible);
    forget_last(self);
    G_OBJECT_CLASS(pipersr_upscale_parent_class)->finalize(object);
}

static void install_properties(GObjectClass *object_class)
{
    /* A change takes effect when the element starts. */
    const GParamFlags flags =
        (GParamFlags)(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
    g_object_class_install_property(
        object_class, PROPERTY_MODEL,
        g_param_spec_string("model", "Model",
                            "Name of a built-in model, or a model file; none: the one for videos",
                            NULL, flags));
    g_object_class_install_property(
        object_class, PROPERTY_PRECISION,
        g_param_spec_string("precision", "Precision", "auto, fp32, bf16 or int8", "auto", flags));
    g_object_class_install_property(
        object_class, PROPERTY_THREADS,
        g_param_spec_uint("threads", "Threads", "Worker threads; 0: all CPUs", 0, 1024, 0, flags));
}

static void pipersr_upscale_class_init(PipersrUpscaleClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);
    GstElementClass *element_class = GST_ELEMENT_CLASS(class);
    GstBaseTransformClass *base_class = GST_BASE_TRANSFORM_CLASS(class);
    GstVideoFilterClass *filter_class = GST_VIDEO_FILTER_CLASS(class);
    object_class->set_property = set_property;
    object_class->get_property = get_property;
    object_class->finalize = finalize;
    install_properties(object_class);
    gst_element_class_set_static_metadata(
        element_class, "PiperSR upscaler", "Filter/Effect/Video/Scaler",
        "Video of twice the width and height by a small neural network, on the CPU", "PiperSR");
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    base_class->start = start;
    base_class->stop = stop;
    base_class->transform_caps = transform_caps;
    base_class->decide_allocation = decide_allocation;
    filter_class->set_info = set_info;
    filter_class->transform_frame = transform_frame;
}

static void pipersr_upscale_init(PipersrUpscale *self)
{
    self->precision = PIPERSR_PRECISION_AUTO;
}

static gboolean plugin_init(GstPlugin *plugin)
{
    GST_DEBUG_CATEGORY_INIT(pipersr_upscale_debug, "pipersrupscale", 0, "PiperSR upscaler");
    return gst_element_register(plugin, "pipersrupscale", GST_RANK_NONE, PIPERSR_TYPE_UPSCALE);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, pipersr,
                  "Super-resolution by a small neural network", plugin_init, PACKAGE_VERSION,
                  "MIT/X11", "pipersr", "PiperSR")
