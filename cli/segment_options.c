/* SPDX-License-Identifier: MIT */
#include "cli/segment_options.h"

#include <stdio.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/message.h"
#include "cli/option_values.h"

static const char command[] = "segment";

static const char help[] =
    "Usage: pipersr segment plan INPUT -o OUTPUT [options of upscale]\n"
    "       pipersr segment run-segment N OUTPUT.parts [options]\n"
    "       pipersr segment join OUTPUT.parts [-o OUTPUT] [options]\n"
    "\n"
    "A video job in pieces, for several processes or machines. `plan` decodes INPUT once and "
    "writes\n"
    "the folder OUTPUT.parts; its options, such as --codec, --model and --segment-frames, hold "
    "for\n"
    "all steps. `run-segment` makes one segment, numbered from 0, in any order, anywhere that "
    "sees\n"
    "input and folder under the same names. `join` checks that all are there and whole, writes\n"
    "OUTPUT with the sound and everything else of INPUT, and removes the folder. Each step may be\n"
    "repeated: what is whole is not made again.\n"
    "\n"
    "      --threads N          worker threads, 0 to 1024 (default 0: all CPUs)\n"
    "      --isa NAME           instruction set: auto (default), c, avx2, avx512, amx, neon\n"
    "      --memory-limit SIZE  upper bound of the network's memory, such as 512M or 2G\n"
    "  -o, --output FILE        of join: another name than the plan's, in its container\n"
    "  -f, --force              of join: overwrite an output that exists; of plan: discard "
    "another\n"
    "                           job\n"
    "  -q, --quiet              errors only\n"
    "  -h, --help               this text\n"
    "\n" CLI_EXIT_STATUS_HELP;

static const struct option long_options[] = {
    {"threads", required_argument, NULL, CLI_OPTION_THREADS},
    {"isa", required_argument, NULL, CLI_OPTION_ISA},
    {"memory-limit", required_argument, NULL, CLI_OPTION_MEMORY_LIMIT},
    {"output", required_argument, NULL, 'o'},
    {"force", no_argument, NULL, 'f'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int print_help(void)
{
    fputs(help, stdout);
    return cli_flush_stdout();
}

int cli_segment_help(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return print_help();
    return *word ? cli_usage_error(command, "unknown step '%s'; there are plan, run-segment, join",
                                   word)
                 : cli_usage_error(command, "no step given; there are plan, run-segment, join");
}

static int parse_option(int option, const char *value, struct cli_segment_options *options)
{
    switch (option) {
    case 'o':
        options->output = value;
        return *value ? CLI_EXIT_OK : cli_usage_error(command, "--output takes a name, not ''");
    case 'f':
        options->force = true;
        return CLI_EXIT_OK;
    case 'q':
        options->quiet = true;
        return CLI_EXIT_OK;
    default:
        return cli_parse_engine_option(command, option, value, &options->engine);
    }
}

static int parse_words(int count, char **words, bool takes_number,
                       struct cli_segment_options *options)
{
    if (takes_number && (options->output || options->force))
        return cli_usage_error(command, "run-segment writes into the folder: %s is for join",
                               options->output ? "--output" : "--force");
    if (count != (takes_number ? 2 : 1))
        return cli_usage_error(command, takes_number ? "run-segment takes a number and the folder"
                                                     : "join takes the folder");
    if (takes_number && !cli_parse_integer(words[0], 0, UINT32_MAX, &options->number))
        return cli_usage_error(command, "run-segment takes a number first, not '%s'", words[0]);
    options->parts_folder = words[count - 1];
    return CLI_EXIT_OK;
}

bool cli_segment_parse(int argc, char **argv, bool takes_number,
                       struct cli_segment_options *options, int *exit_status)
{
    *options = (struct cli_segment_options){0};
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":o:fqh", long_options, NULL)) != -1) {
        if (option == 'h') {
            *exit_status = print_help();
            return false;
        }
        *exit_status = option == ':' || option == '?' ? cli_option_problem(command, option, argv)
                                                      : parse_option(option, optarg, options);
        if (*exit_status != CLI_EXIT_OK)
            return false;
    }
    *exit_status = parse_words(argc - optind, argv + optind, takes_number, options);
    return *exit_status == CLI_EXIT_OK;
}
