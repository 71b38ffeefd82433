/* SPDX-License-Identifier: MIT */
#include "media/video_log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/log.h>

/* The changing globals of this room: libavutil's callback has no pointer for a context, and its
 * lines come from threads that are not ours. */
static pthread_mutex_t last_line_mutex = PTHREAD_MUTEX_INITIALIZER;
static char last_line[256], last_warning[256];

static void keep_line(void *context, int level, const char *format, va_list arguments)
{
    if (level > AV_LOG_WARNING) {
        return;
    }
    char line[sizeof last_line];
    int print_prefix = 1;
    av_log_format_line2(context, level, format, arguments, line, sizeof line, &print_prefix);
    /* The prefix names an object by its address: "[mov,mp4 @ 0x55d0c8] ". */
    const char *text = line;
    const char *prefix_end = strstr(line, "] ");
    if (line[0] == '[' && prefix_end != NULL) {
        text = prefix_end + 2;
    }
    size_t length = strlen(text);
    while (length > 0 && strchr(" \n\r.", text[length - 1]) != NULL) {
        length--;
    }
    if (length == 0) {
        return;
    }
    pthread_mutex_lock(&last_line_mutex);
    char *kept = level > AV_LOG_ERROR ? last_warning : last_line;
    memcpy(kept, text, length);
    kept[length] = '\0';
    pthread_mutex_unlock(&last_line_mutex);
}

void media_video_log_begin(void)
{
    av_log_set_callback(keep_line);
    pthread_mutex_lock(&last_line_mutex);
    last_line[0] = last_warning[0] = '\0';
    pthread_mutex_unlock(&last_line_mutex);
}

void media_video_log_last(char *text, size_t size_bytes)
{
    pthread_mutex_lock(&last_line_mutex);
    snprintf(text, size_bytes, "%s%s", last_line[0] != '\0' ? ": " : "", last_line);
    pthread_mutex_unlock(&last_line_mutex);
}

void media_video_log_last_warning(char *text, size_t size_bytes)
{
    pthread_mutex_lock(&last_line_mutex);
    snprintf(text, size_bytes, "%s%s", last_warning[0] != '\0' ? ": " : "", last_warning);
    pthread_mutex_unlock(&last_line_mutex);
}
