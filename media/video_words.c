/* SPDX-License-Identifier: MIT */
#include "media/video_words.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool media_parse_deinterlace(const char *text, enum media_deinterlace *when)
{
    static const char *const words[] = {
        [MEDIA_DEINTERLACE_AUTO] = "auto",
        [MEDIA_DEINTERLACE_YES] = "yes",
        [MEDIA_DEINTERLACE_NO] = "no",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            *when = (enum media_deinterlace)i;
            return true;
        }
    }
    return false;
}

bool media_parse_losses(const char *text, unsigned *losses)
{
    static const struct {
        const char *word;
        enum media_loss loss;
    } words[] = {
        {"dolby-vision", MEDIA_LOSS_DOLBY_VISION},
        {"hdr10plus", MEDIA_LOSS_HDR10PLUS},
        {"hdr-vivid", MEDIA_LOSS_HDR_VIVID},
        {"hdr", MEDIA_LOSS_HDR},
        {"depth", MEDIA_LOSS_DEPTH},
    };
    unsigned found = 0;
    for (const char *word = text;; word++) {
        const size_t length = strcspn(word, ",");
        size_t i = 0;
        while (i < sizeof words / sizeof *words &&
               (strlen(words[i].word) != length || strncmp(words[i].word, word, length) != 0)) {
            i++;
        }
        if (i == sizeof words / sizeof *words) {
            return false;
        }
        found |= words[i].loss;
        word += length;
        if (!*word) {
            *losses |= found;
            return true;
        }
    }
}

bool media_parse_digits(const char *text, uint64_t *value, const char **rest)
{
    if (!isdigit((unsigned char)*text))
        return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno)
        return false;
    *value = number;
    *rest = end;
    return true;
}

/* Digits behind the point, in millionths; more than six are cut. */
static bool parse_fraction(const char *text, int64_t *time_us)
{
    int64_t unit_us = 100000;
    if (!isdigit((unsigned char)*text))
        return false;
    for (; isdigit((unsigned char)*text); text++, unit_us /= 10)
        *time_us += (*text - '0') * unit_us;
    return *text == '\0';
}

bool media_parse_time(const char *text, int64_t *time_us)
{
    enum { LARGEST_S = 3600000, PARTS = 3 };
    uint64_t seconds = 0, part;
    for (int i = 0;; i++) {
        if (i == PARTS || !media_parse_digits(text, &part, &text) || part > LARGEST_S ||
            (i > 0 && part > 59))
            return false;
        seconds = seconds * 60 + part;
        if (*text != ':')
            break;
        text++;
    }
    if (seconds > LARGEST_S)
        return false;
    int64_t value = (int64_t)seconds * 1000000;
    if (*text && (*text != '.' || !parse_fraction(text + 1, &value)))
        return false;
    *time_us = value;
    return true;
}
