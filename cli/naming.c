/* SPDX-License-Identifier: MIT */
#include "cli/naming.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "media/image.h"
#include "media/video.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *cli_name_extension(const char *path)
{
    const char *base = base_name(path);
    const char *dot = strrchr(base, '.');
    return dot && dot != base && dot[1] ? dot + 1 : NULL;
}

/* Length of `path` without its extension and the dot. */
static size_t stem_length(const char *path)
{
    const char *extension = cli_name_extension(path);
    return extension ? (size_t)(extension - path) - 1 : strlen(path);
}

bool cli_name_is_upscaled(const char *path)
{
    size_t end = stem_length(path);
    size_t base = (size_t)(base_name(path) - path);
    if (end < base + 3 || path[end - 1] != 'x')
        return false;
    size_t digits = 0;
    while (digits < 2 && end - 2 - digits > base && isdigit((unsigned char)path[end - 2 - digits]))
        digits++;
    return digits > 0 && path[end - 2 - digits] == '_';
}

bool cli_format_is_picture(const char *format)
{
    return media_image_can_write(format);
}

const char *cli_format_muxer(const char *format)
{
    static const struct {
        const char *name, *muxer;
    } names[] = {{"y4m", "yuv4mpegpipe"}, {"mkv", "matroska"}, {"ts", "mpegts"}, {"m4v", "mp4"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(format, names[i].name) == 0)
            return names[i].muxer;
    return format;
}

bool cli_format_is_video(const char *format)
{
    return media_video_can_write(cli_format_muxer(format));
}

const char *cli_name_output_extension(const char *path, enum cli_kind kind, const char *format,
                                      bool *kept)
{
    *kept = true;
    if (format)
        return format;
    const char *own = cli_name_extension(path);
    bool video = kind == CLI_KIND_VIDEO;
    if (own && (video ? media_video_can_write(path) : media_image_can_write(path)))
        return own;
    *kept = false;
    return video ? "mp4" : "png";
}

char *cli_name_default(const char *folder, const char *relative, unsigned scale,
                       const char *extension)
{
    size_t length = folder ? strlen(folder) : 0;
    const char *slash = length && folder[length - 1] != '/' ? "/" : "";
    char *name = NULL;
    if (asprintf(&name, "%s%s%.*s_%ux.%s", folder ? folder : "", slash, (int)stem_length(relative),
                 relative, scale, extension) < 0)
        return NULL;
    return name;
}

char *cli_name_parts_folder(const char *target)
{
    char *folder = NULL;
    return asprintf(&folder, "%s.parts", target) >= 0 ? folder : NULL;
}
