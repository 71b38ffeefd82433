/* SPDX-License-Identifier: MIT */
#include "media/video_manifest_difference.h"

#include <stdio.h>
#include <string.h>

static void value_text(json_t *value, char *text, size_t size_bytes)
{
    if (json_is_string(value)) {
        snprintf(text, size_bytes, "%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        snprintf(text, size_bytes, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        snprintf(text, size_bytes, "%s", json_is_true(value) ? "on" : "off");
    } else {
        snprintf(text, size_bytes, "the default");
    }
}

void media_identity_difference(const char *name, json_t *kept, json_t *now, char *difference,
                               size_t size_bytes)
{
    char before[80], after[80];
    value_text(kept, before, sizeof before);
    value_text(now, after, sizeof after);
    if (strncmp(name, "input ", 6) == 0) {
        snprintf(difference, size_bytes, "the input has changed (%s)", name + 6);
    } else if (strcmp(name, "network") == 0) {
        snprintf(difference, size_bytes, "the network gives other numbers than before");
    } else {
        snprintf(difference, size_bytes, "%s was %s and is %s now", name, before, after);
    }
}

bool media_identities_same(json_t *before, json_t *after, char *difference, size_t size_bytes)
{
    /* The most telling ones first: another model also has other numbers, another file another time.
     */
    static const char *const first[] = {"model", "precision", "scale", "input size"};
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        json_t *a = json_object_get(before, first[i]), *b = json_object_get(after, first[i]);
        if (!json_equal(a, b)) {
            media_identity_difference(first[i], a, b, difference, size_bytes);
            return false;
        }
    }
    const char *name;
    json_t *value;
    json_object_foreach(after, name, value)
    {
        json_t *old = json_object_get(before, name);
        if (!json_equal(old, value)) {
            media_identity_difference(name, old, value, difference, size_bytes);
            return false;
        }
    }
    return true;
}
