/* SPDX-License-Identifier: MIT */
#include "media/image_metadata.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const described[] = {VIPS_META_ICC_NAME, VIPS_META_EXIF_NAME, VIPS_META_XMP_NAME,
                                        VIPS_META_IPTC_NAME, VIPS_META_PHOTOSHOP_NAME};

static const double usual_px_per_mm = 72.0 / 25.4;

static bool resolution_is(VipsImage *image, double px_per_mm)
{
    return fabs(vips_image_get_xres(image) - px_per_mm) < 0.001 &&
           fabs(vips_image_get_yres(image) - px_per_mm) < 0.001;
}

bool media_image_is_described(VipsImage *image)
{
    for (size_t i = 0; i < sizeof(described) / sizeof(described[0]); i++) {
        if (vips_image_get_typeof(image, described[i]))
            return true;
    }
    return !resolution_is(image, usual_px_per_mm);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* IFD 1 of EXIF describes the thumbnail only. The others are hints about the file that was read,
 * which libvips' writers would follow. */
static bool is_stale(const char *field)
{
    static const char *const stale[] = {
        "jpeg-thumbnail-data", "palette-bit-depth", "bits-per-sample", "gif-palette",
        "heif-bitdepth",       "heif-compression",  "heif-primary",    "jpeg-chroma-subsample",
        "jpeg-multiscan",      "interlaced",        "n-subifds",       "background"};
    if (starts_with(field, "exif-ifd1-"))
        return true;
    for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++) {
        if (strcmp(field, stale[i]) == 0)
            return true;
    }
    return false;
}

static bool is_description(const char *field)
{
    static const char *const kept[] = {"delay",       "loop",    "gif-delay",      "gif-loop",
                                       "page-height", "n-pages", "resolution-unit"};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (strcmp(field, kept[i]) == 0)
            return false;
    }
    return true;
}

static void remove_fields(VipsImage *image, bool (*unwanted)(const char *field))
{
    gchar **fields = vips_image_get_fields(image);
    for (gchar **field = fields; field && *field; field++) {
        if (unwanted(*field))
            vips_image_remove(image, *field); /* refuses the header's own fields */
    }
    g_strfreev(fields);
}

/* libvips corrects the sizes in EXIF's own directory; these tags of the main one it leaves. */
static void set_exif_size(VipsImage *image, const char *field, int value)
{
    if (!vips_image_get_typeof(image, field))
        return;
    char text[16];
    snprintf(text, sizeof(text), "%d", value);
    vips_image_set_string(image, field, text);
}

/* XMP may repeat the orientation, as an attribute or an element. One digit replaces another, so the
 * packet keeps its length. */
static void reset_xmp_orientation(VipsImage *image)
{
    static const char tag[] = "tiff:Orientation";
    const void *packet;
    size_t size;
    if (!vips_image_get_typeof(image, VIPS_META_XMP_NAME) ||
        vips_image_get_blob(image, VIPS_META_XMP_NAME, &packet, &size))
        return;
    char *changed = g_memdup2(packet, size);
    char *end = changed + size;
    bool any = false;
    for (char *at = changed; (at = memmem(at, (size_t)(end - at), tag, sizeof(tag) - 1));) {
        at += sizeof(tag) - 1;
        char *value = at;
        while (value < end && strchr("=\"'> ", *value))
            value++;
        if (value > at && value < end && *value >= '2' && *value <= '8') {
            *value = '1';
            any = true;
        }
    }
    if (any)
        vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, changed, size);
    g_free(changed);
}

/* libvips reads "no resolution" as 1 pixel/mm and would write just that: pages of metres. */
static void set_default_resolution(VipsImage *image)
{
    if (resolution_is(image, 1.0)) {
        image->Xres = image->Yres = usual_px_per_mm;
        vips_image_set_string(image, VIPS_META_RESOLUTION_UNIT, "in");
    }
}

void media_image_settle_metadata(VipsImage *image, uint32_t pages, bool strip)
{
    remove_fields(image, strip ? is_description : is_stale);
    set_default_resolution(image);
    if (pages > 1)
        vips_image_set_int(image, VIPS_META_N_PAGES, (int)pages);
    else
        vips_image_remove(image, VIPS_META_N_PAGES);
    vips_image_remove(image, VIPS_META_ORIENTATION);
    set_exif_size(image, "exif-ifd0-ImageWidth", vips_image_get_width(image));
    set_exif_size(image, "exif-ifd0-ImageLength", vips_image_get_height(image) / (int)pages);
    reset_xmp_orientation(image);
}
