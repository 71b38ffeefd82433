/* SPDX-License-Identifier: MIT */
#include "media/video_output_record.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <jansson.h>

static const char file_name[] = "output.json";

/* The record, or NULL. */
static json_t *read_record(const struct media_parts *parts)
{
    char *text;
    if (media_parts_read(parts, file_name, &text, NULL) != MEDIA_OK || text == NULL) {
        return NULL;
    }
    json_t *record = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    return record;
}

static bool is_recorded(json_t *record, const char *path)
{
    struct stat about;
    json_t *device = json_object_get(record, "device"), *inode = json_object_get(record, "inode");
    return json_is_integer(device) && json_is_integer(inode) && lstat(path, &about) == 0 &&
           (json_int_t)about.st_dev == json_integer_value(device) &&
           (json_int_t)about.st_ino == json_integer_value(inode);
}

enum media_status media_output_record_begin(const struct media_parts *parts,
                                            const char *temporary_path, struct media_error *error)
{
    struct stat about;
    json_t *record = stat(temporary_path, &about) == 0
                         ? json_pack("{s:I, s:I}", "device", (json_int_t)about.st_dev, "inode",
                                     (json_int_t)about.st_ino)
                         : NULL;
    char *text = record != NULL ? json_dumps(record, JSON_COMPACT) : NULL;
    json_decref(record);
    enum media_status status = text != NULL
                                   ? media_parts_write(parts, file_name, text, error)
                                   : media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    free(text);
    return status;
}

bool media_output_record_is(const struct media_parts *parts, const char *target_path)
{
    json_t *record = read_record(parts);
    bool is = is_recorded(record, target_path);
    json_decref(record);
    return is;
}
