/* SPDX-License-Identifier: MIT
 *
 * The options of a job: the names of the command line, as text from a form or a query, or as JSON.
 */
#ifndef SERVER_JOB_OPTIONS_H
#define SERVER_JOB_OPTIONS_H

#include "server/job.h"

/* Is it the name of an option of any job? */
bool server_job_option_exists(const char *name);

/* Checks `value` and puts it into the object `options`. 422 for a value out of its range, or an
 * option that this kind of job does not have. */
bool server_job_option_set(json_t *options, enum server_job_kind kind, const char *name,
                           const char *value, struct server_problem *problem);

/* From an object whose values are strings, integers, booleans or null (which is as if it were not
 * there): a new, checked object with the defaults of model, precision and scale filled in. NULL
 * with a problem. `given` may be NULL. */
json_t *server_job_options_complete(enum server_job_kind kind, const json_t *given,
                                    struct server_problem *problem);

#endif
