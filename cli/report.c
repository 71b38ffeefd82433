/* SPDX-License-Identifier: MIT */
#include "cli/report.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/json_text.h"
#include "cli/message.h"
#include "cli/progress.h"

static const double draw_interval_s = 0.1, event_interval_s = 0.5;

void cli_report_open(struct cli_report *report)
{
    pthread_mutex_init(&report->lock, NULL);
    report->draws_progress = !report->quiet && !report->events && isatty(STDERR_FILENO);
}

void cli_report_close(struct cli_report *report)
{
    pthread_mutex_destroy(&report->lock);
}

static const char *shown_name(const char *path, const char *stream)
{
    return path && strcmp(path, "-") == 0 ? stream : path;
}

static void clear_line(struct cli_report *report)
{
    if (report->line_is_drawn)
        fputs("\r\033[K", stderr);
    report->line_is_drawn = false;
}

/* Text goes to standard error unless that is where the events go. */
static bool talks(const struct cli_report *report)
{
    return !report->quiet && !report->events;
}

void cli_report_file(struct cli_report *report, const char *input, const char *output,
                     const char *kind)
{
    pthread_mutex_lock(&report->lock);
    report->input = input;
    report->output = output;
    report->kind = kind;
    report->started_s = cli_now_s();
    report->shown_s = report->started_s;
    report->latest = (struct media_progress){0};
    pthread_mutex_unlock(&report->lock);
}

/* ----------------------------------------------------------------------------------- events -- */

static json_t *new_event(const struct cli_report *report, const char *name)
{
    return json_pack("{s:s, s:o, s:o, s:o}", "event", name, "input", cli_json_text(report->input),
                     "output", cli_json_text(report->output), "kind", cli_json_text(report->kind));
}

static void print_event(const struct cli_report *report, json_t *event)
{
    cli_json_print(event, report->events);
}

static json_t *number_or_null(uint64_t value)
{
    return value ? json_integer((json_int_t)value) : json_null();
}

/* The object that ends every file, whether it worked or not, has the same keys. */
static void print_end_event(const struct cli_report *report, const char *name, int exit_status,
                            const char *message, const struct cli_report_result *result,
                            double seconds)
{
    json_t *event = new_event(report, name);
    if (!event)
        return;
    bool timed = result->frames > 0 && seconds > 0;
    json_object_set_new(event, "status", json_integer(exit_status));
    json_object_set_new(event, "error", cli_json_text(message));
    json_object_set_new(event, "width", number_or_null(result->width_px));
    json_object_set_new(event, "height", number_or_null(result->height_px));
    json_object_set_new(event, "frames", number_or_null(result->frames));
    const bool of_video = result->input_px > 0;
    json_object_set_new(event, "reused_px",
                        of_video ? json_integer((json_int_t)result->reused_px) : json_null());
    json_object_set_new(event, "damaged_packets",
                        of_video ? json_integer((json_int_t)result->damaged_packets) : json_null());
    json_object_set_new(event, "damaged_frames",
                        of_video ? json_integer((json_int_t)result->damaged_frames) : json_null());
    json_object_set_new(event, "missing_seconds",
                        of_video ? cli_json_number(result->missing_s) : json_null());
    json_object_set_new(event, "seconds", cli_json_number(seconds));
    json_object_set_new(event, "fps",
                        timed ? cli_json_number((double)result->frames / seconds) : json_null());
    print_event(report, event);
}

static void print_progress_event(const struct cli_report *report, double elapsed_s)
{
    json_t *event = new_event(report, "progress");
    if (!event)
        return;
    const struct media_progress *latest = &report->latest;
    double left_s = cli_progress_left_s(latest, elapsed_s);
    json_object_set_new(event, "done", json_integer((json_int_t)latest->done));
    json_object_set_new(event, "total", number_or_null(latest->total));
    json_object_set_new(event, "unit", cli_json_text(latest->unit));
    json_object_set_new(event, "seconds", cli_json_number(elapsed_s));
    json_object_set_new(event, "seconds_left",
                        latest->total && left_s >= 0 ? cli_json_number(left_s) : json_null());
    print_event(report, event);
}

/* -------------------------------------------------------------------------------- callbacks -- */

static size_t terminal_columns(void)
{
    struct winsize window;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
        return window.ws_col;
    return 80;
}

static void draw_progress(struct cli_report *report, double elapsed_s)
{
    char text[512];
    cli_progress_text(text, sizeof text, shown_name(report->input, "standard input"),
                      &report->latest, elapsed_s, terminal_columns() - 1);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "\r%s\033[K", text);
    fflush(stderr);
    report->line_is_drawn = true;
}

void cli_report_progress(void *opaque, const struct media_progress *progress)
{
    struct cli_report *report = opaque;
    pthread_mutex_lock(&report->lock);
    report->latest = *progress;
    double now_s = cli_now_s();
    double interval_s = report->events ? event_interval_s : draw_interval_s;
    if ((report->events || report->draws_progress) && now_s - report->shown_s >= interval_s) {
        report->shown_s = now_s;
        if (report->events)
            print_progress_event(report, now_s - report->started_s);
        else
            draw_progress(report, now_s - report->started_s);
    }
    pthread_mutex_unlock(&report->lock);
}

void cli_report_note(void *opaque, const char *line)
{
    struct cli_report *report = opaque;
    pthread_mutex_lock(&report->lock);
    clear_line(report);
    if (report->events) {
        json_t *event = new_event(report, "note");
        if (event)
            json_object_set_new(event, "message", cli_json_text(line));
        print_event(report, event);
    } else if (talks(report)) {
        cli_line("note: %s: %s", shown_name(report->input, "standard input"), line);
    }
    pthread_mutex_unlock(&report->lock);
}

/* ------------------------------------------------------------------------------------- ends -- */

static void print_summary(const struct cli_report *report, const struct cli_report_result *result,
                          double seconds)
{
    char size[32] = "", frames[64] = "", reused[32] = "";
    const double percent =
        result->input_px ? 100.0 * (double)result->reused_px / (double)result->input_px : 0;
    if (result->width_px)
        snprintf(size, sizeof size, "  %" PRIu32 "x%" PRIu32, result->width_px, result->height_px);
    if (result->frames > 1)
        snprintf(frames, sizeof frames, "  %" PRIu64 " frames  %.2f frames/s", result->frames,
                 seconds > 0 ? (double)result->frames / seconds : 0.0);
    if (percent >= 1)
        snprintf(reused, sizeof reused, "  %.0f %% reused", percent);
    cli_line("%s -> %s%s%s%s  %.1f s", shown_name(report->input, "standard input"),
             shown_name(report->output, "standard output"), size, frames, reused, seconds);
}

void cli_report_done(struct cli_report *report, const struct cli_report_result *result)
{
    pthread_mutex_lock(&report->lock);
    double seconds = cli_now_s() - report->started_s;
    struct cli_report_result known = *result;
    if (known.frames == 0)
        known.frames = report->latest.unit && strcmp(report->latest.unit, "frames") == 0
                           ? report->latest.done
                           : 1;
    clear_line(report);
    report->done++;
    if (report->events)
        print_end_event(report, "done", 0, NULL, &known, seconds);
    else if (talks(report))
        print_summary(report, &known, seconds);
    pthread_mutex_unlock(&report->lock);
}

void cli_report_skipped(struct cli_report *report, const char *reason)
{
    pthread_mutex_lock(&report->lock);
    report->skipped++;
    if (report->events) {
        json_t *event = new_event(report, "skipped");
        if (event)
            json_object_set_new(event, "reason", cli_json_text(reason));
        print_event(report, event);
    } else if (talks(report)) {
        cli_line("%s: skipped: %s", shown_name(report->input, "standard input"), reason);
    }
    pthread_mutex_unlock(&report->lock);
}

static bool is_boundary(char c)
{
    return strchr(" '\":,;", c) != NULL; /* the end of the string too */
}

/* Does the message name the file itself? A name without a dot or a slash may be a common word, so
 * it counts at the beginning only. */
static bool names_file(const char *message, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(message, name, length) == 0 && is_boundary(message[length]))
        return true;
    if (!strpbrk(name, "./"))
        return false;
    for (const char *found = message; (found = strstr(found, name)) != NULL; found++)
        if (found > message && is_boundary(found[-1]) && is_boundary(found[length]))
            return true;
    return false;
}

static void print_failure(const struct cli_report *report, const char *message)
{
    const char *name = shown_name(report->input, "standard input");
    if (names_file(message, name))
        cli_error("%s", message);
    else
        cli_error("%s: %s", name, message);
}

void cli_report_failed(struct cli_report *report, int exit_status, const char *message)
{
    pthread_mutex_lock(&report->lock);
    clear_line(report);
    report->failed++;
    const struct cli_report_result nothing = {0};
    if (report->events)
        print_end_event(report, "failed", exit_status, message, &nothing,
                        cli_now_s() - report->started_s);
    if (report->events != stderr)
        print_failure(report, message);
    pthread_mutex_unlock(&report->lock);
}

void cli_report_interrupted(struct cli_report *report, int exit_status,
                            const struct cli_report_result *result)
{
    bool to_stdout = report->output && strcmp(report->output, "-") == 0;
    char kept[96];
    snprintf(kept, sizeof kept, "interrupted; %" PRIu64 " frames are kept, --resume continues",
             result->frames_kept);
    const char *message = to_stdout             ? "interrupted; the output is incomplete"
                          : result->frames_kept ? kept
                                                : "interrupted; nothing half-written is left";
    pthread_mutex_lock(&report->lock);
    clear_line(report);
    const struct cli_report_result nothing = {0};
    if (report->events)
        print_end_event(report, "failed", exit_status, message, &nothing,
                        cli_now_s() - report->started_s);
    if (report->events != stderr)
        cli_error("%s", message);
    pthread_mutex_unlock(&report->lock);
}

void cli_report_totals(struct cli_report *report)
{
    pthread_mutex_lock(&report->lock);
    if (talks(report))
        cli_line("%zu done, %zu skipped, %zu failed", report->done, report->skipped,
                 report->failed);
    pthread_mutex_unlock(&report->lock);
}
