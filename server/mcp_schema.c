/* SPDX-License-Identifier: MIT */
#include "server/mcp_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipersr.h"
#include "server/mcp_message.h"

enum {
    VIDEO = 1 << MCP_VIDEO_UPSCALE,
    IMAGE = 1 << MCP_IMAGE_UPSCALE,
    STATUS = 1 << MCP_UPSCALE_STATUS,
    CANCEL = 1 << MCP_UPSCALE_CANCEL,
    BOTH = VIDEO | IMAGE
};

/* `type` is JSON Schema's. Integers have a range; strings may have a list of values, separated by
 * spaces ("models": the built-in ones). An option is handed to the job under the same name, which
 * is that of the command line. */
static const struct argument {
    const char *name;
    unsigned tools;
    const char *type;
    long minimum, maximum;
    const char *values;
    bool is_option, required;
    const char *description;
} table[] = {
    {"input", BOTH, "string", 0, 0, NULL, false, false,
     "Path of the file to enlarge, in an allowed folder; a relative one starts in the first of "
     "them."},
    {"upload", BOTH, "string", 0, 0, NULL, false, false,
     "Instead of input: the id that POST /v1/uploads answered with."},
    {"output", BOTH, "string", 0, 0, NULL, false, false,
     "Path to write to, in an allowed folder. Its extension says the format. Without it the result "
     "of photo.jpg is photo_2x.jpg beside it; that of an upload is kept by the server."},
    {"force", BOTH, "boolean", 0, 0, NULL, false, false,
     "Overwrite the output if it exists (default false)."},
    {"wait", BOTH, "boolean", 0, 0, NULL, false, false,
     "true (default): answer when the work is done, with progress where the client asked for it; "
     "without progress after 50 seconds at the latest, then poll upscale_status. false: answer at "
     "once with the job's id."},
    {"model", BOTH, "string", 0, 0, "models", true, false,
     "Model, as models_list names them; the default suits the kind of input."},
    {"precision", BOTH, "string", 0, 0, "auto fp32 bf16 int8", true, false,
     "Arithmetic (default auto: the fastest that loses at most 0.05 dB)."},
    {"scale", BOTH, "integer", 2, 4, "2 4", true, false,
     "2 or 4 (default: the model's own, 2 without one)."},
    {"format", BOTH, "string", 0, 0, NULL, true, false,
     "Format of the output, such as png, jpg, webp or mp4, mkv, mov, webm; default: from the "
     "output's "
     "name, else that of the input."},
    {"strip", BOTH, "boolean", 0, 0, NULL, true, false, "Drop metadata."},
    {"quality", IMAGE, "integer", 1, 100, NULL, true, false,
     "For JPEG, WebP, AVIF and HEIC (default 92, 90, 80, 80)."},
    {"lossless", IMAGE, "boolean", 0, 0, NULL, true, false, "WebP, AVIF, HEIC without loss."},
    {"codec", VIDEO, "string", 0, 0, NULL, true, false,
     "h264 (default), hevc, av1, vp9, ffv1, prores, an encoder of FFmpeg, or copy-settings: what "
     "the input has."},
    {"crf", VIDEO, "integer", 0, 63, NULL, true, false,
     "Quality of the encoder, lower is better (default 18 for H.264)."},
    {"preset", VIDEO, "string", 0, 0, NULL, true, false, "The encoder's preset (default medium)."},
    {"pix-fmt", VIDEO, "string", 0, 0, NULL, true, false,
     "Pixel format, such as yuv420p10le; default: the input's, or the nearest that the encoder "
     "takes."},
    {"start", VIDEO, "string", 0, 0, NULL, true, false,
     "Begin there: seconds, MM:SS or HH:MM:SS, with a fraction if need be."},
    {"duration", VIDEO, "string", 0, 0, NULL, true, false, "Stop after that much of it."},
    {"to", VIDEO, "string", 0, 0, NULL, true, false,
     "Instead of duration: stop there, counted from the beginning of the file."},
    {"deinterlace", VIDEO, "string", 0, 0, "auto yes no", true, false,
     "auto (default): frames that say they are interlaced."},
    {"max-height", VIDEO, "integer", 2, 65536, NULL, true, false,
     "Of the output: what the network makes is fitted to it."},
    {"allow-lossy", VIDEO, "string", 0, 0, NULL, true, false,
     "Go on where these are lost: a list, by commas, of dolby-vision, hdr10plus, hdr-vivid, hdr, "
     "depth."},
    {"strict", VIDEO, "boolean", 0, 0, NULL, true, false, "Stop at damage."},
    {"no-reuse", VIDEO, "boolean", 0, 0, NULL, true, false,
     "Compute again what stays as it was in frames before: the same result, later."},
    {"encoder-threads", VIDEO, "integer", 0, 128, NULL, true, false,
     "Threads of the encoder (default 0: all CPUs)."},
    {"id", STATUS | CANCEL, "string", 0, 0, NULL, false, true, "The job's id."},
    {"wait_s", STATUS, "integer", 0, MCP_MAX_WAIT_S, NULL, false, false,
     "Wait up to so many seconds for the job to end (default 0)."},
};
enum { ARGUMENTS = sizeof table / sizeof *table };

static const struct {
    const char *name, *title, *description;
    bool read_only, destructive, idempotent;
} tools[MCP_TOOLS] = {
    {"video_upscale", "Enlarge a video",
     "Doubles width and height of a video with a neural network on this machine's CPU. Sound, "
     "subtitles and timestamps are kept. Takes long: seconds for each second of a small video, "
     "more "
     "for large ones; call it with wait false and poll upscale_status if your calls time out.",
     false, true, false},
    {"image_upscale", "Enlarge a picture",
     "Doubles width and height of a picture (PNG, JPEG, WebP, TIFF, GIF and more) with a neural "
     "network on this machine's CPU. Colour profile, EXIF and transparency are kept.",
     false, true, false},
    {"upscale_status", "State of a job",
     "How far a job of video_upscale or image_upscale is, and where its result is.", true, false,
     true},
    {"upscale_cancel", "Cancel a job", "Ends a queued or running job; nothing half-written stays.",
     false, true, true},
    {"models_list", "List the models", "The built-in models and what each is for.", true, false,
     true},
};

bool mcp_tool_find(const char *name, enum mcp_tool *tool)
{
    for (int i = 0; name && i < MCP_TOOLS; i++) {
        if (strcmp(name, tools[i].name) == 0) {
            *tool = (enum mcp_tool)i;
            return true;
        }
    }
    return false;
}

bool mcp_tool_is_option(const char *argument)
{
    for (size_t i = 0; i < ARGUMENTS; i++)
        if (strcmp(argument, table[i].name) == 0)
            return table[i].is_option;
    return false;
}

/* ------------------------------------------------------------------------------------- schemas */

static json_t *values_json(const struct argument *argument)
{
    json_t *list = json_array();
    const pipersr_built_in_model *model;
    if (strcmp(argument->values, "models") == 0) {
        for (size_t i = 0; (model = pipersr_model_built_in(i)); i++)
            json_array_append_new(list, json_string(model->name));
        return list;
    }
    const bool number = strcmp(argument->type, "integer") == 0;
    for (const char *word = argument->values; *word;) {
        const size_t length = strcspn(word, " ");
        json_array_append_new(list,
                              number ? json_integer(*word - '0') : json_stringn(word, length));
        word += length + (word[length] == ' ');
    }
    return list;
}

static json_t *property(const struct argument *argument)
{
    json_t *schema = json_pack("{s:s}", "type", argument->type);
    if (argument->values) {
        json_object_set_new(schema, "enum", values_json(argument));
    } else if (argument->maximum) {
        json_object_set_new(schema, "minimum", json_integer(argument->minimum));
        json_object_set_new(schema, "maximum", json_integer(argument->maximum));
    }
    json_object_set_new(schema, "description", json_string(argument->description));
    return schema;
}

static bool has(enum mcp_tool tool, const struct argument *argument, bool uploads)
{
    return (argument->tools & 1u << tool) && (uploads || strcmp(argument->name, "upload") != 0);
}

static json_t *input_schema(enum mcp_tool tool, bool uploads)
{
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < ARGUMENTS; i++) {
        if (!has(tool, &table[i], uploads))
            continue;
        json_object_set_new(properties, table[i].name, property(&table[i]));
        if (table[i].required || (!uploads && strcmp(table[i].name, "input") == 0))
            json_array_append_new(required, json_string(table[i].name));
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", 0);
}

/* With ' for ", and OR_NULL() as some clients understand one type at a time only. */
#define OR_NULL(type) "{'anyOf':[{'type':'" type "'},{'type':'null'}]}"

/* clang-format off */

/* Of the four tools that answer with a job; server/mcp_job.c makes what it describes. */
static const char job_schema[] =
    "{'type':'object','properties':{"
        "'id':{'type':'string'},"
        "'kind':{'enum':['video','image']},"
        "'state':{'enum':['queued','running','done','failed','cancelled']},"
        "'input':{'type':'string','description':'name of the input'},"
        "'options':{'type':'object'},"
        "'progress':{'type':'object','properties':{"
            "'frame':{'type':'integer','description':'done so far, in the unit'},"
            "'frames':" OR_NULL("integer") ","
            "'unit':{'enum':['frames','rows']},"
            "'fps':{'type':'number'},"
            "'eta_s':" OR_NULL("number") ","
            "'percent':" OR_NULL("number") "},"
            "'required':['frame','frames','unit','percent']},"
        "'result':{'anyOf':[{'type':'null'},{'type':'object','properties':{"
            "'name':{'type':'string'},"
            "'path':{'type':'string','description':'where it was written'},"
            "'uri':{'type':'string'},"
            "'bytes':{'type':'integer'},"
            "'content_type':{'type':'string'},"
            "'width_px':{'type':'integer'},"
            "'height_px':{'type':'integer'},"
            "'frames':{'type':'integer'}},"
            "'required':['name','uri','bytes']}]},"
        "'notes':{'type':'array','items':{'type':'string'}},"
        "'error':" OR_NULL("string") ","
        "'created':{'type':'string'},"
        "'started':" OR_NULL("string") ","
        "'finished':" OR_NULL("string") "},"
        "'required':['id','kind','state','progress','result','notes','error']}";

static const char models_schema[] =
    "{'type':'object','properties':{'models':{'type':'array','items':{'type':'object','properties':{"
        "'name':{'type':'string'},"
        "'description':{'type':'string'},"
        "'scale':{'type':'integer'},"
        "'channels':{'type':'integer'},"
        "'blocks':{'type':'integer'},"
        "'parameters':{'type':'integer'},"
        "'has_int8':{'type':'boolean'},"
        "'default_for':{'type':'array','items':{'enum':['image','video']}}},"
        "'required':['name','description','scale','default_for']}}},"
        "'required':['models']}";

/* clang-format on */

static json_t *output_schema(enum mcp_tool tool)
{
    char *text = strdup(tool == MCP_MODELS_LIST ? models_schema : job_schema);
    for (char *c = text; c && *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *schema = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return schema;
}

json_t *mcp_tool_list(bool structured, bool uploads)
{
    json_t *list = json_array();
    for (int i = 0; i < MCP_TOOLS; i++) {
        json_t *tool = json_pack("{s:s}", "name", tools[i].name);
        if (structured)
            json_object_set_new(tool, "title", json_string(tools[i].title));
        json_object_set_new(tool, "description", json_string(tools[i].description));
        json_object_set_new(tool, "inputSchema", input_schema((enum mcp_tool)i, uploads));
        if (structured)
            json_object_set_new(tool, "outputSchema", output_schema((enum mcp_tool)i));
        json_object_set_new(tool, "annotations",
                            json_pack("{s:s, s:b, s:b, s:b, s:b}", "title", tools[i].title,
                                      "readOnlyHint", tools[i].read_only, "destructiveHint",
                                      tools[i].destructive, "idempotentHint", tools[i].idempotent,
                                      "openWorldHint", 0));
        json_array_append_new(list, tool);
    }
    return list;
}

/* ---------------------------------------------------------------------------------- checking -- */

static bool check_value(const struct argument *argument, const json_t *value,
                        struct server_problem *problem)
{
    if (strcmp(argument->type, "boolean") == 0)
        return json_is_boolean(value) ? true
                                      : server_fail(problem, 422, "bad-argument",
                                                    "%s takes true or false", argument->name);
    if (strcmp(argument->type, "integer") == 0) {
        const json_int_t number = json_integer_value(value);
        if (json_is_integer(value) && number >= argument->minimum && number <= argument->maximum)
            return true;
        return server_fail(problem, 422, "bad-argument", "%s takes a whole number, %ld to %ld",
                           argument->name, argument->minimum, argument->maximum);
    }
    return json_is_string(value)
               ? true
               : server_fail(problem, 422, "bad-argument", "%s takes a string", argument->name);
}

/* What a value outside the list is answered with; a scale of 3 is in the range but not listed. */
static bool check_listed(const struct argument *argument, const json_t *value,
                         struct server_problem *problem)
{
    if (!argument->values)
        return true;
    json_t *values = values_json(argument), *each;
    size_t i;
    bool found = false;
    char listed[256] = "";
    json_array_foreach(values, i, each)
    {
        const size_t used = strlen(listed);
        if (json_is_string(each))
            snprintf(listed + used, sizeof listed - used, "%s%s", i ? ", " : "",
                     json_string_value(each));
        else
            snprintf(listed + used, sizeof listed - used, "%s%" JSON_INTEGER_FORMAT, i ? ", " : "",
                     json_integer_value(each));
        found = found || json_equal(each, value);
    }
    json_decref(values);
    return found ? true
                 : server_fail(problem, 422, "bad-argument", "%s takes one of: %s", argument->name,
                               listed);
}

bool mcp_tool_check(enum mcp_tool tool, const json_t *arguments, bool uploads,
                    struct server_problem *problem)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)arguments, name, value)
    {
        const struct argument *argument = NULL;
        for (size_t i = 0; i < ARGUMENTS; i++)
            if (has(tool, &table[i], uploads) && strcmp(name, table[i].name) == 0)
                argument = &table[i];
        if (!argument)
            return server_fail(problem, 422, "bad-argument", "%s has no argument '%.60s'",
                               tools[tool].name, name);
        if (!check_value(argument, value, problem) || !check_listed(argument, value, problem))
            return false;
    }
    for (size_t i = 0; i < ARGUMENTS; i++)
        if (has(tool, &table[i], uploads) && table[i].required &&
            !json_object_get(arguments, table[i].name))
            return server_fail(problem, 422, "bad-argument", "%s needs the argument %s",
                               tools[tool].name, table[i].name);
    if (!(BOTH & 1u << tool))
        return true;
    const bool input = json_object_get(arguments, "input"),
               upload = uploads && json_object_get(arguments, "upload");
    if (input == upload)
        return server_fail(problem, 422, "bad-argument",
                           !uploads ? "%s needs the argument input, the path of the file"
                           : input  ? "%s takes input or upload, not both"
                                    : "%s needs the argument input or upload",
                           tools[tool].name);
    return true;
}
