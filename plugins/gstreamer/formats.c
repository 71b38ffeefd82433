/* SPDX-License-Identifier: MIT */
#include "formats.h"

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

GstCaps *formats_scale_caps(const GstCaps *caps, gint scale, bool enlarge)
{
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

bool formats_describe_yuv(const GstVideoInfo *info, pipersr_yuv_format *format)
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
