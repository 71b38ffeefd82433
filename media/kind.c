/* SPDX-License-Identifier: MIT */
#include "media/kind.h"

#include <string.h>

static bool has(const unsigned char *head, size_t size, size_t offset, const char *bytes,
                size_t length)
{
    return size >= offset + length && memcmp(head + offset, bytes, length) == 0;
}

#define HAS(offset, literal) has(head, size, offset, literal, sizeof literal - 1)

/* HEIF's brands: the same file structure as MP4, but a picture. */
static bool is_heif(const unsigned char *head, size_t size)
{
    static const char brands[][5] = {"avif", "avis", "heic", "heix", "hevc",
                                     "heim", "heis", "mif1", "msf1", "jxl "};
    if (!HAS(4, "ftyp"))
        return false;
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
        if (has(head, size, 8, brands[i], 4))
            return true;
    return false;
}

static bool is_picture(const unsigned char *head, size_t size)
{
    return is_heif(head, size) || HAS(0, "\x00\x00\x00\x0cJXL ") || HAS(0, "\xff\x0a") ||
           HAS(0, "\x00\x00\x00\x0cjP  ") || HAS(0, "\xff\x4f\xff\x51") || HAS(0, "8BPS") ||
           HAS(0, "v/1\x01") || HAS(0, "BM") || HAS(0, "\x89PNG\r\n\x1a\n") ||
           HAS(0, "\xff\xd8\xff") || HAS(0, "II*\x00") || HAS(0, "MM\x00*") ||
           (HAS(0, "RIFF") && HAS(8, "WEBP"));
}

/* Top-level atoms with which QuickTime and MP4 files begin. */
static bool is_quicktime(const unsigned char *head, size_t size)
{
    return HAS(4, "ftyp") || HAS(4, "moov") || HAS(4, "mdat") || HAS(4, "free") || HAS(4, "wide") ||
           HAS(4, "skip") || HAS(4, "pnot");
}

/* Packets of a transport stream begin with 0x47, every 188 bytes, or 192 with a time code. */
static bool is_transport_stream(const unsigned char *head, size_t size)
{
    for (size_t start = 0; start <= 4; start += 4) {
        size_t step = 188 + start, packets = 0;
        while (start + packets * step < size && head[start + packets * step] == 0x47)
            packets++;
        if (packets >= 5 && start + packets * step >= size)
            return true;
    }
    return false;
}

/* H.264 and HEVC without a container begin with a delimiter or a parameter set. */
static bool is_elementary_stream(const unsigned char *head, size_t size)
{
    size_t start = HAS(0, "\x00\x00\x00\x01") ? 4 : 3;
    return (start == 4 || HAS(0, "\x00\x00\x01")) &&
           (HAS(start, "\x09") || HAS(start, "\x67") || HAS(start, "\x27") ||
            HAS(start, "\x46\x01") || HAS(start, "\x40\x01"));
}

static bool is_video(const unsigned char *head, size_t size)
{
    return is_quicktime(head, size) || HAS(0, "\x1a\x45\xdf\xa3") /* Matroska, WebM */ ||
           HAS(0, "YUV4MPEG2") || (HAS(0, "RIFF") && HAS(8, "AVI ")) || HAS(0, "FLV\x01") ||
           HAS(0, "OggS") || HAS(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11") /* WMV, ASF */ ||
           HAS(0, "\x00\x00\x01\xba") /* MPEG program stream */ || HAS(0, "\x00\x00\x01\xb3") ||
           HAS(0, "nut/multimedia container") || HAS(0, "DKIF") /* IVF */ ||
           HAS(0, "\x06\x0e\x2b\x34") /* MXF */ || is_transport_stream(head, size) ||
           is_elementary_stream(head, size);
}

enum media_kind media_kind_of_head(const unsigned char *head, size_t size)
{
    if (HAS(0, "GIF8"))
        return MEDIA_KIND_ANIMATION;
    if (is_picture(head, size))
        return MEDIA_KIND_PICTURE;
    return is_video(head, size) ? MEDIA_KIND_VIDEO : MEDIA_KIND_UNKNOWN;
}
