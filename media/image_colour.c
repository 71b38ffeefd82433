/* SPDX-License-Identifier: MIT */
#include "media/image_colour.h"

#include <string.h>

#include "media/image_report.h"

/* What a conversion works on. `image` is owned; replace() moves it on. */
struct colour {
    VipsImage *image;
    const struct media_job *job;
};

static void replace(struct colour *colour, VipsImage *image)
{
    g_object_unref(colour->image);
    colour->image = image;
}

static bool is_gray(VipsImage *image)
{
    return vips_image_get_bands(image) < 3;
}

static bool has_alpha(VipsImage *image)
{
    int bands = vips_image_get_bands(image);
    return bands == 2 || bands == 4;
}

static bool is_8_bit(VipsImage *image)
{
    return vips_image_get_format(image) == VIPS_FORMAT_UCHAR;
}

static bool has_profile(VipsImage *image)
{
    return vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0;
}

/* Does the name of the embedded profile say sRGB, in ASCII or in UTF-16? */
static bool profile_is_srgb(VipsImage *image)
{
    const void *profile;
    size_t size;
    if (vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &size))
        return false;
    /* Header, then a count and entries of 12 bytes: tag, offset, length. All big-endian. */
    const unsigned char *data = profile;
    if (size < 132)
        return false;
    size_t tags = (size_t)data[130] << 8 | data[131];
    for (size_t i = 0; i < tags && 132 + (i + 1) * 12 <= size; i++) {
        const unsigned char *tag = data + 132 + i * 12;
        size_t offset = (size_t)tag[4] << 24 | (size_t)tag[5] << 16 | (size_t)tag[6] << 8 | tag[7];
        size_t length =
            (size_t)tag[8] << 24 | (size_t)tag[9] << 16 | (size_t)tag[10] << 8 | tag[11];
        if (memcmp(tag, "desc", 4) != 0 || offset > size || length > size - offset)
            continue;
        return memmem(data + offset, length, "sRGB", 4) ||
               memmem(data + offset, length, "s\0R\0G\0B", 7);
    }
    return false;
}

/* Through the embedded profile; the result carries libvips' sRGB profile. A gray picture stays
 * gray unless `to_rgb`. Returns 0, or -1 with libvips' text. */
static int convert_by_profile(struct colour *colour, bool to_rgb)
{
    bool gray = is_gray(colour->image);
    bool alpha = has_alpha(colour->image);
    int depth_bits = is_8_bit(colour->image) ? 8 : 16;
    VipsImage *rgb = NULL;
    if (vips_icc_transform(colour->image, &rgb, "srgb", "embedded", TRUE, "depth", depth_bits,
                           "intent", VIPS_INTENT_RELATIVE, "black_point_compensation", TRUE,
                           "input_profile", "cmyk", NULL))
        return -1;
    replace(colour, rgb);
    if (!gray || to_rgb)
        return 0;

    /* Neutral colours are equal in all three channels. */
    VipsImage *narrow = NULL, *opaque = NULL, *veil = NULL;
    int result = vips_extract_band(rgb, &opaque, 1, NULL);
    if (result == 0 && alpha) {
        result = vips_extract_band(rgb, &veil, 3, NULL);
        if (result == 0)
            result = vips_bandjoin2(opaque, veil, &narrow, NULL);
    } else if (result == 0) {
        narrow = g_object_ref(opaque);
    }
    g_clear_object(&opaque);
    g_clear_object(&veil);
    if (result == 0)
        replace(colour, narrow);
    return result;
}

/* Floating-point samples: 1.0 is white, linear light (as libvips and photo editors take them). */
static int convert_float(struct colour *colour)
{
    VipsImage *t[9] = {NULL};
    VipsImage *in = colour->image;
    bool gray = is_gray(in), alpha = has_alpha(in);
    int result = vips_extract_band(in, &t[0], 0, "n", gray ? 1 : 3, NULL);
    if (result == 0 && gray) {
        VipsImage *same[3] = {t[0], t[0], t[0]};
        result = vips_bandjoin(same, &t[1], 3, NULL);
    } else if (result == 0) {
        t[1] = g_object_ref(t[0]);
    }
    if (result == 0)
        result = vips_copy(t[1], &t[2], "interpretation", VIPS_INTERPRETATION_scRGB, NULL);
    if (result == 0)
        result = vips_colourspace(t[2], &t[3], VIPS_INTERPRETATION_RGB16, NULL);
    if (result == 0)
        result = vips_extract_band(t[3], &t[4], 0, "n", gray ? 1 : 3, NULL);
    if (result == 0 && alpha) {
        result = vips_extract_band(in, &t[5], gray ? 1 : 3, NULL);
        if (result == 0)
            result = vips_linear1(t[5], &t[6], 65535.0, 0.5, NULL);
        if (result == 0)
            result = vips_cast(t[6], &t[7], VIPS_FORMAT_USHORT, NULL);
        if (result == 0)
            result = vips_bandjoin2(t[4], t[7], &t[8], NULL);
    } else if (result == 0) {
        t[8] = g_object_ref(t[4]);
    }
    if (result == 0)
        replace(colour, g_object_ref(t[8]));
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
        g_clear_object(&t[i]);
    return result;
}

static enum media_status fail_convert(struct media_error *error)
{
    return media_image_fail_vips(error, MEDIA_ERROR_UNSUPPORTED, "its colours cannot be converted",
                                 "convert it to sRGB first");
}

/* Is this a kind of colour that the engine can take as it is? */
static bool is_plain(VipsInterpretation type)
{
    return type == VIPS_INTERPRETATION_B_W || type == VIPS_INTERPRETATION_GREY16 ||
           type == VIPS_INTERPRETATION_sRGB || type == VIPS_INTERPRETATION_RGB16 ||
           type == VIPS_INTERPRETATION_RGB || type == VIPS_INTERPRETATION_MULTIBAND;
}

static bool is_float(VipsImage *image)
{
    VipsBandFormat format = vips_image_get_format(image);
    return format == VIPS_FORMAT_FLOAT || format == VIPS_FORMAT_DOUBLE;
}

static enum media_status convert_model(struct colour *colour, struct media_error *error)
{
    VipsInterpretation type = vips_image_guess_interpretation(colour->image);
    if (type == VIPS_INTERPRETATION_CMYK) {
        media_image_note(colour->job, "CMYK colours are converted to sRGB");
        return convert_by_profile(colour, true) ? fail_convert(error) : MEDIA_OK;
    }
    if (is_float(colour->image) && (is_plain(type) || type == VIPS_INTERPRETATION_scRGB)) {
        media_image_note(colour->job,
                         "floating-point samples are converted to sRGB, values outside 0..1 "
                         "are clipped");
        if (convert_float(colour))
            return fail_convert(error);
    } else if (is_plain(type)) {
        return MEDIA_OK;
    } else {
        if (!vips_colourspace_issupported(colour->image))
            return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                              "it has colours of an unknown kind (%s); convert it to sRGB first",
                              vips_enum_nick(VIPS_TYPE_INTERPRETATION, type));
        media_image_note(colour->job, "%s colours are converted to sRGB",
                         vips_enum_nick(VIPS_TYPE_INTERPRETATION, type));
        VipsImage *rgb = NULL;
        if (vips_colourspace(colour->image, &rgb,
                             is_8_bit(colour->image) ? VIPS_INTERPRETATION_sRGB
                                                     : VIPS_INTERPRETATION_RGB16,
                             NULL))
            return fail_convert(error);
        replace(colour, rgb);
    }
    /* The profile, if any, described the old colours. */
    VipsImage *bare = NULL;
    if (vips_copy(colour->image, &bare, NULL))
        return fail_convert(error);
    vips_image_remove(bare, VIPS_META_ICC_NAME);
    replace(colour, bare);
    return MEDIA_OK;
}

static enum media_status convert_samples(struct colour *colour, struct media_error *error)
{
    VipsBandFormat format = vips_image_get_format(colour->image);
    if (format == VIPS_FORMAT_UCHAR || format == VIPS_FORMAT_USHORT)
        return MEDIA_OK;
    if (format != VIPS_FORMAT_UINT)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "it has samples of type %s; convert it to 8 or 16 bits first",
                          vips_enum_nick(VIPS_TYPE_BAND_FORMAT, format));
    media_image_note(colour->job, "32-bit samples are reduced to 16 bits");
    VipsImage *narrow = NULL;
    if (vips_cast(colour->image, &narrow, VIPS_FORMAT_USHORT, "shift", TRUE, NULL))
        return fail_convert(error);
    replace(colour, narrow);
    return MEDIA_OK;
}

static enum media_status convert_bands(struct colour *colour, struct media_error *error)
{
    if (vips_image_get_bands(colour->image) > 4) {
        media_image_note(colour->job, "only the first 4 of %d channels are used",
                         vips_image_get_bands(colour->image));
        VipsImage *first = NULL;
        if (vips_extract_band(colour->image, &first, 0, "n", 4, NULL))
            return fail_convert(error);
        replace(colour, first);
    }
    bool gray = is_gray(colour->image), narrow = is_8_bit(colour->image);
    VipsInterpretation type = gray
                                  ? (narrow ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_GREY16)
                                  : (narrow ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_RGB16);
    VipsImage *typed = NULL;
    if (vips_copy(colour->image, &typed, "interpretation", type, NULL))
        return fail_convert(error);
    replace(colour, typed);
    return MEDIA_OK;
}

/* The profile must go into the output, or its effect into the pixels. */
static void settle_profile(struct colour *colour, const struct media_image_format *target,
                           bool strip)
{
    if (!has_profile(colour->image))
        return;
    bool becomes_rgb = is_gray(colour->image) && !target->gray;
    if (!strip && target->profile && !becomes_rgb)
        return;
    if (!profile_is_srgb(colour->image) && convert_by_profile(colour, becomes_rgb)) {
        vips_error_clear();
        media_image_note(colour->job, "its colour profile cannot be applied and is dropped");
        VipsImage *bare = NULL;
        if (vips_copy(colour->image, &bare, NULL) == 0) {
            vips_image_remove(bare, VIPS_META_ICC_NAME);
            replace(colour, bare);
        }
    }
}

static enum media_status flatten(struct colour *colour, const struct media_image_format *target,
                                 struct media_error *error)
{
    if (target->alpha || !has_alpha(colour->image))
        return MEDIA_OK;
    media_image_note(colour->job, "transparency is laid onto white, %s cannot hold it",
                     target->title);
    double white = is_8_bit(colour->image) ? 255.0 : 65535.0;
    VipsArrayDouble *background = vips_array_double_newv(1, white);
    VipsImage *flat = NULL;
    int result =
        vips_flatten(colour->image, &flat, "background", background, "max_alpha", white, NULL);
    vips_area_unref(VIPS_AREA(background));
    if (result)
        return fail_convert(error);
    replace(colour, flat);
    return MEDIA_OK;
}

enum media_status media_image_prepare_colour(VipsImage *in, const struct media_image_format *target,
                                             bool strip, const struct media_job *job,
                                             VipsImage **out, struct media_error *error)
{
    struct colour colour = {.image = g_object_ref(in), .job = job};
    enum media_status status = convert_model(&colour, error);
    if (status == MEDIA_OK)
        status = convert_samples(&colour, error);
    if (status == MEDIA_OK)
        status = convert_bands(&colour, error);
    if (status == MEDIA_OK) {
        settle_profile(&colour, target, strip);
        status = convert_bands(&colour, error);
    }
    if (status == MEDIA_OK)
        status = flatten(&colour, target, error);
    if (status == MEDIA_OK)
        status = convert_bands(&colour, error);
    if (status != MEDIA_OK) {
        g_object_unref(colour.image);
        return status;
    }
    *out = colour.image;
    return MEDIA_OK;
}
