/* SPDX-License-Identifier: MIT */
#include "media/image_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

/* Joins the lines of libvips' text with "; ", without empty and repeated ones. */
static void fold_lines(const char *text, char *line, size_t size)
{
    line[0] = '\0';
    size_t used = 0;
    const char *previous = NULL;
    size_t previous_length = 0;
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "\n");
        bool repeated = previous && length == previous_length && !memcmp(previous, at, length);
        if (length > 0 && !repeated && used + length + 3 < size) {
            used += (size_t)snprintf(line + used, size - used, "%s%.*s", used ? "; " : "",
                                     (int)length, at);
        }
        previous = at;
        previous_length = length;
        at += length;
        at += *at == '\n';
    }
}

enum media_status media_image_fail_vips(struct media_error *error, enum media_status status,
                                        const char *what, const char *advice)
{
    char *text = vips_error_buffer_copy();
    char line[300];
    fold_lines(text ? text : "", line, sizeof(line));
    g_free(text);
    return media_fail(error, status, "%s: %s%s%s", what, line[0] ? line : "no reason given",
                      advice ? "; " : "", advice ? advice : "");
}

void media_image_note(const struct media_job *job, const char *format, ...)
{
    if (!job || !job->on_note)
        return;
    char line[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    job->on_note(job->opaque, line);
}
