/* SPDX-License-Identifier: MIT */
#include "media/video_encoder_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/opt.h>

#include "media/video_log.h"

enum { N_PRESETS = 10 };

static const char *const preset_names[N_PRESETS] = {"placebo",   "veryslow", "slower", "slow",
                                                    "medium",    "fast",     "faster", "veryfast",
                                                    "superfast", "ultrafast"};

struct encoder {
    const char *codec, *name;
    int default_crf, max_crf;   /* max_crf -1: has no quality setting */
    const char *speed_option;   /* NULL: none */
    const int *speed_of_preset; /* NULL: takes the names themselves */
    int max_speed;
    const char *fixed_option, *fixed_value;
};

/* Numbers that stand for about the same choice between time and size in each encoder. */
static const int svt_speeds[N_PRESETS] = {1, 3, 4, 5, 7, 8, 9, 10, 11, 12};
static const int aom_speeds[N_PRESETS] = {0, 1, 2, 3, 4, 5, 6, 6, 6, 6};
static const int vpx_speeds[N_PRESETS] = {0, 0, 1, 1, 2, 3, 4, 5, 5, 5};

/* libx265 prints to standard error by itself unless told not to. */
static const struct encoder encoders[] = {
    {"h264", "libx264", 18, 51, "preset", NULL, 0, NULL, NULL},
    {"hevc", "libx265", 20, 51, "preset", NULL, 0, "x265-params", "log-level=none"},
    {"av1", "libsvtav1", 24, 63, "preset", svt_speeds, 13, NULL, NULL},
    {"av1", "libaom-av1", 24, 63, "cpu-used", aom_speeds, 8, "row-mt", "1"},
    {"vp9", "libvpx-vp9", 24, 63, "cpu-used", vpx_speeds, 8, "row-mt", "1"},
    {"ffv1", "ffv1", -1, -1, NULL, NULL, 0, "level", "3"},
    {"prores", "prores_ks", -1, -1, NULL, NULL, 0, "vendor", "apl0"},
};

enum { N_ENCODERS = sizeof encoders / sizeof encoders[0] };

bool media_encoder_is_codec_name(const char *codec)
{
    for (size_t i = 0; i < N_ENCODERS; i++) {
        if (strcmp(encoders[i].codec, codec) == 0) {
            return true;
        }
    }
    return false;
}

const AVCodec *media_encoder_candidate(const char *codec, unsigned n)
{
    for (size_t i = 0; i < N_ENCODERS; i++) {
        if (strcmp(encoders[i].codec, codec) != 0) {
            continue;
        }
        const AVCodec *found = avcodec_find_encoder_by_name(encoders[i].name);
        if (found != NULL && n-- == 0) {
            return found;
        }
    }
    if (media_encoder_is_codec_name(codec) || n > 0) {
        return NULL;
    }
    const AVCodec *found = avcodec_find_encoder_by_name(codec);
    return found != NULL && found->type == AVMEDIA_TYPE_VIDEO ? found : NULL;
}

static const struct encoder *find_entry(const AVCodec *codec)
{
    for (size_t i = 0; i < N_ENCODERS; i++) {
        if (strcmp(encoders[i].name, codec->name) == 0) {
            return &encoders[i];
        }
    }
    return NULL;
}

bool media_encoder_has_option(const AVCodec *codec, const char *name)
{
    return codec->priv_class != NULL && av_opt_find2((void *)(uintptr_t)&codec->priv_class, name,
                                                     NULL, 0, AV_OPT_SEARCH_FAKE_OBJ, NULL) != NULL;
}

static enum media_status set_quality(const AVCodec *codec, const struct encoder *entry, int crf,
                                     AVDictionary **dictionary, struct media_error *error)
{
    if (crf < 0) {
        if (entry != NULL && entry->max_crf >= 0) {
            av_dict_set_int(dictionary, "crf", entry->default_crf, 0);
        }
        return MEDIA_OK;
    }
    if (entry != NULL ? entry->max_crf < 0 : !media_encoder_has_option(codec, "crf")) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "the encoder %s has no crf setting; leave --crf out", codec->name);
    }
    if (entry != NULL && crf > entry->max_crf) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "crf %d is out of range; %s takes 0 (best) to %d", crf, codec->name,
                          entry->max_crf);
    }
    av_dict_set_int(dictionary, "crf", crf, 0);
    return MEDIA_OK;
}

static bool is_preset_name(const char *preset)
{
    for (size_t i = 0; i < N_PRESETS; i++) {
        if (strcmp(preset_names[i], preset) == 0) {
            return true;
        }
    }
    return false;
}

/* A preset's number for an encoder that counts, or -1. */
static int speed_number(const struct encoder *entry, const char *preset)
{
    for (size_t i = 0; i < N_PRESETS; i++) {
        if (strcmp(preset_names[i], preset) == 0) {
            return entry->speed_of_preset[i];
        }
    }
    char *end;
    errno = 0;
    long number = strtol(preset, &end, 10);
    bool valid = errno == 0 && end != preset && *end == '\0' && number >= 0;
    return valid && number <= entry->max_speed ? (int)number : -1;
}

static enum media_status set_speed(const AVCodec *codec, const struct encoder *entry,
                                   const char *preset, AVDictionary **dictionary,
                                   struct media_error *error)
{
    bool given = preset != NULL;
    const char *option = entry != NULL ? entry->speed_option : "preset";
    if (option == NULL || (entry == NULL && !media_encoder_has_option(codec, option))) {
        return given ? media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                                  "the encoder %s has no presets; leave --preset out", codec->name)
                     : MEDIA_OK;
    }
    if (!given && entry == NULL) {
        return MEDIA_OK;
    }
    preset = given ? preset : "medium";
    if (entry != NULL && entry->speed_of_preset == NULL && !is_preset_name(preset)) {
        return media_fail(
            error, MEDIA_ERROR_UNSUPPORTED,
            "unknown preset \"%s\"; %s takes placebo, veryslow, slower, slow, medium, "
            "fast, faster, veryfast, superfast, ultrafast",
            preset, codec->name);
    }
    if (entry == NULL || entry->speed_of_preset == NULL) {
        av_dict_set(dictionary, option, preset, 0);
        return MEDIA_OK;
    }
    int number = speed_number(entry, preset);
    if (number < 0) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "unknown preset \"%s\"; %s takes placebo, veryslow ... medium ... "
                          "ultrafast, or 0 to %d",
                          preset, codec->name, entry->max_speed);
    }
    av_dict_set_int(dictionary, option, number, 0);
    return MEDIA_OK;
}

/* Where quality is set by other means, a default crf would overrule them. */
static bool sets_rate(const AVDictionary *own)
{
    static const char *const names[] = {"b", "qp", "crf", "global_quality", "cq", "lossless"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (av_dict_get(own, names[i], NULL, 0) != NULL) {
            return true;
        }
    }
    return false;
}

static void set_settings(const struct media_encoder_settings *settings, bool same_format,
                         AVDictionary **dictionary)
{
    if (settings->codec == NULL) {
        return;
    }
    if (settings->profile != NULL && same_format) {
        av_dict_set(dictionary, "profile", settings->profile, 0);
    }
    if (settings->keyframe_distance > 0) {
        av_dict_set_int(dictionary, "g", settings->keyframe_distance, 0);
    }
    if (settings->no_b_frames) {
        av_dict_set(dictionary, "bf", "0", 0);
    }
}

/* cuTree of libx265 (3.5) takes four blocks of 16 pixels at a time, also where there are not as
 * many, and writes behind its memory then. */
static void avoid_small_cutree(const AVCodecContext *context, AVDictionary **dictionary)
{
    enum { LARGEST_UNSAFE_WIDTH_PX = 48 };
    if (strcmp(context->codec->name, "libx265") == 0 && context->width <= LARGEST_UNSAFE_WIDTH_PX) {
        av_dict_set(dictionary, "x265-params", ":cutree=0", AV_DICT_APPEND);
    }
}

/* The user's own words, over ours; lists of parameters of the encoder behind the encoder are
 * joined. */
static enum media_status add_own(const AVDictionary *own, AVDictionary **dictionary,
                                 struct media_error *error)
{
    const AVDictionaryEntry *entry = NULL;
    while ((entry = av_dict_get(own, "", entry, AV_DICT_IGNORE_SUFFIX)) != NULL) {
        const AVDictionaryEntry *ours = av_dict_get(*dictionary, entry->key, NULL, 0);
        const size_t length = strlen(entry->key);
        const bool is_list = length > 7 && strcmp(entry->key + length - 7, "-params") == 0;
        int av_status = 0;
        if (ours != NULL && is_list) {
            av_status = av_dict_set(dictionary, entry->key, ":", AV_DICT_APPEND);
        }
        if (av_status >= 0) {
            av_status = av_dict_set(dictionary, entry->key, entry->value,
                                    ours != NULL && is_list ? AV_DICT_APPEND : 0);
        }
        if (av_status < 0) {
            return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
        }
    }
    return MEDIA_OK;
}

/* libx264 prints its own line about an unknown word for these two, so it does not get to see one.
 */
static bool is_unknown_to_x264(const AVCodec *codec, const char *option, const char *value)
{
    static const char tunes[] =
        " film animation grain stillimage psnr ssim fastdecode zerolatency touhou ";
    static const char profiles[] = " baseline main high high10 high422 high444 ";
    const char *known = strcmp(option, "tune") == 0      ? tunes
                        : strcmp(option, "profile") == 0 ? profiles
                                                         : NULL;
    if (known == NULL || strcmp(codec->name, "libx264") != 0) {
        return false;
    }
    static const char separators[] = ",./-+"; /* of tunes */
    for (const char *word = value; *word != '\0';) {
        size_t length = strcspn(word, separators);
        char padded[32];
        if (length > 20 || snprintf(padded, sizeof padded, " %.*s ", (int)length, word) < 0 ||
            strstr(known, padded) == NULL) {
            return true;
        }
        word += length + (word[length] != '\0');
    }
    return false;
}

static enum media_status apply(AVCodecContext *context, const AVDictionary *dictionary,
                               struct media_error *error)
{
    const AVDictionaryEntry *entry = NULL;
    while ((entry = av_dict_get(dictionary, "", entry, AV_DICT_IGNORE_SUFFIX)) != NULL) {
        int av_status = av_opt_set(context, entry->key, entry->value, AV_OPT_SEARCH_CHILDREN);
        if (is_unknown_to_x264(context->codec, entry->key, entry->value)) {
            av_status = AVERROR(EINVAL);
        }
        if (av_status == AVERROR_OPTION_NOT_FOUND) {
            return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                              "the encoder %s has no option \"%s\"; 'ffmpeg -h encoder=%s' lists "
                              "them",
                              context->codec->name, entry->key, context->codec->name);
        }
        if (av_status < 0) {
            return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                              "the encoder %s does not take \"%s\" for its option %s",
                              context->codec->name, entry->value, entry->key);
        }
    }
    return MEDIA_OK;
}

static enum media_status parse_own(const char *text, AVDictionary **own, struct media_error *error)
{
    if (text != NULL && av_dict_parse_string(own, text, "=", ":", 0) < 0) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "--encoder-opts takes key=value:key=value..., not \"%s\"; a : within a "
                          "value is written \\:",
                          text);
    }
    return MEDIA_OK;
}

enum media_status media_encoder_set_options(AVCodecContext *context,
                                            const struct media_video_options *options,
                                            const struct media_encoder_settings *settings,
                                            const struct media_hdr *hdr, struct media_error *error)
{
    const AVCodec *codec = context->codec;
    const struct encoder *entry = find_entry(codec);
    AVDictionary *dictionary = NULL, *own = NULL;
    enum media_status status = parse_own(options->encoder_opts, &own, error);
    if (status == MEDIA_OK && (options->crf >= 0 || !sets_rate(own))) {
        status = set_quality(codec, entry, options->crf, &dictionary, error);
    }
    if (status == MEDIA_OK) {
        status = set_speed(codec, entry, options->preset, &dictionary, error);
    }
    if (status == MEDIA_OK) {
        if (entry != NULL && entry->fixed_option != NULL) {
            av_dict_set(&dictionary, entry->fixed_option, entry->fixed_value, 0);
        }
        avoid_small_cutree(context, &dictionary);
        set_settings(settings, options->pix_fmt == NULL, &dictionary);
        status = media_hdr_set_params(codec, hdr, &dictionary) >= 0
                     ? add_own(own, &dictionary, error)
                     : media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    if (status == MEDIA_OK) {
        status = apply(context, dictionary, error);
    }
    av_dict_free(&dictionary);
    av_dict_free(&own);
    return status;
}

enum media_status media_encoder_set_own_options(AVCodecContext *context, const char *text,
                                                struct media_error *error)
{
    AVDictionary *own = NULL;
    enum media_status status = parse_own(text, &own, error);
    if (status == MEDIA_OK) {
        status = apply(context, own, error);
    }
    av_dict_free(&own);
    return status;
}

enum media_status media_encoder_check_opened(const AVCodecContext *context,
                                             struct media_error *error)
{
    char warning[200];
    media_video_log_last_warning(warning, sizeof warning);
    if (strstr(warning, "Error parsing option") == NULL &&
        strstr(warning, "Unknown option") == NULL && strstr(warning, "Invalid value") == NULL) {
        return MEDIA_OK;
    }
    return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "the encoder %s does not understand%s",
                      context->codec->name, warning);
}
