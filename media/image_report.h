/* SPDX-License-Identifier: MIT
 *
 * Telling the user what libvips said and what the output cannot hold.
 */
#ifndef MEDIA_IMAGE_REPORT_H
#define MEDIA_IMAGE_REPORT_H

#include "media/job.h"

/* Takes libvips' error text (and clears it) and fails with "WHAT: text; ADVICE", all in one line,
 * without the file's name, which the caller adds. `advice` may be NULL. libvips keeps one text for
 * the whole process: with jobs in several threads a text may stand in the wrong message, never is a
 * failure lost. */
enum media_status media_image_fail_vips(struct media_error *error, enum media_status status,
                                        const char *what, const char *advice);

/* A remark for the user through job->on_note; `job` may be NULL. */
void media_image_note(const struct media_job *job, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
