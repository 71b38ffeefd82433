/* SPDX-License-Identifier: MIT
 *
 * Inputs that wait in the state folder for a job, to be looked into before. Each becomes the input
 * of a job, is removed, or expires.
 *
 * Any thread may call any function. Those marked "waits" wait for the disk.
 */
#ifndef SERVER_UPLOADS_H
#define SERVER_UPLOADS_H

#include "server/jobs.h"

struct server_uploads;

/* Goes on with what the state folder of `jobs`, which outlives it, still has. NULL with a problem.
 * Waits. */
struct server_uploads *server_uploads_open(struct server_jobs *jobs,
                                           struct server_problem *problem);
/* What waits is kept for the next start. NULL is allowed. */
void server_uploads_close(struct server_uploads *uploads);

/* Takes a file of the state folder over, when it returns true. 422 for an empty one, 507 without
 * room. Waits. */
bool server_uploads_keep(struct server_uploads *uploads, const char *path, const char *name,
                         char id[SERVER_ID_SIZE], struct server_problem *problem);

/* {id, name, bytes, created, expires}, a new reference; NULL if there is none. */
json_t *server_uploads_document(struct server_uploads *uploads, const char *id);

/* Where it lies and what it is called, both malloc'd. 404 if there is none. */
bool server_uploads_find(struct server_uploads *uploads, const char *id, char **path, char **name,
                         struct server_problem *problem);

/* 404 if there is none. Waits. */
bool server_uploads_remove(struct server_uploads *uploads, const char *id,
                           struct server_problem *problem);

/* Removes what nobody has used for too long. To be called now and then. Waits. */
void server_uploads_expire(struct server_uploads *uploads);

#endif
