/* SPDX-License-Identifier: MIT
 *
 * The rows of jobs and uploads, in SQLite. What a function has written when it returns true is on
 * the disk: the server may be killed, or the machine lose its power. Any thread may call.
 */
#ifndef SERVER_STORE_H
#define SERVER_STORE_H

#include "server/job.h"

struct server_store;

/* Opens or makes the file. False with a problem. */
bool server_store_open(const char *path, struct server_store **store,
                       struct server_problem *problem);
/* NULL is allowed. */
void server_store_close(struct server_store *store);

bool server_store_insert(struct server_store *store, const struct server_job *job,
                         struct server_problem *problem);
bool server_store_change(struct server_store *store, const char *id,
                         const struct server_job_change *change, struct server_problem *problem);
bool server_store_remove(struct server_store *store, const char *id,
                         struct server_problem *problem);

/* Gives each job, oldest first, to `take`, which owns it. */
bool server_store_load(struct server_store *store, void (*take)(void *opaque, struct server_job *),
                       void *opaque, struct server_problem *problem);

struct server_upload_row {
    char id[SERVER_ID_SIZE];
    int64_t created_ms, expires_ms;
    uint64_t bytes;
    char *name; /* owned */
};

bool server_store_insert_upload(struct server_store *store, const struct server_upload_row *row,
                                struct server_problem *problem);
bool server_store_remove_upload(struct server_store *store, const char *id,
                                struct server_problem *problem);
/* Gives each upload to `take`, which owns its name. */
bool server_store_load_uploads(struct server_store *store,
                               void (*take)(void *opaque, const struct server_upload_row *),
                               void *opaque, struct server_problem *problem);

#endif
