/* SPDX-License-Identifier: MIT */
#include "server/naming.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_NAME_BYTES = 200 };

static bool is_utf8(const char *text)
{
    json_t *value = json_string(text); /* NULL for what is not */
    json_decref(value);
    return value != NULL;
}

char *server_name_clean(const char *name)
{
    for (const char *c = name; *c; c++)
        if (*c == '/' || *c == '\\')
            name = c + 1;
    /* The end of a long name tells more: it has the extension. */
    const size_t length = strlen(name);
    if (length > MAX_NAME_BYTES)
        name += length - MAX_NAME_BYTES;
    while ((unsigned char)*name >= 0x80 && (unsigned char)*name < 0xc0)
        name++;
    while (*name == '.' || *name == ' ')
        name++;
    char *clean = strdup(*name ? name : "input");
    if (!clean)
        return NULL;
    const bool valid = is_utf8(clean);
    for (char *c = clean; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '"' ||
            (!valid && (unsigned char)*c >= 0x80))
            *c = '_';
    return clean;
}

const char *server_name_extension(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name && dot[1] ? dot + 1 : NULL;
}

char *server_name_of_result(const char *input_name, unsigned scale, const char *extension)
{
    const char *old = server_name_extension(input_name);
    const size_t stem = old ? (size_t)(old - 1 - input_name) : strlen(input_name);
    char *name = NULL;
    if (asprintf(&name, "%.*s_%ux.%s", (int)stem, input_name, scale, extension) < 0)
        return NULL;
    return name;
}

const char *server_name_content_type(const char *extension)
{
    static const char types[][2][28] = {
        {"png", "image/png"},        {"jpg", "image/jpeg"},      {"jpeg", "image/jpeg"},
        {"webp", "image/webp"},      {"tif", "image/tiff"},      {"tiff", "image/tiff"},
        {"gif", "image/gif"},        {"avif", "image/avif"},     {"heic", "image/heic"},
        {"heif", "image/heif"},      {"jxl", "image/jxl"},       {"mp4", "video/mp4"},
        {"m4v", "video/mp4"},        {"mov", "video/quicktime"}, {"mkv", "video/x-matroska"},
        {"webm", "video/webm"},      {"avi", "video/x-msvideo"}, {"ts", "video/mp2t"},
        {"mpg", "video/mpeg"},       {"ogv", "video/ogg"},       {"flv", "video/x-flv"},
        {"y4m", "video/x-yuv4mpeg"},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcasecmp(extension, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}
