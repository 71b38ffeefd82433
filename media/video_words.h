/* SPDX-License-Identifier: MIT
 *
 * Options of a video as people write them, on the command line and in a request to the server.
 * All return false for text that is no such value; what they would have set is unchanged then.
 */
#ifndef MEDIA_VIDEO_WORDS_H
#define MEDIA_VIDEO_WORDS_H

#include "media/video.h"

#define MEDIA_DEINTERLACE_WORDS "auto, yes or no"
#define MEDIA_LOSS_WORDS        "a list of dolby-vision, hdr10plus, hdr-vivid, hdr and depth"
#define MEDIA_TIME_WORDS        "a time such as 90, 1:30 or 0:01:30.5"

/* "auto", "yes", "no". */
bool media_parse_deinterlace(const char *text, enum media_deinterlace *when);

/* A list of losses with commas between them; each is added to *losses, a set of media_loss. */
bool media_parse_losses(const char *text, unsigned *losses);

/* A whole number at the beginning of `text`, without the sign and the blanks that strtoull() takes;
 * *rest is what follows it. */
bool media_parse_digits(const char *text, uint64_t *value, const char **rest);

/* A time: seconds, MM:SS or HH:MM:SS, the seconds with a fraction if need be; at most 1000 hours.
 */
bool media_parse_time(const char *text, int64_t *time_us);

#endif
