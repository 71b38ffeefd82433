/* SPDX-License-Identifier: MIT */
#include "server/worker_message.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Puts `name` in the place of each path that begins with `prefix`, to its end with `whole_path`. */
static void rename_in(char *message, size_t size, const char *prefix, bool whole_path,
                      const char *name)
{
    const size_t length = strlen(prefix);
    char *place = length ? strstr(message, prefix) : NULL;
    while (place) {
        const char *end = place + length;
        if (whole_path)
            end += strcspn(end, " ':;,");
        char *rest = strdup(end);
        if (!rest) {
            *place = '\0';
            return;
        }
        const size_t room = size - (size_t)(place - message);
        snprintf(place, room, "%s%s", name, rest);
        free(rest);
        place = strlen(name) < room ? strstr(place + strlen(name), prefix) : NULL;
    }
}

void server_worker_name_files(const json_t *order, char *message, size_t size)
{
    const char *output = json_string_value(json_object_get(order, "output"));
    const char *work = json_string_value(json_object_get(order, "work"));
    const char *input = json_string_value(json_object_get(order, "input"));
    const char *name = json_string_value(json_object_get(order, "name"));
    if (work)
        rename_in(message, size, work, true, output ? output : "the result");
    if (input && name && !json_is_true(json_object_get(order, "own_input")))
        rename_in(message, size, input, false, name);
}
