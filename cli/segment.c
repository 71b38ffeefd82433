/* SPDX-License-Identifier: MIT
 *
 * `pipersr segment`: a video job cut into pieces that may be made anywhere and in any order.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/destination.h"
#include "cli/engine.h"
#include "cli/exit_status.h"
#include "cli/interrupt.h"
#include "cli/message.h"
#include "cli/naming.h"
#include "cli/option_values.h"
#include "cli/report.h"
#include "cli/segment_options.h"
#include "cli/upscale_options.h"
#include "media/output.h"
#include "media/sequence.h"
#include "media/video_segment.h"

static int fail_media(enum media_status status, const struct media_error *error)
{
    int interrupted = cli_interrupt_exit_status();
    cli_error("%s", interrupted ? "interrupted" : error->message);
    return interrupted ? interrupted : (int)cli_exit_of_media(status);
}

static struct media_job make_job(const struct cli_engine *engine, struct cli_report *report)
{
    struct media_job job = {
        .passes = engine->passes,
        .scale = engine->scale,
        .cancel = cli_interrupt_flag(),
        .on_progress = cli_report_progress,
        .on_note = cli_report_note,
        .opaque = report,
    };
    for (unsigned i = 0; i < engine->passes; i++)
        job.pass[i] = engine->pass[i];
    return job;
}

/* `start` is of an input that is numbered pictures: NULL for the lowest. */
static enum media_status check_target(const char *input, const uint64_t *start, const char *target,
                                      const char *sequence, struct media_error *error)
{
    const bool same = sequence && media_sequence_is_input(input)
                          ? cli_destination_is_same_sequence(input, start, target)
                          : cli_destination_is_same_file(input, target);
    return same ? media_fail(error, MEDIA_ERROR_OUTPUT,
                             "the output is the input itself; give another name")
                : MEDIA_OK;
}

/* ------------------------------------------------------------------------------------- plan -- */

static int check_plan(const struct cli_upscale_options *options)
{
    if (options->input_count != 1 || strcmp(options->inputs[0], "-") == 0)
        return cli_usage_error("segment", "plan takes one input, a file");
    if (!options->output || strcmp(options->output, "-") == 0)
        return cli_usage_error("segment", "plan needs the output's name: -o FILE");
    return CLI_EXIT_OK;
}

static int make_plan(const struct cli_upscale_options *options, const struct cli_engine *engine,
                     struct cli_report *report)
{
    struct media_error error = {""};
    struct media_segment_plan *plan = NULL;
    struct media_segment_facts facts = {0};
    struct media_job job = make_job(engine, report);
    struct media_video_options video = options->video;
    char *folder = cli_name_parts_folder(options->output), *model = cli_engine_model_name(engine);
    enum media_status status =
        folder && model ? MEDIA_OK : media_fail(&error, MEDIA_ERROR_MEMORY, "out of memory");
    video.sequence = media_sequence_is_pattern(options->output)
                         ? media_video_sequence_format(options->output, options->format)
                         : NULL;
    if (status == MEDIA_OK)
        status =
            check_target(options->inputs[0], video.has_start_number ? &video.start_number : NULL,
                         options->output, video.sequence, &error);
    if (status == MEDIA_OK) {
        video.container =
            options->format && !video.sequence ? cli_format_muxer(options->format) : NULL;
        video.quality = options->image.quality;
        video.lossless = options->image.lossless;
        video.parts_folder = folder;
        video.model = model;
        video.restart = options->force;
        status = media_segment_plan_make(&job, options->inputs[0], options->output, &video, &plan,
                                         &error);
    }
    if (status == MEDIA_OK)
        media_segment_plan_facts(plan, &facts);
    if (status == MEDIA_OK)
        printf("%s: %" PRIu64 " segments (0 to %" PRIu64 ") of %" PRIu64 " frames, %" PRIu64
               " frames in all, %" PRIu64 " made\n",
               folder, facts.segments, facts.segments - 1, facts.segment_frames, facts.frames,
               facts.segments_made);
    media_segment_plan_close(plan);
    free(folder);
    free(model);
    return status == MEDIA_OK ? cli_flush_stdout() : fail_media(status, &error);
}

static int run_plan(int argc, char **argv)
{
    struct cli_upscale_options options;
    int status;
    if (cli_upscale_parse(argc, argv, &options, &status))
        status = check_plan(&options);
    if (status == CLI_EXIT_OK && options.input_count == 1) {
        struct cli_engine engine;
        cli_interrupt_install();
        status = cli_engine_open("segment", &options.engine, &engine);
        if (status == CLI_EXIT_OK)
            status = cli_engine_use(&engine, PIPERSR_USE_VIDEO);
        struct cli_report report = {.quiet = options.quiet};
        if (status == CLI_EXIT_OK) {
            cli_report_open(&report);
            cli_report_file(&report, options.inputs[0], options.output, "video");
            status = make_plan(&options, &engine, &report);
            cli_report_close(&report);
        }
        cli_engine_close(&engine);
    }
    cli_upscale_options_free(&options);
    return status;
}

/* -------------------------------------------------------------------------------- run, join -- */

/* One step on a plan that exists. */
struct step {
    const struct cli_segment_options *options;
    struct media_segment_plan *plan;
    struct media_segment_facts facts;
    struct cli_engine engine;
    struct cli_report report;
};

static int run_segment(struct step *step)
{
    struct media_error error = {""};
    struct media_job job = make_job(&step->engine, &step->report);
    bool made;
    enum media_status status =
        media_segment_plan_run(step->plan, &job, step->options->number, &made, &error);
    if (status != MEDIA_OK)
        return fail_media(status, &error);
    if (!step->options->quiet)
        cli_line("%s: segment %" PRIu64 " %s", step->options->parts_folder, step->options->number,
                 made ? "is made" : "was made already");
    return CLI_EXIT_OK;
}

/* Numbered, and not as pictures of another format. */
static bool names_pictures(const char *target, const char *sequence)
{
    const char *named = media_video_sequence_format(target, NULL);
    return media_sequence_is_pattern(target) && (!named || strcmp(named, sequence) == 0);
}

static int join(struct step *step)
{
    const struct cli_segment_options *options = step->options;
    const char *target = options->output ? options->output : step->facts.target_path;
    struct media_error error = {""};
    struct media_job job = make_job(&step->engine, &step->report);
    struct media_output output = {0};
    struct media_video_result result = {0};
    const bool pictures = step->facts.sequence != NULL;
    enum media_status status = check_target(step->facts.input_path, step->facts.start_number,
                                            target, step->facts.sequence, &error);
    if (status == MEDIA_OK && pictures && !names_pictures(target, step->facts.sequence))
        status = media_fail(&error, MEDIA_ERROR_OUTPUT,
                            "the plan is for numbered %s pictures; -o takes a name like %%05d.%s",
                            step->facts.sequence, step->facts.sequence);
    if (status == MEDIA_OK)
        status = (pictures ? media_output_begin_sequence
                           : media_output_begin)(&output, target, options->force, &error);
    if (status == MEDIA_OK)
        status = media_segment_plan_join(step->plan, &job, output.temporary_path, &result, &error);
    if (status != MEDIA_OK)
        media_output_abort(&output);
    else
        status = pictures ? media_output_commit_sequence(&output, result.first_number,
                                                         result.frames_out, &error)
                          : media_output_commit(&output, &error);
    if (status != MEDIA_OK)
        return fail_media(status, &error);
    media_video_parts_remove(options->parts_folder);
    if (!options->quiet)
        cli_line("%s -> %s  %" PRIu32 "x%" PRIu32 "  %" PRIu64 " frames", options->parts_folder,
                 target, result.width_px, result.height_px, result.frames_out);
    return CLI_EXIT_OK;
}

/* The plan's own model and precision, on this machine. */
static int open_engine(struct step *step, struct cli_engine_options *engine)
{
    *engine = step->options->engine;
    engine->model = step->facts.model;
    engine->scale = step->facts.scale;
    if (!step->facts.precision ||
        cli_parse_engine_option("segment", CLI_OPTION_PRECISION, step->facts.precision, engine) !=
            CLI_EXIT_OK)
        return CLI_EXIT_INPUT;
    int status = cli_engine_open("segment", engine, &step->engine);
    return status == CLI_EXIT_OK ? cli_engine_use(&step->engine, PIPERSR_USE_VIDEO) : status;
}

static int run_step(int argc, char **argv, bool takes_number, int (*work)(struct step *))
{
    struct cli_segment_options options;
    int status;
    if (!cli_segment_parse(argc, argv, takes_number, &options, &status))
        return status;
    struct step step = {.options = &options};
    struct cli_engine_options engine;
    struct media_error error = {""};
    cli_interrupt_install();
    enum media_status opened = media_segment_plan_open(options.parts_folder, &step.plan, &error);
    if (opened != MEDIA_OK) {
        status = fail_media(opened, &error);
    } else {
        media_segment_plan_facts(step.plan, &step.facts);
        status = open_engine(&step, &engine);
    }
    if (status == CLI_EXIT_OK) {
        step.report.quiet = options.quiet;
        cli_report_open(&step.report);
        cli_report_file(&step.report, step.facts.input_path, step.facts.target_path, "video");
        status = work(&step);
        cli_report_close(&step.report);
    }
    cli_engine_close(&step.engine);
    media_segment_plan_close(step.plan);
    return status;
}

int cli_segment(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "plan") == 0)
        return run_plan(argc - 1, argv + 1);
    if (strcmp(word, "run-segment") == 0)
        return run_step(argc - 1, argv + 1, true, run_segment);
    if (strcmp(word, "join") == 0)
        return run_step(argc - 1, argv + 1, false, join);
    return cli_segment_help(word);
}
