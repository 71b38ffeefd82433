/* SPDX-License-Identifier: MIT */
#include "media/image_formats.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <vips/vips.h>

static const struct media_image_format formats[] = {
    {.kind = MEDIA_IMAGE_PNG,
     .title = "PNG",
     .names = "png",
     .loader = "pngload_source",
     .saver = "pngsave_target",
     .alpha = true,
     .gray = true,
     .sixteen_bit = true,
     .profile = true},
    {.kind = MEDIA_IMAGE_JPEG,
     .title = "JPEG",
     .names = "jpg jpeg jpe jfif",
     .loader = "jpegload_source",
     .saver = "jpegsave_target",
     .gray = true,
     .profile = true,
     /* The format says 65535, libjpeg's JPEG_MAX_DIMENSION is a little lower. */
     .max_side_px = 65500,
     .quality = 92},
    {.kind = MEDIA_IMAGE_WEBP,
     .title = "WebP",
     .names = "webp",
     .reads_whole = true,
     .loader = "webpload_source",
     .saver = "webpsave_target",
     .paging = MEDIA_IMAGE_ANIMATION,
     .alpha = true,
     .profile = true,
     .max_side_px = 16383,
     .quality = 90},
    {.kind = MEDIA_IMAGE_TIFF,
     .title = "TIFF",
     .names = "tif tiff",
     .loader = "tiffload_source",
     .saver = "tiffsave_target",
     .paging = MEDIA_IMAGE_PAGES,
     .alpha = true,
     .gray = true,
     .sixteen_bit = true,
     .profile = true},
    {.kind = MEDIA_IMAGE_GIF,
     .title = "GIF",
     .names = "gif",
     .reads_whole = true,
     .loader = "gifload_source",
     .saver = "gifsave_target",
     .paging = MEDIA_IMAGE_ANIMATION,
     .alpha = true,
     .max_side_px = 65535,
     /* The quantiser's: it takes a whole page at a time, in memory. */
     .max_page_px = INT32_MAX / 4},
    {.kind = MEDIA_IMAGE_AVIF,
     .title = "AVIF",
     .names = "avif",
     .reads_whole = true,
     .loader = "heifload_source",
     .saver = "heifsave_target",
     .alpha = true,
     .sixteen_bit = true,
     .profile = true,
     .max_side_px = 16384,
     .quality = 80},
    {.kind = MEDIA_IMAGE_HEIC,
     .title = "HEIC",
     .names = "heic heif hif",
     .reads_whole = true,
     .loader = "heifload_source",
     .saver = "heifsave_target",
     .alpha = true,
     .sixteen_bit = true,
     .profile = true,
     .max_side_px = 16384,
     .quality = 80},
    {.kind = MEDIA_IMAGE_JXL,
     .title = "JPEG XL",
     .names = "jxl",
     .reads_whole = true,
     .loader = "jxlload_source",
     .saver = "jxlsave_target",
     .alpha = true,
     .gray = true,
     .sixteen_bit = true,
     .profile = true,
     .quality = 90},
};
enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

static const struct media_image_format *of_kind(enum media_image_kind kind)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (formats[i].kind == kind)
            return &formats[i];
    }
    return NULL;
}

static bool has(const unsigned char *data, size_t size, size_t offset, const char *bytes,
                size_t length)
{
    return size >= offset + length && memcmp(data + offset, bytes, length) == 0;
}

/* The ISO container is shared by AVIF, HEIC and MP4: the brands tell. A picture may name its codec
 * only among the compatible brands. */
static const struct media_image_format *of_brands(const unsigned char *data, size_t size)
{
    static const struct {
        char brand[5];
        enum media_image_kind kind;
    } brands[] = {
        {"avif", MEDIA_IMAGE_AVIF}, {"avis", MEDIA_IMAGE_AVIF}, {"heic", MEDIA_IMAGE_HEIC},
        {"heix", MEDIA_IMAGE_HEIC}, {"heim", MEDIA_IMAGE_HEIC}, {"heis", MEDIA_IMAGE_HEIC},
        {"hevc", MEDIA_IMAGE_HEIC}, {"hevx", MEDIA_IMAGE_HEIC},
    };
    bool generic = has(data, size, 8, "mif1", 4) || has(data, size, 8, "msf1", 4);
    size_t box_bytes =
        (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
    size_t end = generic && box_bytes < size ? box_bytes : size;

    for (size_t offset = 8; offset + 4 <= end; offset += 4) {
        for (size_t i = 0; i < sizeof(brands) / sizeof(brands[0]); i++) {
            if (has(data, end, offset, brands[i].brand, 4))
                return of_kind(brands[i].kind);
        }
        if (!generic)
            break;
    }
    return generic ? of_kind(MEDIA_IMAGE_HEIC) : NULL;
}

const struct media_image_format *media_image_format_of_data(const void *head, size_t size)
{
    static const struct {
        enum media_image_kind kind;
        unsigned length;
        char bytes[13];
    } marks[] = {
        {MEDIA_IMAGE_PNG, 8, "\x89PNG\r\n\x1a\n"},
        {MEDIA_IMAGE_JPEG, 3, "\xff\xd8\xff"},
        {MEDIA_IMAGE_TIFF, 4, "II*\0"},
        {MEDIA_IMAGE_TIFF, 4, "MM\0*"},
        {MEDIA_IMAGE_TIFF, 4, "II+\0"},
        {MEDIA_IMAGE_TIFF, 4, "MM\0+"},
        {MEDIA_IMAGE_GIF, 6, "GIF87a"},
        {MEDIA_IMAGE_GIF, 6, "GIF89a"},
        {MEDIA_IMAGE_JXL, 2, "\xff\x0a"},
        {MEDIA_IMAGE_JXL, 12, "\0\0\0\x0cJXL \r\n\x87\n"},
    };
    const unsigned char *data = head;
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (has(data, size, 0, marks[i].bytes, marks[i].length))
            return of_kind(marks[i].kind);
    }
    if (has(data, size, 0, "RIFF", 4) && has(data, size, 8, "WEBP", 4))
        return of_kind(MEDIA_IMAGE_WEBP);
    if (size >= 12 && has(data, size, 4, "ftyp", 4))
        return of_brands(data, size);
    return NULL;
}

static bool names_contain(const char *names, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = names; length > 0 && *at;) {
        size_t n = strcspn(at, " ");
        if (n == length && strncasecmp(at, name, n) == 0)
            return true;
        at += n;
        at += strspn(at, " ");
    }
    return false;
}

const struct media_image_format *media_image_format_of_name(const char *path_or_name)
{
    const char *slash = strrchr(path_or_name, '/');
    const char *name = slash ? slash + 1 : path_or_name;
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (names_contain(formats[i].names, dot ? dot + 1 : name))
            return &formats[i];
    }
    return NULL;
}

static bool operation_usable(const char *nickname)
{
    GType type = vips_type_find("VipsOperation", nickname);
    if (!type)
        return false;
    VipsOperationClass *operation = g_type_class_ref(type);
    bool usable = !(operation->flags & VIPS_OPERATION_BLOCKED);
    g_type_class_unref(operation);
    return usable;
}

bool media_image_format_readable(const struct media_image_format *format)
{
    return operation_usable(format->loader);
}

/* libheif only knows when it tries: its encoders are plug-ins. */
static bool can_encode_heif(const struct media_image_format *format, int depth_bits)
{
    VipsForeignHeifCompression compression = format->kind == MEDIA_IMAGE_AVIF
                                                 ? VIPS_FOREIGN_HEIF_COMPRESSION_AV1
                                                 : VIPS_FOREIGN_HEIF_COMPRESSION_HEVC;
    bool deep = depth_bits > 8;
    VipsImage *black = NULL, *typed = NULL, *image = NULL;
    void *data = NULL;
    size_t size = 0;
    bool ok = vips_black(&black, 64, 64, "bands", 3, NULL) == 0 &&
              vips_cast(black, &typed, deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR, NULL) == 0 &&
              vips_copy(typed, &image, "interpretation",
                        deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB, NULL) == 0 &&
              vips_heifsave_buffer(image, &data, &size, "compression", compression, "bitdepth",
                                   depth_bits, "effort", 0, NULL) == 0;
    g_free(data);
    g_clear_object(&image);
    g_clear_object(&typed);
    g_clear_object(&black);
    vips_error_clear();
    return ok;
}

bool media_image_format_writable(const struct media_image_format *format)
{
    if (!operation_usable(format->saver))
        return false;
    if (format->kind == MEDIA_IMAGE_AVIF || format->kind == MEDIA_IMAGE_HEIC)
        return can_encode_heif(format, 8);
    return true;
}

int media_image_heif_depth(const struct media_image_format *format)
{
    static const int depths_bits[] = {12, 10, 8};
    for (size_t i = 0; i < sizeof(depths_bits) / sizeof(depths_bits[0]); i++) {
        if (can_encode_heif(format, depths_bits[i]))
            return depths_bits[i];
    }
    return 0;
}

char *media_image_format_list(bool writable)
{
    size_t room = 1;
    for (size_t i = 0; i < N_FORMATS; i++)
        room += strlen(formats[i].title) + 2;
    char *list = calloc(room, 1);
    if (!list)
        return NULL;
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (!(writable ? media_image_format_writable : media_image_format_readable)(&formats[i]))
            continue;
        if (list[0])
            strcat(list, ", ");
        strcat(list, formats[i].title);
    }
    return list;
}
