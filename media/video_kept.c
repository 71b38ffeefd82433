/* SPDX-License-Identifier: MIT */
#include "media/video_kept.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>

#include "media/video_compat.h"
#include "media/video_io.h"

/* A list in one line. What does not fit any more is left out. */
struct lost {
    char line[400];
    size_t length;
    unsigned n_left_out;
};

static void add(struct lost *lost, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct lost *lost, const char *format, ...)
{
    char item[120];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(item, sizeof item, format, arguments);
    va_end(arguments);
    size_t needed = strlen(item) + 2;
    if (lost->length + needed >= sizeof lost->line) {
        lost->n_left_out++;
        return;
    }
    lost->length += (size_t)snprintf(lost->line + lost->length, sizeof lost->line - lost->length,
                                     "%s%s", lost->length > 0 ? ", " : "", item);
}

/* Facts about the file itself, which every muxer sets anew or needs no tag for. */
static bool is_about_the_file(const char *key)
{
    static const char *const keys[] = {"encoder",      "duration",    "creation_time", "vendor_id",
                                       "handler_name", "major_brand", "minor_version", "language",
                                       "filename",     "mimetype",    "software",      "timecode",
                                       "stereo_mode",  "rotate"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (av_strcasecmp(keys[i], key) == 0) {
            return true;
        }
    }
    return av_stristart(key, "BPS", NULL) || av_stristart(key, "NUMBER_OF_", NULL) ||
           av_stristart(key, "_STATISTICS_", NULL);
}

static bool has_timecode(const AVFormatContext *file)
{
    bool has = av_dict_get(file->metadata, "timecode", NULL, 0) != NULL;
    for (unsigned i = 0; i < file->nb_streams; i++) {
        has |= av_dict_get(file->streams[i]->metadata, "timecode", NULL, 0) != NULL;
    }
    return has;
}

static void compare_tags(struct lost *lost, const char *what, AVDictionary *wanted,
                         AVDictionary *found)
{
    const AVDictionaryEntry *tag = NULL;
    while ((tag = av_dict_get(wanted, "", tag, AV_DICT_IGNORE_SUFFIX)) != NULL) {
        if (!is_about_the_file(tag->key) && av_dict_get(found, tag->key, NULL, 0) == NULL) {
            add(lost, "%stag %s", what, tag->key);
        }
    }
}

static void compare_language(struct lost *lost, const char *what, const AVStream *wanted,
                             const AVStream *found)
{
    const AVDictionaryEntry *old = av_dict_get(wanted->metadata, "language", NULL, 0);
    const AVDictionaryEntry *new = av_dict_get(found->metadata, "language", NULL, 0);
    if (old != NULL && strcmp(old->value, "und") != 0 &&
        (new == NULL || strcmp(new->value, old->value) != 0)) {
        add(lost, "%slanguage %s", what, old->value);
    }
}

static void compare_marks(struct lost *lost, const char *what, const AVStream *wanted,
                          const AVStream *found)
{
    /* "default" means nothing where a container cannot say the contrary. */
    int missing = wanted->disposition & ~found->disposition & ~AV_DISPOSITION_DEFAULT;
    for (int bit = 0; bit < 31; bit++) {
        if ((missing & 1 << bit) != 0) {
            const char *name = av_disposition_to_string(1 << bit);
            add(lost, "%smark %s", what, name != NULL ? name : "?");
        }
    }
}

static void compare_side_data(struct lost *lost, const AVStream *wanted, const AVStream *found)
{
    static const struct {
        enum AVPacketSideDataType type;
        const char *name;
    } kinds[] = {
        {AV_PKT_DATA_DISPLAYMATRIX, "rotation"},
        {AV_PKT_DATA_STEREO3D, "description of a stereoscopic picture"},
        {AV_PKT_DATA_SPHERICAL, "description of a spherical picture"},
        {AV_PKT_DATA_MASTERING_DISPLAY_METADATA, "mastering display"},
        {AV_PKT_DATA_CONTENT_LIGHT_LEVEL, "content light level"},
        {AV_PKT_DATA_ICC_PROFILE, "ICC profile"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t size_bytes;
        if (media_stream_side_data(wanted, kinds[i].type, &size_bytes) != NULL &&
            media_stream_side_data(found, kinds[i].type, &size_bytes) == NULL) {
            add(lost, "%s", kinds[i].name);
        }
    }
}

static void compare(struct lost *lost, const AVFormatContext *wanted, const AVFormatContext *found)
{
    compare_tags(lost, "", wanted->metadata, found->metadata);
    if (has_timecode(wanted) && !has_timecode(found)) { /* of the file or of a stream: the same */
        add(lost, "time code");
    }
    if (found->nb_chapters < wanted->nb_chapters) {
        add(lost, "%u of %u chapters", wanted->nb_chapters - found->nb_chapters,
            wanted->nb_chapters);
    }
    for (unsigned i = 0; i < wanted->nb_streams && i < found->nb_streams; i++) {
        const AVStream *old = wanted->streams[i], *new = found->streams[i];
        char what[32];
        snprintf(what, sizeof what, "stream %u's ", i);
        compare_tags(lost, what, old->metadata, new->metadata);
        compare_language(lost, what, old, new);
        compare_marks(lost, what, old, new);
        compare_side_data(lost, old, new);
    }
}

static AVFormatContext *open_again(struct media_video_io *io)
{
    AVFormatContext *found = avformat_alloc_context();
    if (found == NULL) {
        return NULL;
    }
    found->pb = io->context;
    AVDictionary *options = NULL;
    av_dict_set(&options, "protocol_whitelist", "none", 0);
    int status = avformat_open_input(&found, "", NULL, &options);
    av_dict_free(&options);
    /* What the picture's own bytes say counts as well. */
    if (status >= 0 && avformat_find_stream_info(found, NULL) < 0) {
        avformat_close_input(&found);
    }
    return found;
}

void media_video_note_lost(const struct media_job *job, const AVFormatContext *wanted,
                           const char *path)
{
    struct media_video_io io;
    if (job->on_note == NULL || strcmp(path, "-") == 0 ||
        media_video_io_open_input(&io, path, job->cancel, NULL) != MEDIA_OK) {
        return;
    }
    AVFormatContext *found = io.regular_file ? open_again(&io) : NULL;
    struct lost lost = {.length = 0};
    if (found != NULL) {
        compare(&lost, wanted, found);
        avformat_close_input(&found);
    }
    media_video_io_close(&io);
    if (lost.length > 0) {
        char line[sizeof lost.line + 64], more[32] = "";
        if (lost.n_left_out > 0) {
            snprintf(more, sizeof more, " and %u more", lost.n_left_out);
        }
        snprintf(line, sizeof line, "%s has no place for: %s%s", wanted->oformat->name, lost.line,
                 more);
        job->on_note(job->opaque, line);
    }
}
