/* SPDX-License-Identifier: MIT */
#include "cli/model_choice.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit_status.h"
#include "cli/message.h"

static bool is_path(const char *value)
{
    static const char suffix[] = ".safetensors";
    const size_t length = strlen(value), suffix_length = sizeof suffix - 1;
    return strchr(value, '/') ||
           (length > suffix_length && strcmp(value + length - suffix_length, suffix) == 0);
}

static int fail_unknown(const char *value)
{
    char *names = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&names, &size);
    const pipersr_built_in_model *each;
    for (size_t i = 0; stream && (each = pipersr_model_built_in(i)); i++)
        fprintf(stream, "%s%s", i ? ", " : "", each->name);
    if (stream && fclose(stream) == 0)
        cli_error("no file and no built-in model '%s'; there are: %s", value, names);
    else
        cli_error("no file and no built-in model '%s'", value);
    free(names);
    return CLI_EXIT_INPUT;
}

int cli_model_choose(const char *value, pipersr_use use, uint32_t scale,
                     struct cli_model_choice *choice)
{
    *choice = (struct cli_model_choice){0};
    if (value && !is_path(value))
        choice->built_in = pipersr_model_find_built_in(value);
    else if (!value)
        choice->built_in = pipersr_model_built_in_at(use, scale);
    if (choice->built_in)
        return CLI_EXIT_OK;
    /* Of a path, whoever opens it says best what is wrong with it. */
    if (!is_path(value) && access(value, F_OK))
        return fail_unknown(value);
    choice->path = value;
    return CLI_EXIT_OK;
}

const char *cli_model_choice_name(const struct cli_model_choice *choice)
{
    return choice->built_in ? choice->built_in->name : choice->path;
}
