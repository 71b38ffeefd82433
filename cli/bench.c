/* SPDX-License-Identifier: MIT
 *
 * `pipersr bench`: finds the measurement.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/message.h"

static const char help[] =
    "Usage: pipersr bench speed [options]         ms per frame, and the share of this CPU's peak\n"
    "       pipersr bench quality DIR [options]   PSNR and SSIM on a folder with HR/ and LR/\n"
    "       pipersr bench video CLIP [options]    ms per frame of decoder, network and encoder\n"
    "\n"
    "Each has its own --help.\n"
    "\n" CLI_EXIT_STATUS_HELP;

int cli_bench(const char *program_path, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        fputs(help, stdout);
        return cli_flush_stdout();
    }
    if (strcmp(word, "speed") == 0)
        return cli_bench_speed(argc - 1, argv + 1);
    if (strcmp(word, "quality") == 0)
        return cli_bench_quality(program_path, argc - 1, argv + 1);
    if (strcmp(word, "video") == 0)
        return cli_bench_video(argc - 1, argv + 1);
    if (!*word)
        return cli_usage_error("bench", "say what to measure: speed, quality or video");
    return cli_usage_error("bench", "unknown measurement '%s'", word);
}
