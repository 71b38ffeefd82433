/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: any bytes as what a client says about a job: the options as JSON, each option
 * as a form's field, and the name of the file.
 */
#include <stdlib.h>
#include <string.h>

#include "server/job_options.h"
#include "server/naming.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever came in, a name is one part of a path, of printable UTF-8 and of a bearable length. */
static void check_name(const char *name)
{
    json_t *text = json_string(name);
    if (!text || !*name || *name == '.' || strlen(name) > 255)
        __builtin_trap();
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '/' || *c == '\\' || *c == '"')
            __builtin_trap();
    json_decref(text);
}

static void check_options(enum server_job_kind kind, const json_t *given)
{
    struct server_problem problem = {.status = 0};
    json_t *options = server_job_options_complete(kind, given, &problem);
    if (!options) {
        json_t *document = server_problem_json(&problem, NULL);
        if (problem.status != 422 || !document)
            __builtin_trap();
        json_decref(document);
        return;
    }
    /* What was checked once passes again, and stays what it is. */
    json_t *again = server_job_options_complete(kind, options, NULL);
    if (!json_equal(options, again))
        __builtin_trap();
    json_decref(again);
    json_decref(options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    for (int kind = SERVER_JOB_VIDEO; kind <= SERVER_JOB_IMAGE; kind++) {
        json_t *given = json_loads(text, 0, NULL);
        if (json_is_object(given))
            check_options((enum server_job_kind)kind, given);
        json_decref(given);
        char *value = strchr(text, '=');
        json_t *options = json_object();
        if (value) {
            *value = '\0';
            server_job_option_set(options, (enum server_job_kind)kind, text, value + 1, NULL);
            *value = '=';
        }
        json_decref(options);
    }
    char *name = server_name_clean(text);
    const char *extension = name ? server_name_extension(name) : NULL;
    char *result = name ? server_name_of_result(name, 4, extension ? "webp" : "png") : NULL;
    if (!result)
        abort();
    check_name(name);
    check_name(result);
    free(result);
    free(name);
    free(text);
    return 0;
}
