/* SPDX-License-Identifier: MIT */
#include "server/job_video.h"

#include <stddef.h>
#include <string.h>

enum { SECOND_US = 1000000, MAX_HOURS = 1000 };

/* Up to six digits behind the point count; more are read and dropped. */
static bool take_fraction(const char **text, int64_t *us)
{
    int64_t unit_us = SECOND_US / 10;
    const char *c = *text;
    for (; *c >= '0' && *c <= '9'; c++, unit_us /= 10)
        *us += (*c - '0') * unit_us;
    const bool any = c > *text;
    *text = c;
    return any;
}

bool server_video_time(const char *text, int64_t *time_us)
{
    int64_t total = 0, us = 0;
    for (unsigned part = 0; part < 3; part++) {
        const size_t digits = strspn(text, "0123456789");
        int64_t number = 0;
        if (digits == 0 || digits > 7)
            return false;
        for (size_t i = 0; i < digits; i++)
            number = number * 10 + (text[i] - '0');
        if (part > 0 && number > 59)
            return false;
        total = total * 60 + number;
        text += digits;
        if (*text != ':')
            break;
        text++;
    }
    if (*text == '.') {
        text++;
        if (!take_fraction(&text, &us))
            return false;
    }
    if (*text || total > (int64_t)MAX_HOURS * 3600)
        return false;
    *time_us = total * SECOND_US + us;
    return true;
}

static bool find_word(const char *text, size_t length, const char *const *words, size_t count,
                      size_t *found)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == length && strncmp(words[i], text, length) == 0) {
            *found = i;
            return true;
        }
    return false;
}

bool server_video_deinterlace(const char *text, int *when)
{
    static const char *const words[] = {"auto", "yes", "no"};
    size_t found;
    if (!find_word(text, strlen(text), words, 3, &found))
        return false;
    *when = (int)found;
    return true;
}

bool server_video_losses(const char *text, unsigned *losses)
{
    static const char *const words[] = {"dolby-vision", "hdr10plus", "hdr-vivid", "hdr", "depth"};
    *losses = 0;
    for (;;) {
        const size_t length = strcspn(text, ",");
        size_t found;
        if (!find_word(text, length, words, 5, &found))
            return false;
        *losses |= 1u << found;
        if (!text[length])
            return true;
        text += length + 1;
    }
}
