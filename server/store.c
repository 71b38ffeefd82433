/* SPDX-License-Identifier: MIT */
#include "server/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* The layout that this code reads and writes; PRAGMA user_version holds it. */
enum { LAYOUT = 1, BUSY_TIMEOUT_MS = 10000 };

static const char layout[] =
    "CREATE TABLE jobs (id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL, name TEXT NOT NULL, bytes INTEGER NOT NULL, input_path TEXT,"
    " output_path TEXT, overwrite INTEGER NOT NULL, options TEXT NOT NULL, idempotency_key TEXT,"
    " fingerprint TEXT, result TEXT, error TEXT, notes TEXT) WITHOUT ROWID;"
    "CREATE TABLE uploads (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL, bytes INTEGER NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

struct server_store {
    sqlite3 *database;
    pthread_mutex_t mutex; /* one statement at a time */
};

static bool fail(struct server_store *store, struct server_problem *problem)
{
    const int code = sqlite3_errcode(store->database);
    if (code == SQLITE_FULL)
        return server_fail_for_now(problem, 507, "disk-full", 60,
                                   "no room on the disk for the job's row");
    return server_fail(problem, 500, "internal", "the database of jobs: %s",
                       sqlite3_errmsg(store->database));
}

static bool has_layout(struct server_store *store, struct server_problem *problem)
{
    sqlite3_stmt *statement = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(store->database, "PRAGMA user_version", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    if (version == LAYOUT)
        return true;
    if (version > LAYOUT)
        return server_fail(
            problem, 500, "internal",
            "the database of jobs is a newer version's; give --state another folder");
    if (version < 0)
        return fail(store, problem);
    return sqlite3_exec(store->database, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
                   sqlite3_exec(store->database, layout, NULL, NULL, NULL) == SQLITE_OK &&
                   sqlite3_exec(store->database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK
               ? true
               : fail(store, problem);
}

bool server_store_open(const char *path, struct server_store **store,
                       struct server_problem *problem)
{
    struct server_store *made = calloc(1, sizeof *made);
    *store = NULL;
    if (!made)
        return server_fail_memory(problem);
    if (pthread_mutex_init(&made->mutex, NULL) != 0) {
        free(made);
        return server_fail_memory(problem);
    }
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    bool opened =
        sqlite3_open_v2(path, &made->database, flags, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(made->database, BUSY_TIMEOUT_MS) == SQLITE_OK &&
        sqlite3_exec(made->database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;", NULL,
                     NULL, NULL) == SQLITE_OK;
    opened = opened ? has_layout(made, problem) : fail(made, problem);
    if (opened)
        *store = made;
    else
        server_store_close(made);
    return opened;
}

void server_store_close(struct server_store *store)
{
    if (!store)
        return;
    sqlite3_close(store->database);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

/* ------------------------------------------------------------------------------- statements -- */

/* Locks the store and prepares; end() undoes both. NULL on failure. */
static sqlite3_stmt *begin(struct server_store *store, const char *text)
{
    sqlite3_stmt *statement = NULL;
    pthread_mutex_lock(&store->mutex);
    if (sqlite3_prepare_v2(store->database, text, -1, &statement, NULL) != SQLITE_OK)
        return NULL;
    return statement;
}

static bool end(struct server_store *store, sqlite3_stmt *statement, bool succeeded,
                struct server_problem *problem)
{
    if (!succeeded)
        fail(store, problem);
    sqlite3_finalize(statement);
    pthread_mutex_unlock(&store->mutex);
    return succeeded;
}

static bool finish(struct server_store *store, sqlite3_stmt *statement,
                   struct server_problem *problem)
{
    return end(store, statement, statement && sqlite3_step(statement) == SQLITE_DONE, problem);
}

/* By the name of the parameter: a column and its value can't be mistaken for another's. */
static void bind_text(sqlite3_stmt *statement, const char *name, const char *text)
{
    if (statement && text)
        sqlite3_bind_text(statement, sqlite3_bind_parameter_index(statement, name), text, -1,
                          SQLITE_TRANSIENT);
}

static void bind_number(sqlite3_stmt *statement, const char *name, int64_t number)
{
    if (statement)
        sqlite3_bind_int64(statement, sqlite3_bind_parameter_index(statement, name), number);
}

static void bind_json(sqlite3_stmt *statement, const char *name, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    bind_text(statement, name, text);
    free(text);
}

static void bind_change(sqlite3_stmt *statement, const struct server_job_change *change)
{
    bind_text(statement, ":state", server_job_state_name(change->state));
    bind_number(statement, ":started_ms", change->started_ms);
    bind_number(statement, ":finished_ms", change->finished_ms);
    bind_number(statement, ":expires_ms", change->expires_ms);
    bind_json(statement, ":result", change->result);
    bind_json(statement, ":error", change->error);
    bind_json(statement, ":notes", change->notes);
}

/* ------------------------------------------------------------------------------------- jobs -- */

bool server_store_insert(struct server_store *store, const struct server_job *job,
                         struct server_problem *problem)
{
    sqlite3_stmt *statement = begin(
        store, "INSERT INTO jobs VALUES (:id, :kind, :state, :created_ms, :started_ms,"
               " :finished_ms, :expires_ms, :name, :bytes, :input_path, :output_path, :overwrite,"
               " :options, :idempotency_key, :fingerprint, :result, :error, :notes)");
    bind_text(statement, ":id", job->id);
    bind_text(statement, ":kind", server_job_kind_name(job->kind));
    bind_number(statement, ":created_ms", job->created_ms);
    bind_text(statement, ":name", job->name);
    bind_number(statement, ":bytes", (int64_t)job->bytes);
    bind_text(statement, ":input_path", job->input_path);
    bind_text(statement, ":output_path", job->output_path);
    bind_number(statement, ":overwrite", job->overwrite);
    bind_json(statement, ":options", job->options);
    bind_text(statement, ":idempotency_key", job->idempotency_key);
    bind_text(statement, ":fingerprint", job->fingerprint);
    bind_change(statement, &job->now);
    return finish(store, statement, problem);
}

bool server_store_change(struct server_store *store, const char *id,
                         const struct server_job_change *change, struct server_problem *problem)
{
    sqlite3_stmt *statement =
        begin(store, "UPDATE jobs SET state = :state, started_ms = :started_ms,"
                     " finished_ms = :finished_ms, expires_ms = :expires_ms, result = :result,"
                     " error = :error, notes = :notes WHERE id = :id");
    bind_text(statement, ":id", id);
    bind_change(statement, change);
    return finish(store, statement, problem);
}

static bool remove_row(struct server_store *store, const char *text, const char *id,
                       struct server_problem *problem)
{
    sqlite3_stmt *statement = begin(store, text);
    bind_text(statement, ":id", id);
    return finish(store, statement, problem);
}

bool server_store_remove(struct server_store *store, const char *id, struct server_problem *problem)
{
    return remove_row(store, "DELETE FROM jobs WHERE id = :id", id, problem);
}

static char *column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? strdup(text) : NULL;
}

static json_t *column_json(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

/* Columns in the order of load()'s SELECT. NULL for a row that this server cannot have written. */
static struct server_job *read_job(sqlite3_stmt *row)
{
    struct server_job *job = calloc(1, sizeof *job);
    const char *id = (const char *)sqlite3_column_text(row, 0);
    const char *kind = (const char *)sqlite3_column_text(row, 1);
    const char *state = (const char *)sqlite3_column_text(row, 2);
    if (!job || !id || !kind || !state || !server_is_id(id) ||
        !server_job_kind_parse(kind, &job->kind) ||
        !server_job_state_parse(state, &job->now.state)) {
        free(job);
        return NULL;
    }
    memcpy(job->id, id, SERVER_ID_SIZE);
    job->created_ms = sqlite3_column_int64(row, 3);
    job->now.started_ms = sqlite3_column_int64(row, 4);
    job->now.finished_ms = sqlite3_column_int64(row, 5);
    job->now.expires_ms = sqlite3_column_int64(row, 6);
    job->name = column_text(row, 7);
    job->bytes = (uint64_t)sqlite3_column_int64(row, 8);
    job->input_path = column_text(row, 9);
    job->output_path = column_text(row, 10);
    job->overwrite = sqlite3_column_int(row, 11) != 0;
    job->options = column_json(row, 12);
    job->idempotency_key = column_text(row, 13);
    job->fingerprint = column_text(row, 14);
    job->now.result = column_json(row, 15);
    job->now.error = column_json(row, 16);
    job->now.notes = column_json(row, 17);
    job->progress = (struct server_job_progress){
        .unit = job->kind == SERVER_JOB_VIDEO ? "frames" : "rows", .eta_s = -1};
    if (!job->name || !job->options) {
        server_job_free(job);
        return NULL;
    }
    return job;
}

bool server_store_load(struct server_store *store, void (*take)(void *opaque, struct server_job *),
                       void *opaque, struct server_problem *problem)
{
    sqlite3_stmt *statement =
        begin(store, "SELECT id, kind, state, created_ms, started_ms, finished_ms, expires_ms,"
                     " name, bytes, input_path, output_path, overwrite, options, idempotency_key,"
                     " fingerprint, result, error, notes FROM jobs ORDER BY created_ms, id");
    int step = SQLITE_ERROR;
    while (statement && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct server_job *job = read_job(statement);
        if (job)
            take(opaque, job);
    }
    return end(store, statement, step == SQLITE_DONE, problem);
}

/* ---------------------------------------------------------------------------------- uploads -- */

bool server_store_insert_upload(struct server_store *store, const struct server_upload_row *row,
                                struct server_problem *problem)
{
    sqlite3_stmt *statement =
        begin(store, "INSERT INTO uploads VALUES (:id, :created_ms, :expires_ms, :bytes, :name)");
    bind_text(statement, ":id", row->id);
    bind_number(statement, ":created_ms", row->created_ms);
    bind_number(statement, ":expires_ms", row->expires_ms);
    bind_number(statement, ":bytes", (int64_t)row->bytes);
    bind_text(statement, ":name", row->name);
    return finish(store, statement, problem);
}

bool server_store_remove_upload(struct server_store *store, const char *id,
                                struct server_problem *problem)
{
    return remove_row(store, "DELETE FROM uploads WHERE id = :id", id, problem);
}

bool server_store_load_uploads(struct server_store *store,
                               void (*take)(void *opaque, const struct server_upload_row *),
                               void *opaque, struct server_problem *problem)
{
    sqlite3_stmt *statement =
        begin(store, "SELECT id, created_ms, expires_ms, bytes, name FROM uploads");
    int step = SQLITE_ERROR;
    while (statement && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(statement, 0);
        struct server_upload_row row = {.created_ms = sqlite3_column_int64(statement, 1),
                                        .expires_ms = sqlite3_column_int64(statement, 2),
                                        .bytes = (uint64_t)sqlite3_column_int64(statement, 3),
                                        .name = column_text(statement, 4)};
        if (id && server_is_id(id) && row.name) {
            memcpy(row.id, id, SERVER_ID_SIZE);
            take(opaque, &row);
        } else {
            free(row.name);
        }
    }
    return end(store, statement, step == SQLITE_DONE, problem);
}
