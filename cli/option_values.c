/* SPDX-License-Identifier: MIT */
#include "cli/option_values.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cli/exit_status.h"
#include "cli/message.h"
#include "media/video_words.h"

bool cli_parse_integer(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
    uint64_t number;
    const char *rest;
    if (!media_parse_digits(text, &number, &rest) || *rest || number < minimum || number > maximum)
        return false;
    *value = number;
    return true;
}

/* A number and one of the letters, each of which multiplies by `base` once more than the last. */
static bool parse_scaled(const char *text, const char *letters, uint64_t base, const char **rest,
                         uint64_t *value)
{
    uint64_t number;
    if (!media_parse_digits(text, &number, rest))
        return false;
    uint64_t factor = 1;
    if (**rest) {
        const char *letter = strchr(letters, toupper((unsigned char)**rest));
        if (!letter)
            return false;
        for (const char *l = letters; l <= letter; l++)
            factor *= base;
        ++*rest;
    }
    if (number > UINT64_MAX / factor)
        return false;
    *value = number * factor;
    return true;
}

bool cli_parse_bytes(const char *text, uint64_t *bytes)
{
    const char *rest;
    uint64_t value;
    if (!parse_scaled(text, "KMGT", 1024, &rest, &value))
        return false;
    if (*rest && strcasecmp(rest, "B") != 0 && strcasecmp(rest, "iB") != 0)
        return false;
    *bytes = value;
    return true;
}

bool cli_parse_count(const char *text, uint64_t *count)
{
    const char *rest;
    uint64_t value;
    if (!parse_scaled(text, "KMG", 1000, &rest, &value) || *rest)
        return false;
    *count = value;
    return true;
}

bool cli_parse_size(const char *text, uint32_t *width_px, uint32_t *height_px)
{
    enum { LARGEST_PX = 65536 };
    uint64_t width, height;
    const char *rest;
    if (!media_parse_digits(text, &width, &rest) || (*rest != 'x' && *rest != 'X'))
        return false;
    if (width < 1 || width > LARGEST_PX || !cli_parse_integer(rest + 1, 1, LARGEST_PX, &height))
        return false;
    *width_px = (uint32_t)width;
    *height_px = (uint32_t)height;
    return true;
}

bool cli_parse_ratio(const char *text, uint32_t *numerator, uint32_t *denominator)
{
    enum { LARGEST = 1000000, LARGEST_RATIO = 1000 };
    uint64_t above, below = 1;
    const char *rest;
    if (!media_parse_digits(text, &above, &rest) || above > LARGEST)
        return false;
    if (*rest == '.' && isdigit((unsigned char)rest[1])) {
        for (rest++; isdigit((unsigned char)*rest) && below < 1000; rest++, below *= 10)
            above = 10 * above + (uint64_t)(*rest - '0');
        if (*rest)
            return false;
    } else if (*rest && (*rest != '/' || !cli_parse_integer(rest + 1, 1, LARGEST, &below))) {
        return false;
    }
    if (above == 0 || above > LARGEST_RATIO * below)
        return false;
    *numerator = (uint32_t)above;
    *denominator = (uint32_t)below;
    return true;
}

int cli_parse_engine_option(const char *command, int option, const char *value,
                            struct cli_engine_options *options)
{
    uint64_t number;
    switch (option) {
    case CLI_OPTION_THREADS:
        if (!cli_parse_integer(value, 0, 1024, &number))
            return cli_usage_error(command, "--threads takes 0 to 1024, not '%s'", value);
        options->threads = (uint32_t)number;
        return CLI_EXIT_OK;
    case CLI_OPTION_PRECISION:
        if (pipersr_precision_parse(value, &options->precision) != PIPERSR_OK)
            return cli_usage_error(command, "--precision takes auto, fp32, bf16 or int8, not '%s'",
                                   value);
        return CLI_EXIT_OK;
    case CLI_OPTION_ISA:
        if (pipersr_isa_parse(value, &options->isa) != PIPERSR_OK)
            return cli_usage_error(
                command, "--isa takes auto, c, avx2, avx512, amx or neon, not '%s'", value);
        return CLI_EXIT_OK;
    case CLI_OPTION_MEMORY_LIMIT:
        if (!cli_parse_bytes(value, &options->memory_limit_bytes))
            return cli_usage_error(command, "--memory-limit takes a size like 512M or 2G, not '%s'",
                                   value);
        return CLI_EXIT_OK;
    case CLI_OPTION_MODEL:
        if (!*value)
            return cli_usage_error(command, "--model takes a name or a file, not ''");
        options->model = value;
        return CLI_EXIT_OK;
    default:
        cli_error("option %d is in the table but not handled", option);
        return CLI_EXIT_INTERNAL;
    }
}

int cli_parse_scale(const char *command, const char *value, struct cli_engine_options *options)
{
    uint64_t number;
    if (!cli_parse_integer(value, 2, 16, &number))
        return cli_usage_error(command, "--scale takes 2 or 4, not '%s'", value);
    options->scale = (uint32_t)number;
    return CLI_EXIT_OK;
}

int cli_option_problem(const char *command, int result, char **argv)
{
    /* getopt_long() has moved past the argument that it could not take; a letter in a group of
     * letters ("-qx") is only known from optopt. */
    const char *argument = argv[optind - 1];
    if (result == ':') {
        const char *name = strncmp(argument, "--", 2) == 0 ? argument : NULL;
        if (name)
            return cli_usage_error(command, "%s needs a value", name);
        return cli_usage_error(command, "-%c needs a value", optopt);
    }
    if (strncmp(argument, "--", 2) == 0) {
        int length = (int)strcspn(argument, "=");
        if (optopt)
            return cli_usage_error(command, "%.*s takes no value", length, argument);
        return cli_usage_error(command, "unknown or ambiguous option '%.*s'", length, argument);
    }
    return cli_usage_error(command, "unknown option '-%c'", optopt);
}
