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
    CLI_VIDEO_NO_REUSE,
    CLI_VIDEO_OPTION_END
};

/* Entries of a `struct option` table. */
#define CLI_VIDEO_OPTIONS                                                                          \
    {"codec", required_argument, NULL, CLI_VIDEO_CODEC},                                           \
        {"crf", required_argument, NULL, CLI_VIDEO_CRF},                                           \
        {"preset", required_argument, NULL, CLI_VIDEO_PRESET},                                     \
        {"pix-fmt", required_argument, NULL, CLI_VIDEO_PIX_FMT},                                   \
        {"deinterlace", required_argument, NULL, CLI_VIDEO_DEINTERLACE},                           \
        {"no-reuse", no_argument, NULL, CLI_VIDEO_NO_REUSE},                                       \
        {"encoder-opts", required_argument, NULL, CLI_VIDEO_ENCODER_OPTS},                         \
    {                                                                                              \
        "encoder-threads", required_argument, NULL, CLI_VIDEO_ENCODER_THREADS                      \
    }

#define CLI_VIDEO_OPTIONS_HELP                                                                     \
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
    "      --encoder-threads N  threads of the encoder, 0 to 128 (default 0: all CPUs)\n"          \
    "      --no-reuse           compute again what stays as in the frame before: the same "        \
    "result, later\n"

/* Takes one of the options above. Returns CLI_EXIT_OK, or CLI_EXIT_USAGE with a message. */
int cli_parse_video_option(const char *command, int option, const char *value,
                           struct media_video_options *video);

#endif
