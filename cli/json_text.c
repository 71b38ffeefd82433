/* SPDX-License-Identifier: MIT */
#include "cli/json_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_utf8(const char *text, size_t length)
{
    json_t *string = json_stringn(text, length);
    json_decref(string);
    return string != NULL;
}

/* Bytes of the UTF-8 character at `text`, or 0 if there is none. */
static size_t character_length(const char *text, size_t available)
{
    for (size_t length = 1; length <= 4 && length <= available; length++)
        if (is_utf8(text, length))
            return length;
    return 0;
}

static json_t *repaired(const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t left = strlen(text);
    char *copy = malloc(3 * left + 1);
    if (!copy)
        return NULL;
    char *end = copy;
    while (left > 0) {
        size_t length = character_length(text, left);
        memcpy(end, length ? text : replacement, length ? length : 3);
        end += length ? length : 3;
        text += length ? length : 1;
        left -= length ? length : 1;
    }
    json_t *string = json_stringn(copy, (size_t)(end - copy));
    free(copy);
    return string;
}

json_t *cli_json_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *string = json_string(text);
    return string ? string : repaired(text);
}

json_t *cli_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void cli_json_print(json_t *object, FILE *stream)
{
    if (!object)
        return;
    /* The whole line at once: another process may share the stream. */
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(object);
    if (text)
        fprintf(stream, "%s\n", text);
    free(text);
    fflush(stream);
}
