/* SPDX-License-Identifier: MIT
 *
 * From what a job's process left, said or died of, to what becomes of the job.
 */
#ifndef SERVER_OUTCOME_H
#define SERVER_OUTCOME_H

#include "server/jobs_table.h"

/* What an earlier process of the job left in its work folder when it was done; NULL: nothing. */
json_t *server_outcome_find(const struct server_jobs *jobs, const struct server_job *job);

/* The row's "result" for an outcome "done", after the file was looked at; NULL with a problem for
 * any other outcome, for a file that is not there, or for none (`wait_status` says how the process
 * ended, `killed` why it was made to, or NULL). */
json_t *server_outcome_result(const struct server_jobs *jobs, const struct server_job *job,
                              const json_t *outcome, int wait_status,
                              const struct server_problem *killed, struct server_problem *problem);

/* Where the file of a result lies, in the job's work folder; malloc'd. */
char *server_outcome_path(const struct server_jobs *jobs, const struct server_job *job,
                          const json_t *result);

/* Of a job that has ended: removes everything from its work folder but its result, and that too if
 * it was delivered elsewhere. */
void server_outcome_tidy(const struct server_jobs *jobs, const struct server_job *job);

#endif
