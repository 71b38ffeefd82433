/* SPDX-License-Identifier: MIT */
#include "cli/upscale_task.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/naming.h"
#include "cli/upscale_video.h"
#include "media/sequence.h"

/* A stream that tells nothing about itself is what the output's name asks for. */
static enum cli_kind kind_from_names(const struct cli_upscale_place *place)
{
    const char *format = place->options->format;
    if (!format && !place->to_stdout && !place->output_folder)
        format = cli_name_extension(place->options->output);
    bool video = format && !cli_format_is_picture(format) && cli_format_is_video(format);
    return video ? CLI_KIND_VIDEO : CLI_KIND_PICTURE;
}

enum media_status cli_task_find_kind(const struct cli_upscale_place *place, struct cli_task *task,
                                     struct media_error *error)
{
    const struct cli_input *input = task->input;
    if (input->failure)
        return media_fail(error, MEDIA_ERROR_INPUT, "the folder cannot be read: %s",
                          strerror(input->failure));
    bool from_stdin = strcmp(input->path, "-") == 0;
    if (!input->from_folder && media_sequence_is_input(input->path)) {
        task->kind = CLI_KIND_VIDEO;
        task->is_numbered = true;
        return MEDIA_OK;
    }
    enum media_status status = from_stdin ? cli_kind_of_stdin(&task->kind, error)
                                          : cli_kind_of_file(input->path, &task->kind, error);
    if (status != MEDIA_OK)
        return status;
    if (from_stdin && task->kind == CLI_KIND_UNKNOWN)
        task->kind = kind_from_names(place);
    if (task->kind == CLI_KIND_UNREADABLE)
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                          "a picture in a format that this libvips cannot read; convert it to PNG");
    if (task->kind == CLI_KIND_UNKNOWN && !input->from_folder)
        return media_fail(error, MEDIA_ERROR_INPUT,
                          "neither a picture nor a video; is the file damaged?");
    return MEDIA_OK;
}

/* The folder of an input that was typed, with its slash, or NULL if it is the current one. */
static char *folder_of_input(const struct cli_input *input)
{
    size_t length = (size_t)(input->relative - input->path);
    return length ? strndup(input->path, length) : NULL;
}

enum media_status cli_task_find_target(const struct cli_upscale_place *place, struct cli_task *task,
                                       struct media_error *error)
{
    const struct cli_upscale_options *options = place->options;
    task->kept_extension = true;
    if (place->to_stdout)
        return MEDIA_OK;
    /* Without a name for it, a sequence becomes a sequence as a picture a picture. */
    const bool named_so = options->output && !place->output_folder;
    const enum cli_kind kind =
        task->is_numbered && !options->format ? CLI_KIND_PICTURE : task->kind;
    if (named_so) {
        task->target = strdup(options->output);
    } else {
        const char *relative =
            strcmp(task->input->path, "-") == 0 ? "stdin" : task->input->relative;
        const char *extension =
            cli_name_output_extension(relative, kind, options->format, &task->kept_extension);
        char *beside = place->output_folder ? NULL : folder_of_input(task->input);
        task->target = cli_name_default(place->output_folder ? place->output_folder : beside,
                                        relative, place->scale, extension);
        free(beside);
    }
    if (!task->target)
        return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    if (task->kind == CLI_KIND_VIDEO && media_sequence_is_pattern(task->target))
        task->pictures = media_video_sequence_format(task->target, options->format);
    if (task->is_numbered && !task->pictures && !named_so)
        return media_fail(error, MEDIA_ERROR_OUTPUT,
                          "a video from numbered pictures needs a name: -o FILE");
    return MEDIA_OK;
}

/* Before any work: can what is asked for be written at all? */
static enum media_status check_format(const struct cli_upscale_place *place,
                                      const struct cli_task *task, struct media_error *error)
{
    bool video = task->kind == CLI_KIND_VIDEO;
    const char *format = place->options->format;
    if (task->pictures)
        return MEDIA_OK;
    if (format && (video ? !cli_format_is_video(format) : !cli_format_is_picture(format)))
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "--format %s cannot hold a %s", format,
                          cli_kind_name(task->kind));
    if (format || !task->target)
        return MEDIA_OK;
    if (video ? media_video_can_write(task->target) : media_image_can_write(task->target))
        return MEDIA_OK;
    return media_fail(error, MEDIA_ERROR_UNSUPPORTED,
                      "a %s cannot be written as %s; give a name that ends in .%s, or --format%s",
                      cli_kind_name(task->kind), task->target, video ? "mp4" : "png",
                      video && cli_format_is_picture(task->target)
                          ? "; a picture for each frame has a name like %05d.png"
                          : "");
}

bool cli_path_exists(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0;
}

static bool target_exists(const struct cli_task *task)
{
    char *name;
    if (!task->pictures)
        return cli_path_exists(task->target);
    bool found = media_sequence_any(task->target, &name);
    free(name);
    return found;
}

enum media_status cli_task_prepare(struct cli_upscale_place *place, struct cli_task *task,
                                   bool *skip, struct media_error *error)
{
    enum media_status status = check_format(place, task, error);
    if (status != MEDIA_OK || !task->target)
        return status;
    if (task->kind == CLI_KIND_VIDEO) {
        task->parts_folder = cli_name_parts_folder(task->target);
        if (!task->parts_folder)
            return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    }
    const struct media_video_options *video = &place->options->video;
    if (task->is_numbered && task->pictures
            ? cli_destination_is_same_sequence(
                  task->input->path, video->has_start_number ? &video->start_number : NULL,
                  task->target)
            : cli_destination_is_same_file(task->input->path, task->target))
        return media_fail(error, MEDIA_ERROR_OUTPUT,
                          "the output is the input itself; give another name");
    if (place->output_folder)
        status = cli_destination_make_folders(&place->destinations, place->output_folder,
                                              task->target, error);
    if (status == MEDIA_OK)
        status = cli_destination_claim(&place->destinations, task->target, error);
    *skip = status == MEDIA_OK && target_exists(task) &&
            cli_upscale_video_is_done(place->options, task->target, task->parts_folder);
    return status;
}

void cli_task_free(struct cli_task *task)
{
    free(task->parts_folder);
    free(task->target);
}
