/* SPDX-License-Identifier: MIT
 *
 * The options of a video job that its result depends on, as JSON: to be kept, compared, and used
 * again by another process.
 */
#ifndef MEDIA_VIDEO_OPTIONS_JSON_H
#define MEDIA_VIDEO_OPTIONS_JSON_H

#include "media/video.h"

struct json_t;

/* Sets a key for each of them; false when out of memory or where a text is not UTF-8. */
bool media_options_to_json(const struct media_video_options *options, struct json_t *object);

/* Sets the fields; texts live as long as the object. */
void media_options_from_json(struct json_t *object, struct media_video_options *options);

#endif
