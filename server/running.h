/* SPDX-License-Identifier: MIT
 *
 * A job that runs: its process from the start to the end, what it says, and how long, how silent
 * and how large it may get. For the scheduler's thread alone.
 */
#ifndef SERVER_RUNNING_H
#define SERVER_RUNNING_H

#include "server/jobs_table.h"

/* Gives the entry its `running`: a process, or what an earlier process of the job has already done
 * (then there is an outcome and no process). False with a problem; `running` may be there in either
 * case. */
bool server_running_start(struct server_jobs *jobs, struct server_entry *entry,
                          struct server_problem *problem);

/* Takes what the process has said: into `running`, and progress into the job. Does not wait. */
void server_running_read(struct server_jobs *jobs, struct server_entry *entry);

/* Kills the process if it has run or been silent for too long. */
void server_running_check_times(const struct server_limits *limits, struct server_running *running);

/* Measures the work folders of these jobs for the engine; kills the process of the largest if all
 * files together are more than the disk's limit. */
void server_running_check_disk(struct server_jobs *jobs, struct server_entry *const *entries,
                               size_t n_entries);

/* With the lock held: what is left of the work folder counts as the job's result. */
void server_running_stop_counting(struct server_jobs *jobs, struct server_running *running);

/* Kills the process, waits for what goes on, and takes `running` from the entry; it may be NULL. */
void server_running_end(struct server_jobs *jobs, struct server_entry *entry);

#endif
