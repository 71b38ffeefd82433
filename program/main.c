/* SPDX-License-Identifier: MIT
 *
 * The program `pipersr`: finds the sub-command, in cli/ or in server/.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/message.h"
#ifdef PIPERSR_SERVER
#include "server/commands.h"
#endif

static const char help[] =
    "Usage: pipersr upscale INPUT... [-o OUTPUT]   double the size of photos and videos\n"
    "       pipersr -i photo.png -o photo_2x.png   the same, in short\n"
    "       pipersr info                           model, CPU features and libraries in use\n"
    "       pipersr calibrate DIR [-o MODEL]       a model file for --precision int8, from photos\n"
    "       pipersr export --format F -o MODEL     a model as an ONNX file or a Core ML package\n"
    "       pipersr segment plan|run-segment|join  a video in pieces, on several machines\n"
    "       pipersr bench speed                    how fast the network runs here\n"
    "       pipersr bench quality DIR              PSNR and SSIM on a folder with HR/ and LR/\n"
    "       pipersr bench video CLIP               how fast decoder, network and encoder run here\n"
#ifdef PIPERSR_SERVER
    "       pipersr serve                          the same for programs and browsers, over HTTP\n"
    "       pipersr mcp [--allow-dir DIR]          the same for assistants, over standard input\n"
#endif
    "\n"
    "  -h, --help     this text; each command has its own, e.g. pipersr upscale --help\n"
    "  -V, --version  the version\n"
    "\n" CLI_EXIT_STATUS_HELP;

static int print_help(void)
{
    fputs(help, stdout);
    return cli_flush_stdout();
}

static int print_version(void)
{
    printf("pipersr %s\n", pipersr_version());
    return cli_flush_stdout();
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return cli_usage_error("", "nothing to do: name a file, as in 'pipersr upscale photo.png'");
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return print_help();
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return print_version();
    if (strcmp(word, "upscale") == 0)
        return cli_upscale(argv[0], argc - 1, argv + 1);
    if (strcmp(word, "info") == 0)
        return cli_info(argv[0], argc - 1, argv + 1);
    if (strcmp(word, "calibrate") == 0)
        return cli_calibrate(argv[0], argc - 1, argv + 1);
    if (strcmp(word, "export") == 0)
        return cli_export(argc - 1, argv + 1);
    if (strcmp(word, "segment") == 0)
        return cli_segment(argc - 1, argv + 1);
    if (strcmp(word, "bench") == 0)
        return cli_bench(argv[0], argc - 1, argv + 1);
#ifdef PIPERSR_SERVER
    if (strcmp(word, "serve") == 0)
        return server_serve(argc - 1, argv + 1);
    if (strcmp(word, "mcp") == 0)
        return server_mcp_command(argc - 1, argv + 1);
    if (strcmp(word, SERVER_WORKER_COMMAND) == 0)
        return server_worker(argv[0]);
#endif
    if (word[0] == '-')
        return cli_upscale(argv[0], argc, argv);
    return cli_usage_error("", "unknown command '%s' (to upscale a file: pipersr upscale FILE)",
                           word);
}
