/* SPDX-License-Identifier: MIT */
#include "cli/upscale_video_options.h"

#include <getopt.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/message.h"
#include "media/sequence.h"
#include "media/video_words.h"

static int parse_word(const char *command, const char *option, const char *value, const char **word)
{
    if (!*value)
        return cli_usage_error(command, "%s takes a value, not ''", option);
    *word = value;
    return CLI_EXIT_OK;
}

/* 0 as a duration or an end would mean nothing at all, and is the word for "not given". */
static int parse_time(const char *command, const char *option, const char *value,
                      bool zero_is_allowed, int64_t *time_us)
{
    int64_t parsed_us;
    if (!media_parse_time(value, &parsed_us) || (parsed_us == 0 && !zero_is_allowed))
        return cli_usage_error(command, "%s takes " MEDIA_TIME_WORDS ", not '%s'", option, value);
    *time_us = parsed_us;
    return CLI_EXIT_OK;
}

int cli_video_letter(const char *command, int argc, char **argv, int *option, const char **value)
{
    if (*option == 't') {
        *option = CLI_VIDEO_DURATION;
        return CLI_EXIT_OK;
    }
    if (*option != 's')
        return CLI_EXIT_OK;
    if (strcmp(*value, "s") != 0)
        return cli_usage_error(command, "unknown option '-s'; the start is -ss or --start");
    if (optind >= argc)
        return cli_usage_error(command, "-ss needs a value");
    *option = CLI_VIDEO_START;
    *value = argv[optind++];
    return CLI_EXIT_OK;
}

int cli_check_video_options(const char *command, const struct media_video_options *video)
{
    if (video->duration_us > 0 && video->end_us > 0)
        return cli_usage_error(command, "--duration and --to exclude each other");
    if (video->end_us > 0 && video->end_us <= video->start_us)
        return cli_usage_error(command, "--to must be later than --start");
    return CLI_EXIT_OK;
}

int cli_parse_video_option(const char *command, int option, const char *value,
                           struct media_video_options *video)
{
    uint64_t number;
    switch (option) {
    case CLI_VIDEO_CODEC:
        return parse_word(command, "--codec", value, &video->codec);
    case CLI_VIDEO_PRESET:
        return parse_word(command, "--preset", value, &video->preset);
    case CLI_VIDEO_PIX_FMT:
        return parse_word(command, "--pix-fmt", value, &video->pix_fmt);
    case CLI_VIDEO_ENCODER_OPTS:
        return parse_word(command, "--encoder-opts", value, &video->encoder_opts);
    case CLI_VIDEO_ENCODER_THREADS:
        if (!cli_parse_integer(value, 0, CLI_MAX_ENCODER_THREADS, &number))
            return cli_usage_error(command, "--encoder-threads takes 0 to %d, not '%s'",
                                   CLI_MAX_ENCODER_THREADS, value);
        video->encoder_threads = (unsigned)number;
        return CLI_EXIT_OK;
    case CLI_VIDEO_FRAMERATE:
        if (!cli_parse_ratio(value, &video->framerate_num, &video->framerate_den))
            return cli_usage_error(command,
                                   "--framerate takes frames per second such as 25, 29.97 or "
                                   "24000/1001, not '%s'",
                                   value);
        return CLI_EXIT_OK;
    case CLI_VIDEO_START_NUMBER:
        if (!cli_parse_integer(value, 0, MEDIA_SEQUENCE_MOST, &video->start_number))
            return cli_usage_error(command, "--start-number takes 0 to %d, not '%s'",
                                   MEDIA_SEQUENCE_MOST, value);
        video->has_start_number = true;
        return CLI_EXIT_OK;
    case CLI_VIDEO_NO_REUSE:
        video->no_reuse = true;
        return CLI_EXIT_OK;
    case CLI_VIDEO_START:
        return parse_time(command, "--start", value, true, &video->start_us);
    case CLI_VIDEO_DURATION:
        return parse_time(command, "--duration", value, false, &video->duration_us);
    case CLI_VIDEO_TO:
        return parse_time(command, "--to", value, false, &video->end_us);
    case CLI_VIDEO_MAX_HEIGHT:
        if (!cli_parse_integer(value, 2, 65536, &number))
            return cli_usage_error(command, "--max-height takes 2 to 65536, not '%s'", value);
        video->max_height_px = (uint32_t)number;
        return CLI_EXIT_OK;
    case CLI_VIDEO_ALLOW_LOSSY:
        if (!media_parse_losses(value, &video->allow_lossy))
            return cli_usage_error(command, "--allow-lossy takes " MEDIA_LOSS_WORDS ", not '%s'",
                                   value);
        return CLI_EXIT_OK;
    case CLI_VIDEO_STRICT:
        video->strict = true;
        return CLI_EXIT_OK;
    case CLI_VIDEO_DEINTERLACE:
        if (!media_parse_deinterlace(value, &video->deinterlace))
            return cli_usage_error(
                command, "--deinterlace takes " MEDIA_DEINTERLACE_WORDS ", not '%s'", value);
        return CLI_EXIT_OK;
    default:
        if (!cli_parse_integer(value, 0, 63, &number))
            return cli_usage_error(command, "--crf takes 0 to 63, not '%s'", value);
        video->crf = (int)number;
        return CLI_EXIT_OK;
    }
}
