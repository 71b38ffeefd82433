/* SPDX-License-Identifier: MIT
 *
 * `pipersr upscale`: each input in turn, from its name to its output under the output's name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/interrupt.h"
#include "cli/message.h"
#include "cli/naming.h"
#include "cli/report.h"
#include "cli/upscale_options.h"
#include "cli/upscale_task.h"
#include "cli/upscale_video.h"
#include "media/output.h"

/* One run of the command. */
struct run {
    const struct cli_upscale_options *options;
    struct cli_upscale_place place;
    struct cli_engine engine;
    struct cli_report report;
    struct cli_inputs inputs;
    int exit_status; /* of the first failure */
};

static bool is_interrupted(void)
{
    return cli_interrupt_exit_status() != 0;
}

static void note_failure(struct run *run, int exit_status)
{
    if (run->exit_status == CLI_EXIT_OK)
        run->exit_status = exit_status;
}

/* ----------------------------------------------------------------------------------- the job -- */

static struct media_job make_job(struct run *run)
{
    struct media_job job = {
        .passes = run->engine.passes,
        .scale = run->engine.scale,
        .cancel = cli_interrupt_flag(),
        .on_progress = cli_report_progress,
        .on_note = cli_report_note,
        .opaque = &run->report,
    };
    for (unsigned i = 0; i < run->engine.passes; i++)
        job.pass[i] = run->engine.pass[i];
    return job;
}

/* `output_path` is a temporary file or "-". */
static enum media_status upscale_to(struct run *run, const struct cli_task *task,
                                    const char *output_path, struct cli_report_result *result,
                                    struct media_error *error)
{
    const struct cli_upscale_options *options = run->options;
    const bool is_video = task->kind == CLI_KIND_VIDEO;
    if (cli_engine_use(&run->engine, is_video ? PIPERSR_USE_VIDEO : PIPERSR_USE_PHOTO) !=
        CLI_EXIT_OK)
        return media_fail(error, MEDIA_ERROR_MEMORY, "the upscaler cannot start again");
    struct media_job job = make_job(run);
    if (is_video)
        return cli_upscale_video(&job, options, cli_engine_model_name(&run->engine),
                                 task->input->path, output_path, task->target, task->parts_folder,
                                 task->pictures, result, error);
    struct media_image_options image = options->image;
    image.format = options->format ? options->format : task->target ? NULL : "png";
    return media_image_upscale(&job, task->input->path, output_path, task->target, &image, error);
}

/* What was written, as far as its header tells. */
static struct cli_report_result measure_picture(const char *path)
{
    struct media_image_size size = {0};
    if (media_image_measure(path, &size, NULL) != MEDIA_OK)
        size = (struct media_image_size){0};
    return (struct cli_report_result){
        .width_px = size.width_px, .height_px = size.height_px, .frames = size.pages};
}

static enum media_status upscale_to_file(struct run *run, const struct cli_task *task,
                                         struct cli_report_result *result,
                                         struct media_error *error)
{
    struct media_output output = {0};
    enum media_status status = (task->pictures ? media_output_begin_sequence : media_output_begin)(
        &output, task->target, run->options->force, error);
    if (status != MEDIA_OK)
        return status;
    status = upscale_to(run, task, output.temporary_path, result, error);
    if (status == MEDIA_OK && task->kind == CLI_KIND_PICTURE)
        *result = measure_picture(output.temporary_path);
    if (status != MEDIA_OK) {
        media_output_abort(&output);
        return status;
    }
    status = task->pictures ? media_output_commit_sequence(&output, result->first_number,
                                                           result->frames, error)
                            : media_output_commit(&output, error);
    if (status == MEDIA_OK && task->parts_folder)
        media_video_parts_remove(task->parts_folder);
    return status;
}

/* ------------------------------------------------------------------------------- one input -- */

static void finish(struct run *run, const struct cli_task *task, enum media_status status,
                   const struct cli_report_result *result, const struct media_error *error)
{
    if (status != MEDIA_OK && is_interrupted()) {
        cli_report_interrupted(&run->report, cli_interrupt_exit_status(), result);
    } else if (status != MEDIA_OK) {
        cli_report_failed(&run->report, cli_exit_of_media(status), error->message);
        note_failure(run, cli_exit_of_media(status));
    } else {
        if (!task->kept_extension && cli_name_extension(task->input->relative))
            cli_report_note(&run->report, "its own format cannot be written; --format chooses one");
        cli_report_done(&run->report, result);
    }
}

static void upscale_input(struct run *run, const struct cli_input *input)
{
    struct cli_task task = {.input = input};
    struct media_error error = {""};
    struct cli_report_result result = {0};
    cli_report_file(&run->report, input->path, NULL, NULL);

    enum media_status status = cli_task_find_kind(&run->place, &task, &error);
    if (status == MEDIA_OK && task.kind == CLI_KIND_UNKNOWN) {
        cli_report_skipped(&run->report, "neither a picture nor a video");
        return;
    }
    if (status == MEDIA_OK)
        status = cli_task_find_target(&run->place, &task, &error);
    bool skip = false;
    if (status == MEDIA_OK) {
        cli_report_file(&run->report, input->path, task.target ? task.target : "-",
                        cli_kind_name(task.kind));
        status = cli_task_prepare(&run->place, &task, &skip, &error);
    }
    if (status == MEDIA_OK && skip) {
        cli_report_skipped(&run->report, "its output exists");
    } else {
        if (status == MEDIA_OK)
            status = task.target ? upscale_to_file(run, &task, &result, &error)
                                 : upscale_to(run, &task, "-", &result, &error);
        finish(run, &task, status, &result, &error);
    }
    cli_task_free(&task);
}

/* ------------------------------------------------------------------------------ the command -- */

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* Settles whether -o is a file or a folder. */
static int find_output_folder(struct run *run)
{
    const struct cli_upscale_options *options = run->options;
    const char *output = options->output;
    if (!output || strcmp(output, "-") == 0) {
        run->place.to_stdout = output != NULL;
        return CLI_EXIT_OK;
    }
    bool several = options->input_count > 1;
    for (size_t i = 0; i < options->input_count && options->recursive; i++)
        several = several || is_folder(options->inputs[i]);
    if (several && cli_path_exists(output) && !is_folder(output))
        return cli_usage_error("upscale", "-o %s is a file; several inputs need a folder", output);
    if (several || is_folder(output) || output[strlen(output) - 1] == '/')
        run->place.output_folder = output;
    return CLI_EXIT_OK;
}

static int collect_inputs(struct run *run)
{
    const struct cli_upscale_options *options = run->options;
    for (size_t i = 0; i < options->input_count; i++)
        if (!cli_inputs_add(&run->inputs, options->inputs[i], options->recursive,
                            run->place.output_folder)) {
            cli_error("out of memory");
            return CLI_EXIT_MEMORY;
        }
    return CLI_EXIT_OK;
}

static int start_media(const char *program_path, const struct cli_upscale_options *options)
{
    struct media_error error = {""};
    unsigned threads = options->engine.threads ? options->engine.threads : pipersr_cpu_count();
    enum media_status status = media_image_init(program_path, threads, &error);
    if (status != MEDIA_OK) {
        cli_error("%s", error.message);
        return cli_exit_of_media(status);
    }
    const char *format = options->format;
    if (format && !cli_format_is_picture(format) && !cli_format_is_video(format))
        return cli_usage_error("upscale",
                               "--format '%s' cannot be written here; 'pipersr info' "
                               "lists what can",
                               format);
    return CLI_EXIT_OK;
}

static int upscale_all(struct run *run)
{
    for (size_t i = 0; i < run->inputs.count && !is_interrupted(); i++)
        upscale_input(run, &run->inputs.items[i]);
    if (is_interrupted())
        return cli_interrupt_exit_status();

    const struct cli_report *report = &run->report;
    if (report->done + report->failed + run->inputs.already_upscaled == 0 &&
        !run->options->skip_existing && !run->options->video.resume) {
        cli_error("%s: no picture or video in this folder", run->options->inputs[0]);
        return CLI_EXIT_INPUT;
    }
    run->report.skipped += run->inputs.already_upscaled;
    if (run->inputs.count != 1 || run->inputs.already_upscaled)
        cli_report_totals(&run->report);
    if (report->events == stdout && cli_flush_stdout() != CLI_EXIT_OK)
        note_failure(run, CLI_EXIT_OUTPUT);
    return run->exit_status;
}

static int run_options(const char *program_path, const struct cli_upscale_options *options)
{
    struct run run = {.options = options, .place = {.options = options}};
    int status = find_output_folder(&run);
    if (status == CLI_EXIT_OK)
        status = start_media(program_path, options);
    if (status != CLI_EXIT_OK)
        return status;

    cli_interrupt_install();
    status = cli_engine_open("upscale", &options->engine, &run.engine);
    run.place.scale = run.engine.scale;
    if (status == CLI_EXIT_OK)
        status = collect_inputs(&run);
    if (status == CLI_EXIT_OK) {
        run.report.quiet = options->quiet;
        run.report.events = !options->json ? NULL : run.place.to_stdout ? stderr : stdout;
        cli_report_open(&run.report);
        status = upscale_all(&run);
        cli_report_close(&run.report);
    }
    cli_destinations_end(&run.place.destinations);
    cli_inputs_free(&run.inputs);
    cli_engine_close(&run.engine);
    media_image_shutdown();
    return status;
}

int cli_upscale(const char *program_path, int argc, char **argv)
{
    struct cli_upscale_options options;
    int status;
    if (cli_upscale_parse(argc, argv, &options, &status))
        status = run_options(program_path, &options);
    cli_upscale_options_free(&options);
    return status;
}
