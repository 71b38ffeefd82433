/* SPDX-License-Identifier: MIT
 *
 * Values of command-line options: numbers with ranges and suffixes, and the options of the engine
 * that several sub-commands share. A wrong value is reported in one line that names the option and
 * what it takes.
 */
#ifndef CLI_OPTION_VALUES_H
#define CLI_OPTION_VALUES_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/engine.h"

/* Values of getopt_long() for the long options without a letter. */
enum cli_option {
    CLI_OPTION_THREADS = 256,
    CLI_OPTION_PRECISION,
    CLI_OPTION_ISA,
    CLI_OPTION_MODEL,
    CLI_OPTION_MEMORY_LIMIT,
    CLI_OPTION_OF_COMMAND /* first of the sub-command's own */
};

/* libx264 takes up to 128 threads, and no encoder gains by more. */
enum { CLI_MAX_ENCODER_THREADS = 128 };

/* Entries of a `struct option` table for the options that cli_parse_engine_option() takes. */
#define CLI_ENGINE_OPTIONS                                                                         \
    {"threads", required_argument, NULL, CLI_OPTION_THREADS},                                      \
        {"precision", required_argument, NULL, CLI_OPTION_PRECISION},                              \
        {"isa", required_argument, NULL, CLI_OPTION_ISA},                                          \
    {                                                                                              \
        "model", required_argument, NULL, CLI_OPTION_MODEL                                         \
    }

#define CLI_ENGINE_OPTIONS_HELP                                                                    \
    "      --threads N          worker threads, 0 to 1024 (default 0: all CPUs)\n"                 \
    "      --precision P        auto (default): the fastest that loses at most 0.05 dB, and for\n" \
    "                           photos 16 bits or more; or fp32, bf16, int8\n"                     \
    "      --isa NAME           instruction set: auto (default), c, avx2, avx512, amx, neon\n"     \
    "      --model NAME|FILE    the weights, instead of the default model's (videos have their "   \
    "own)\n"                                                                                       \
    "                           NAME is listed by pipersr info --models. FILE has a / or ends "    \
    "in\n"                                                                                         \
    "                           .safetensors; any other is taken where no model has this name\n"

/* All return false where `text` is no such number or out of range; then *value is unchanged. */
bool cli_parse_integer(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value);
/* Bytes: digits and an optional K, M, G or T (powers of 1024), each also as KiB or KB. */
bool cli_parse_bytes(const char *text, uint64_t *bytes);
/* A count: digits and an optional k, M or G (powers of 1000). */
bool cli_parse_count(const char *text, uint64_t *count);
/* N, N/D or a number with up to three decimals, more than 0 and at most 1000; N and D up to
 * 1000000. */
bool cli_parse_ratio(const char *text, uint32_t *numerator, uint32_t *denominator);
/* WIDTHxHEIGHT, each 1..65536. */
bool cli_parse_size(const char *text, uint32_t *width_px, uint32_t *height_px);

/* Takes one of the options above. Returns CLI_EXIT_OK, or CLI_EXIT_USAGE with a message. */
int cli_parse_engine_option(const char *command, int option, const char *value,
                            struct cli_engine_options *options);

/* The value of --scale, whether or not the model has it. Returns as cli_parse_engine_option(). */
int cli_parse_scale(const char *command, const char *value, struct cli_engine_options *options);

/* Reports why getopt_long() returned ':' or '?' (`result`). Returns CLI_EXIT_USAGE. The option
 * string must begin with ':' and `opterr` be 0. */
int cli_option_problem(const char *command, int result, char **argv);

#endif
