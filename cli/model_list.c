/* SPDX-License-Identifier: MIT */
#include "cli/model_list.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/exit_status.h"
#include "cli/json_text.h"
#include "cli/message.h"

/* Any weights run in fp32 and, rounded, in bf16; int8 needs codings. */
static json_t *precisions_json(const pipersr_model_info *model)
{
    json_t *list = json_pack("[s, s]", pipersr_precision_name(PIPERSR_PRECISION_FP32),
                             pipersr_precision_name(PIPERSR_PRECISION_BF16));
    if (model->has_int8)
        json_array_append_new(list, json_string(pipersr_precision_name(PIPERSR_PRECISION_INT8)));
    return list;
}

json_t *cli_model_json(const pipersr_model_info *model)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
                     cli_json_text(model->name), "description", cli_json_text(model->description),
                     "licence", cli_json_text(model->licence), "training",
                     cli_json_text(model->training), "precisions", precisions_json(model),
                     "channels", (json_int_t)model->channels, "blocks", (json_int_t)model->blocks,
                     "scale", (json_int_t)model->scale, "radius_px", (json_int_t)model->radius_px,
                     "parameters", (json_int_t)model->parameters, "macs_per_px",
                     (json_int_t)model->macs_per_px);
}

/* '*': what photos get without --model, and videos unless one has the 'v'; '4': photos with --scale
 * 4. */
static char mark_of(const pipersr_built_in_model *built_in)
{
    if (built_in == pipersr_model_built_in_for(PIPERSR_USE_PHOTO))
        return '*';
    if (built_in == pipersr_model_built_in_for(PIPERSR_USE_VIDEO))
        return 'v';
    const bool has_scale =
        built_in == pipersr_model_built_in_at(PIPERSR_USE_PHOTO, built_in->scale);
    return has_scale ? (char)('0' + built_in->scale) : ' ';
}

static void print_row(const pipersr_built_in_model *built_in, const pipersr_model_info *model)
{
    char network[16], kib[24];
    snprintf(network, sizeof network, "%" PRIu32 " x %" PRIu32, model->channels, model->blocks);
    snprintf(kib, sizeof kib, "%zu KiB", (built_in->size_bytes + 1023) / 1024);
    printf("%c %-18s x%-4" PRIu32 "  %-8s  %10" PRIu64 "  %9s  %-14s  %s\n", mark_of(built_in),
           built_in->name, model->scale, network, model->parameters, kib,
           model->has_int8 ? "fp32 bf16 int8" : "fp32 bf16", built_in->description);
}

static void add_json(json_t *list, const pipersr_built_in_model *built_in,
                     const pipersr_model_info *model)
{
    json_t *entry = cli_model_json(model);
    json_object_set_new(entry, "size_bytes", json_integer((json_int_t)built_in->size_bytes));
    json_object_set_new(entry, "default",
                        json_boolean(built_in == pipersr_model_built_in_for(PIPERSR_USE_PHOTO)));
    json_object_set_new(entry, "default_for_videos",
                        json_boolean(built_in == pipersr_model_built_in_for(PIPERSR_USE_VIDEO)));
    json_array_append_new(list, entry);
}

int cli_model_list(bool json)
{
    json_t *list = json ? json_array() : NULL;
    const pipersr_built_in_model *each;
    if (!json)
        printf("  %-18s %-5s  %-8s  %10s  %9s  %-14s  %s\n", "name", "scale", "network",
               "parameters", "size", "precisions", "description");
    for (size_t i = 0; (each = pipersr_model_built_in(i)); i++) {
        pipersr_model *model;
        pipersr_model_info info;
        pipersr_error error = {""};
        const pipersr_status status =
            pipersr_model_load_memory(each->data, each->size_bytes, &model, &error);
        if (status != PIPERSR_OK) {
            cli_error("%s: %s", each->name, error.message);
            json_decref(list);
            return cli_exit_of_engine(status);
        }
        pipersr_model_get_info(model, &info);
        if (json)
            add_json(list, each, &info);
        else
            print_row(each, &info);
        pipersr_model_free(model);
    }
    if (json)
        cli_json_print(json_pack("{s:o}", "models", list), stdout);
    else
        puts("without --model: * for all, v for videos, 4 with --scale 4; network: channels x "
             "blocks");
    return cli_flush_stdout();
}
