/* SPDX-License-Identifier: MIT
 *
 * What has changed between two descriptions of a job, in words.
 */
#ifndef MEDIA_VIDEO_MANIFEST_DIFFERENCE_H
#define MEDIA_VIDEO_MANIFEST_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* Are they the same? If not, `difference` names the most telling of what differs. */
bool media_identities_same(json_t *before, json_t *after, char *difference, size_t size_bytes);

/* "crf was 18 and is 20 now" */
void media_identity_difference(const char *name, json_t *kept, json_t *now, char *difference,
                               size_t size_bytes);

#endif
