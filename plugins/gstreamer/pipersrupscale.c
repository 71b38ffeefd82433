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

#include "pipersr.h"

#define PIPERSR_TYPE_UPSCALE (pipersr_upscale_get_type())
G_DECLARE_FINAL_TYPE(PipersrUpscale, pipersr_upscale, PIPERSR, UPSCALE, GstVideoFilter)

struct _PipersrUpscale {
    GstVideoFilter parent;

    /* Properties; under the object's lock, and fixed once the model is loaded. */
    gchar *model_name; /* NULL: the built-in model for videos */
    pipersr_precision precision;
    guint threads;

    pipersr_model *model; /* NULL until it is asked for */
    pipersr_upscaler *upscaler;
    bool is_yuv;
    pipersr_yuv_format yuv;
    pipersr_format interleaved; /* unless is_yuv */
    guint8 *visible;            /* copy of a frame with alpha, whose hidden colours are replaced */
    gsize visible_bytes;
};

G_DEFINE_TYPE(PipersrUpscale, pipersr_upscale, GST_TYPE_VIDEO_FILTER)

GST_DEBUG_CATEGORY_STATIC(pipersr_upscale_debug);
#define GST_CAT_DEFAULT pipersr_upscale_debug

enum { PROPERTY_MODEL = 1, PROPERTY_PRECISION, PROPERTY_THREADS };

/* The library's samples of more than 8 bits are in the machine's byte order. */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define DEEP(NAME) #NAME "LE"
#define GRAY16     "GRAY16_LE"
#else
#define DEEP(NAME) #NAME "BE"
#define GRAY16     "GRAY16_BE"
#endif

#define FORMATS                                                                                    \
    "{ I420, Y42B, Y444, " DEEP(I420_10) ", " DEEP(I422_10) ", " DEEP(Y444_10) ", " DEEP(          \
        I420_12) ", " DEEP(I422_12) ", " DEEP(Y444_12) ", GRAY8, " GRAY16 ", RGB, RGBA }"

/* Fields are woven pictures of two moments, which the network would take for one. */
#define CAPS GST_VIDEO_CAPS_MAKE(FORMATS) ", interlace-mode = (string) progressive"

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));

/* ------------------------------------------------------------------------------------- model -- */

static pipersr_status load_model(const gchar *name, pipersr_model **model, pipersr_error *error)
{
    const pipersr_built_in_model *built_in =
        name ? pipersr_model_find_built_in(name) : pipersr_model_built_in_for(PIPERSR_USE_VIDEO);
    if (built_in)
        return pipersr_model_load_memory(built_in->data, built_in->size_bytes, model, error);
    return pipersr_model_load_file(name, model, error);
}

/* The scale decides about caps, so the model may be needed before anything flows. NULL with a
 * filled `error` if it cannot be loaded. */
static pipersr_model *get_model(PipersrUpscale *self, pipersr_error *error)
{
    GST_OBJECT_LOCK(self);
    if (!self->model)
        load_model(self->model_name, &self->model, error);
    pipersr_model *model = self->model;
    GST_OBJECT_UNLOCK(self);
    return model;
}

/* Without a model start() fails; until then any number serves. */
static gint get_scale(PipersrUpscale *self)
{
    pipersr_error error;
    pipersr_model_info info = {.scale = 2};
    const pipersr_model *model = get_model(self, &error);
    if (model)
        pipersr_model_get_info(model, &info);
    return (gint)info.scale;
}

static gboolean start(GstBaseTransform *base)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(base);
    pipersr_error error = {""};
    const pipersr_model *model = get_model(self, &error);
    if (!model) {
        GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND, ("The model cannot be loaded."),
                          ("%s: %s", self->model_name, error.message));
        return FALSE;
    }
    pipersr_options options = pipersr_options_default();
    options.use = PIPERSR_USE_VIDEO;
    GST_OBJECT_LOCK(self);
    options.precision = self->precision;
    options.threads = self->threads;
    GST_OBJECT_UNLOCK(self);
    if (pipersr_upscaler_create(model, &options, &self->upscaler, &error) != PIPERSR_OK) {
        GST_ELEMENT_ERROR(self, LIBRARY, INIT, ("The upscaler cannot start."),
                          ("%s", error.message));
        return FALSE;
    }
    return TRUE;
}

static gboolean stop(GstBaseTransform *base)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(base);
    pipersr_upscaler_free(self->upscaler);
    self->upscaler = NULL;
    g_clear_pointer(&self->visible, g_free);
    self->visible_bytes = 0;
    GST_OBJECT_LOCK(self);
    pipersr_model_free(self->model);
    self->model = NULL;
    GST_OBJECT_UNLOCK(self);
    return TRUE;
}

/* -------------------------------------------------------------------------------------- caps -- */

/* A side, or a range of them, multiplied or divided; false if no whole number is left. */
static bool scale_side(GstStructure *structure, const gchar *field, gint scale, bool enlarge)
{
    const GValue *value = gst_structure_get_value(structure, field);
    gint low, high;
    if (!value)
        return true;
    if (G_VALUE_HOLDS_INT(value)) {
        low = high = g_value_get_int(value);
    } else if (GST_VALUE_HOLDS_INT_RANGE(value)) {
        low = gst_value_get_int_range_min(value);
        high = gst_value_get_int_range_max(value);
    } else {
        return false;
    }
    if (enlarge) {
        low = low > G_MAXINT / scale ? G_MAXINT : low * scale;
        high = high > G_MAXINT / scale ? G_MAXINT : high * scale;
    } else {
        low = low / scale + (low % scale != 0);
        high /= scale;
    }
    if (low > high)
        return false;
    if (low == high)
        gst_structure_set(structure, field, G_TYPE_INT, low, NULL);
    else
        gst_structure_set(structure, field, GST_TYPE_INT_RANGE, low, high, NULL);
    return true;
}

static GstCaps *transform_caps(GstBaseTransform *base, GstPadDirection direction, GstCaps *caps,
                               GstCaps *filter)
{
    const gint scale = get_scale(PIPERSR_UPSCALE(base));
    const bool enlarge = direction == GST_PAD_SINK;
    GstCaps *result = gst_caps_new_empty();
    for (guint i = 0; i < gst_caps_get_size(caps); i++) {
        GstStructure *structure = gst_structure_copy(gst_caps_get_structure(caps, i));
        if (scale_side(structure, "width", scale, enlarge) &&
            scale_side(structure, "height", scale, enlarge))
            gst_caps_append_structure_full(result, structure,
                                           gst_caps_features_copy(gst_caps_get_features(caps, i)));
        else
            gst_structure_free(structure);
    }
    if (filter) {
        GstCaps *both = gst_caps_intersect_full(filter, result, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref(result);
        result = both;
    }
    return result;
}

static bool describe_matrix(const GstVideoInfo *info, pipersr_yuv_matrix *matrix)
{
    switch (info->colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT601:
        *matrix = PIPERSR_YUV_BT601;
        return true;
    case GST_VIDEO_COLOR_MATRIX_BT709:
        *matrix = PIPERSR_YUV_BT709;
        return true;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
        *matrix = PIPERSR_YUV_BT2020;
        return true;
    case GST_VIDEO_COLOR_MATRIX_UNKNOWN:
    case GST_VIDEO_COLOR_MATRIX_RGB: /* of gray: nothing known */
        *matrix = info->height > 576 ? PIPERSR_YUV_BT709 : PIPERSR_YUV_BT601;
        return true;
    default:
        return false;
    }
}

static pipersr_yuv_siting siting_of(GstVideoChromaSite site)
{
    if (site == GST_VIDEO_CHROMA_SITE_UNKNOWN)
        return PIPERSR_YUV_LEFT;
    if (!(site & GST_VIDEO_CHROMA_SITE_H_COSITED))
        return PIPERSR_YUV_CENTRE;
    return site & GST_VIDEO_CHROMA_SITE_V_COSITED ? PIPERSR_YUV_TOP_LEFT : PIPERSR_YUV_LEFT;
}

static bool describe_yuv(const GstVideoInfo *info, pipersr_yuv_format *format)
{
    const GstVideoFormatInfo *layout = info->finfo;
    *format = (pipersr_yuv_format){
        .sampling = GST_VIDEO_FORMAT_INFO_IS_GRAY(layout)    ? PIPERSR_YUV_400
                    : GST_VIDEO_FORMAT_INFO_H_SUB(layout, 1) ? PIPERSR_YUV_420
                    : GST_VIDEO_FORMAT_INFO_W_SUB(layout, 1) ? PIPERSR_YUV_422
                                                             : PIPERSR_YUV_444,
        .bits = GST_VIDEO_FORMAT_INFO_DEPTH(layout, 0),
        .full_range = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255,
        .siting = siting_of(info->chroma_site),
    };
    return describe_matrix(info, &format->matrix);
}

static gboolean set_info(GstVideoFilter *filter, GstCaps *in_caps, GstVideoInfo *in,
                         GstCaps *out_caps, GstVideoInfo *out)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(filter);
    (void)in_caps;
    (void)out_caps;
    (void)out;
    self->is_yuv = !GST_VIDEO_INFO_IS_RGB(in);
    self->interleaved =
        GST_VIDEO_INFO_FORMAT(in) == GST_VIDEO_FORMAT_RGBA ? PIPERSR_RGBA8 : PIPERSR_RGB8;
    if (!self->is_yuv || describe_yuv(in, &self->yuv))
        return TRUE;
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("This video's colour matrix is not handled."),
                      ("convert it before: videoconvert ! video/x-raw,colorimetry=bt709"));
    return FALSE;
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

static pipersr_status upscale(PipersrUpscale *self, GstVideoFrame *in, GstVideoFrame *out)
{
    if (self->is_yuv) {
        const pipersr_yuv_frame from = planes_of(in), to = planes_of(out);
        return pipersr_upscale_yuv(self->upscaler, &self->yuv, &from, &to);
    }
    pipersr_frame from = view_of(in, self->interleaved);
    const pipersr_frame to = view_of(out, self->interleaved);
    const pipersr_status status =
        self->interleaved == PIPERSR_RGBA8 ? bleed(self, &from) : PIPERSR_OK;
    return status == PIPERSR_OK ? pipersr_upscale(self->upscaler, &from, &to) : status;
}

static GstFlowReturn transform_frame(GstVideoFilter *filter, GstVideoFrame *in, GstVideoFrame *out)
{
    PipersrUpscale *self = PIPERSR_UPSCALE(filter);
    const pipersr_status status = upscale(self, in, out);
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
