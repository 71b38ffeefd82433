/* SPDX-License-Identifier: MIT */
#include "media/video_segment_entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

static bool set(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

static bool set_count(json_t *object, const char *name, uint64_t value)
{
    return set(object, name, json_integer((json_int_t)value));
}

static bool get_digest(json_t *object, const char *name, char digest[MEDIA_DIGEST_BYTES])
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL || strlen(text) >= MEDIA_DIGEST_BYTES) {
        return false;
    }
    snprintf(digest, MEDIA_DIGEST_BYTES, "%s", text);
    return true;
}

static const char own_digest[] = "entry_sha256"; /* of all other values */

static bool digest_object(json_t *object, char digest[MEDIA_DIGEST_BYTES])
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    digest[0] = '\0';
    if (text != NULL) {
        media_digest_of_bytes(text, strlen(text), digest);
    }
    free(text);
    return digest[0] != '\0';
}

/* Is it as it was written? Takes its digest out of it. */
static bool is_intact(json_t *object)
{
    char expected[MEDIA_DIGEST_BYTES], found[MEDIA_DIGEST_BYTES];
    return get_digest(object, own_digest, expected) && json_object_del(object, own_digest) == 0 &&
           digest_object(object, found) && strcmp(found, expected) == 0;
}

static json_t *times_to_json(const struct media_segment_entry *entry)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < entry->frames; i++) {
        json_t *time = json_pack("[I, I]", (json_int_t)entry->times[i].pts,
                                 (json_int_t)entry->times[i].duration);
        if (json_array_append_new(list, time) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *entry_to_json(const struct media_segment_entry *entry,
                             const struct media_manifest *manifest)
{
    json_t *object = json_object();
    bool ok =
        set(object, "manifest", json_string(manifest->sha256)) &&
        set_count(object, "number", entry->number) &&
        set_count(object, "first_frame", entry->first_frame) &&
        set_count(object, "frames", entry->frames) &&
        set(object, "last", json_boolean(entry->last)) &&
        set(object, "next_pts", json_integer((json_int_t)entry->next.pts)) &&
        set(object, "next_sha256", json_string(entry->next.sha256)) &&
        set_count(object, "damaged", entry->damaged) &&
        set_count(object, "faulty", entry->faulty) &&
        set_count(object, "retimed", entry->retimed) &&
        set_count(object, "interlaced", entry->interlaced) &&
        set_count(object, "captioned", entry->captioned) &&
        set(object, "time_base", json_pack("[i, i]", entry->time_base.num, entry->time_base.den)) &&
        set_count(object, "reorder", entry->reorder) &&
        set_count(object, "size", entry->size_bytes) &&
        set(object, "sha256", json_string(entry->sha256)) &&
        set(object, "times", times_to_json(entry));
    char digest[MEDIA_DIGEST_BYTES];
    ok = ok && digest_object(object, digest) && set(object, own_digest, json_string(digest));
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

enum media_status media_segment_entry_write(const struct media_segment_entry *entry,
                                            const struct media_manifest *manifest,
                                            const struct media_parts *parts,
                                            struct media_error *error)
{
    char name[MEDIA_PARTS_NAME_BYTES];
    json_t *object = entry_to_json(entry, manifest);
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (text == NULL) {
        return fail_memory(error);
    }
    media_parts_segment_name(name, entry->number, "json");
    enum media_status status = media_parts_write(parts, name, text, error);
    free(text);
    return status;
}

/* False if it is no number from 0 to `most`. */
static bool get_count(json_t *object, const char *name, uint64_t most, uint64_t *value)
{
    json_t *found = json_object_get(object, name);
    json_int_t number = json_integer_value(found);
    *value = (uint64_t)number;
    return json_is_integer(found) && number >= 0 && (uint64_t)number <= most;
}

/* False if they do not fit the entry or memory runs out. */
static bool get_times(json_t *object, struct media_segment_entry *entry)
{
    json_t *list = json_object_get(object, "times");
    if (json_array_size(list) != entry->frames || entry->frames == 0) {
        return false;
    }
    entry->times = calloc((size_t)entry->frames, sizeof *entry->times);
    for (size_t i = 0; entry->times != NULL && i < json_array_size(list); i++) {
        json_t *time = json_array_get(list, i);
        entry->times[i].pts = json_integer_value(json_array_get(time, 0));
        entry->times[i].duration = json_integer_value(json_array_get(time, 1));
    }
    return entry->times != NULL;
}

static bool entry_from_json(json_t *object, struct media_segment_entry *entry)
{
    uint64_t reorder = 0;
    json_t *base = json_object_get(object, "time_base");
    json_int_t num = json_integer_value(json_array_get(base, 0));
    json_int_t den = json_integer_value(json_array_get(base, 1));
    bool ok = num > 0 && num <= INT32_MAX && den > 0 && den <= INT32_MAX &&
              get_count(object, "number", UINT32_MAX, &entry->number) &&
              get_count(object, "first_frame", INT64_MAX, &entry->first_frame) &&
              get_count(object, "frames", UINT32_MAX, &entry->frames) &&
              get_count(object, "damaged", INT64_MAX, &entry->damaged) &&
              get_count(object, "faulty", INT64_MAX, &entry->faulty) &&
              get_count(object, "retimed", INT64_MAX, &entry->retimed) &&
              get_count(object, "interlaced", INT64_MAX, &entry->interlaced) &&
              get_count(object, "captioned", INT64_MAX, &entry->captioned) &&
              get_count(object, "size", INT64_MAX, &entry->size_bytes) &&
              get_count(object, "reorder", 64, &reorder) &&
              get_digest(object, "sha256", entry->sha256) &&
              get_digest(object, "next_sha256", entry->next.sha256) && get_times(object, entry);
    entry->time_base = (AVRational){(int)num, (int)den};
    entry->reorder = (unsigned)reorder;
    entry->last = json_is_true(json_object_get(object, "last"));
    entry->next.pts = json_integer_value(json_object_get(object, "next_pts"));
    return ok;
}

enum media_status media_segment_entry_read(struct media_segment_entry *entry, uint64_t number,
                                           const struct media_manifest *manifest,
                                           const struct media_parts *parts, bool *found,
                                           struct media_error *error)
{
    char name[MEDIA_PARTS_NAME_BYTES], *text;
    *entry = (struct media_segment_entry){0};
    *found = false;
    media_parts_segment_name(name, number, "json");
    enum media_status status = media_parts_read(parts, name, &text, error);
    if (status != MEDIA_OK || text == NULL) {
        return status;
    }
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    const char *of = json_string_value(json_object_get(object, "manifest"));
    *found = of != NULL && strcmp(of, manifest->sha256) == 0 && is_intact(object) &&
             entry_from_json(object, entry) && entry->number == number;
    json_decref(object);
    if (!*found) {
        media_segment_entry_free(entry);
    }
    return MEDIA_OK;
}

bool media_segment_entry_verify(const struct media_segment_entry *entry,
                                const struct media_parts *parts)
{
    char name[MEDIA_PARTS_NAME_BYTES], digest[MEDIA_DIGEST_BYTES] = "";
    struct stat about;
    media_parts_segment_name(name, entry->number, "nut");
    char *path = media_parts_file(parts, name);
    bool ok = path != NULL && stat(path, &about) == 0 &&
              (uint64_t)about.st_size == entry->size_bytes &&
              media_digest_of_file(path, 0, digest, NULL) == MEDIA_OK &&
              strcmp(digest, entry->sha256) == 0;
    free(path);
    return ok;
}

void media_segment_entry_free(struct media_segment_entry *entry)
{
    free(entry->times);
    *entry = (struct media_segment_entry){0};
}
