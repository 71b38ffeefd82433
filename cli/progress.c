/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static double rate_per_s(const struct media_progress *progress, double elapsed_s)
{
    return elapsed_s > 0 ? (double)(progress->done - progress->kept) / elapsed_s : 0;
}

double cli_progress_left_s(const struct media_progress *progress, double elapsed_s)
{
    double rate = rate_per_s(progress, elapsed_s);
    if (rate <= 0 || progress->total < progress->done)
        return -1;
    return (double)(progress->total - progress->done) / rate;
}

static void duration_text(char *text, size_t size, double seconds)
{
    uint64_t whole = (uint64_t)(seconds + 0.5);
    if (whole >= 3600)
        snprintf(text, size, "  %" PRIu64 ":%02u:%02u left", whole / 3600,
                 (unsigned)(whole / 60 % 60), (unsigned)(whole % 60));
    else
        snprintf(text, size, "  %u:%02u left", (unsigned)(whole / 60), (unsigned)(whole % 60));
}

static void numbers_text(char *text, size_t size, const struct media_progress *progress,
                         double elapsed_s)
{
    char share[48] = "", left[48] = "";
    if (progress->total >= progress->done && progress->total > 0) {
        unsigned percent = (unsigned)(100.0 * (double)progress->done / (double)progress->total);
        snprintf(share, sizeof share, "  %u%%", percent);
    }
    char total[32] = "";
    if (*share)
        snprintf(total, sizeof total, "/%" PRIu64, progress->total);
    double left_s = cli_progress_left_s(progress, elapsed_s);
    if (*share && left_s >= 0)
        duration_text(left, sizeof left, left_s);
    snprintf(text, size, "%s  %" PRIu64 "%s %s  %.1f %s/s%s", share, progress->done, total,
             progress->unit, rate_per_s(progress, elapsed_s), progress->unit, left);
}

/* The end of `name` in at most `columns` bytes, beginning with a whole UTF-8 character. */
static const char *shortened(const char *name, size_t columns)
{
    size_t length = strlen(name);
    if (length <= columns)
        return name;
    name += length - columns;
    while ((*name & 0xc0) == 0x80)
        name++;
    return name;
}

void cli_progress_text(char *text, size_t size, const char *name,
                       const struct media_progress *progress, double elapsed_s, size_t columns)
{
    char numbers[160];
    numbers_text(numbers, sizeof numbers, progress, elapsed_s);
    size_t used = strlen(numbers);
    if (columns > size - 1)
        columns = size - 1;
    if (used > columns)
        numbers[used = columns] = '\0';
    snprintf(text, size, "%s%s", shortened(name, columns - used), numbers);
}
