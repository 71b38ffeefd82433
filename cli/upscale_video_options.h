/* SPDX-License-Identifier: MIT
 *
 * The options of `pipersr upscale` that are about videos only.
 */
#ifndef CLI_UPSCALE_VIDEO_OPTIONS_H
#define CLI_UPSCALE_VIDEO_OPTIONS_H

#include "cli/option_values.h"
#include "media/video.h"

/* Values of getopt_long(); the command's own follow them. */
enum cli_video_option {
    CLI_VIDEO_CODEC = CLI_OPTION_OF_COMMAND,
    CLI_VIDEO_CRF,
    CLI_VIDEO_PRESET,
    CLI_VIDEO_PIX_FMT,
    CLI_VIDEO_ENCODER_OPTS,
    CLI_VIDEO_ENCODER_THREADS,
    CLI_VIDEO_DEINTERLACE,
    CLI_VIDEO_START,
    CLI_VIDEO_DURATION,
    CLI_VIDEO_TO,
    CLI_VIDEO_MAX_HEIGHT,
    CLI_VIDEO_ALLOW_LOSSY,
    CLI_VIDEO_STRICT,
    CLI_VIDEO_NO_REUSE,
    CLI_VIDEO_FRAMERATE,
    CLI_VIDEO_START_NUMBER,
    CLI_VIDEO_OPTION_END
};

/* Entries of a `struct option` table. */
#define CLI_VIDEO_OPTIONS                                                                          \
    {"codec", required_argument, NULL, CLI_VIDEO_CODEC},                                           \
        {"crf", required_argument, NULL, CLI_VIDEO_CRF},                                           \
        {"preset", required_argument, NULL, CLI_VIDEO_PRESET},                                     \
        {"pix-fmt", required_argument, NULL, CLI_VIDEO_PIX_FMT},                                   \
        {"deinterlace", required_argument, NULL, CLI_VIDEO_DEINTERLACE},                           \
        {"start", required_argument, NULL, CLI_VIDEO_START},                                       \
        {"duration", required_argument, NULL, CLI_VIDEO_DURATION},                                 \
        {"max-height", required_argument, NULL, CLI_VIDEO_MAX_HEIGHT},                             \
        {"allow-lossy", required_argument, NULL, CLI_VIDEO_ALLOW_LOSSY},                           \
        {"strict", no_argument, NULL, CLI_VIDEO_STRICT},                                           \
        {"to", required_argument, NULL, CLI_VIDEO_TO},                                             \
        {"no-reuse", no_argument, NULL, CLI_VIDEO_NO_REUSE},                                       \
        {"framerate", required_argument, NULL, CLI_VIDEO_FRAMERATE},                               \
        {"start-number", required_argument, NULL, CLI_VIDEO_START_NUMBER},                         \
        {"encoder-opts", required_argument, NULL, CLI_VIDEO_ENCODER_OPTS},                         \
    {                                                                                              \
        "encoder-threads", required_argument, NULL, CLI_VIDEO_ENCODER_THREADS                      \
    }

/* The letters of getopt_long(): -ss comes as s with the value "s", see cli_video_letter(). */
#define CLI_VIDEO_LETTERS "s:t:"

#define CLI_VIDEO_OPTIONS_HELP                                                                     \
    "  -ss, --start TIME        begin there: seconds, MM:SS or HH:MM:SS, with a fraction if need " \
    "be\n"                                                                                         \
    "  -t, --duration TIME      stop after that much of it\n"                                      \
    "      --to TIME            stop there, counted from the beginning of the file\n"              \
    "      --codec NAME         h264 (default), hevc, av1, vp9, ffv1, prores, an encoder of\n"     \
    "                           FFmpeg, or copy-settings: what the input has, as far as it\n"      \
    "                           tells: codec, profile, B-frames, distance of keyframes\n"          \
    "      --crf N              0 to 63, lower is better (default 18 for H.264)\n"                 \
    "      --preset NAME        the encoder's preset (default medium)\n"                           \
    "      --pix-fmt NAME       pixel format, such as yuv420p10le (default: the input's, or the\n" \
    "                           nearest that the encoder takes)\n"                                 \
    "      --encoder-opts K=V:K=V...\n"                                                            \
    "                           options of the encoder in FFmpeg's words, such as "                \
    "g=48:tune=film\n"                                                                             \
    "      --deinterlace WHEN   auto (default): frames that say they are interlaced; yes: all; "   \
    "no\n"                                                                                         \
    "      --max-height N       never higher than that: what the network makes is fitted to it\n"  \
    "      --allow-lossy LIST   go on where these are lost: dolby-vision, hdr10plus, hdr-vivid, "  \
    "hdr,\n"                                                                                       \
    "                           depth; else what cannot be kept is refused\n"                      \
    "      --strict             stop at damage; else what can be decoded is, and the rest "        \
    "counted\n"                                                                                    \
    "      --framerate R        of numbered pictures, such as 30 or 24000/1001 (default 25)\n"     \
    "      --start-number N     of their first (default: the lowest; for output 1, or the "        \
    "input's)\n"                                                                                   \
    "      --encoder-threads N  threads of the encoder, 0 to 128 (default 0: all CPUs)\n"          \
    "      --no-reuse           compute again what stays as it was before: the same "              \
    "result, later\n"

/* Turns a letter of CLI_VIDEO_LETTERS, with its value, into the option that it stands for. Returns
 * CLI_EXIT_OK, or CLI_EXIT_USAGE with a message; another option stays as it is. */
int cli_video_letter(const char *command, int argc, char **argv, int *option, const char **value);

/* Are the options, now that all are known, ones that go together? As above. */
int cli_check_video_options(const char *command, const struct media_video_options *video);

/* Takes one of the options above. Returns CLI_EXIT_OK, or CLI_EXIT_USAGE with a message. */
int cli_parse_video_option(const char *command, int option, const char *value,
                           struct media_video_options *video);

#endif
