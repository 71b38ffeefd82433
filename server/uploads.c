/* SPDX-License-Identifier: MIT */
#include "server/uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/jobs_table.h"

enum { MAX_UPLOADS = 1000, KEEP_S = 24 * 3600 };

struct server_uploads {
    struct server_jobs *jobs;
    pthread_mutex_t mutex; /* of everything below */
    struct server_upload_row rows[MAX_UPLOADS];
    size_t count;
};

static char *path_of(const struct server_uploads *uploads, const char *id)
{
    return server_path_join(server_jobs_state_folder(uploads->jobs), "uploads", id, NULL);
}

/* With the lock held, or before others have it; NULL if there is none. */
static struct server_upload_row *find(struct server_uploads *uploads, const char *id)
{
    for (size_t i = 0; i < uploads->count; i++)
        if (strcmp(uploads->rows[i].id, id) == 0)
            return &uploads->rows[i];
    return NULL;
}

/* ------------------------------------------------------------------------- opening and closing */

static void take_loaded(void *opaque, const struct server_upload_row *row)
{
    struct server_uploads *uploads = opaque;
    if (uploads->count == MAX_UPLOADS || !server_jobs_hold(uploads->jobs, row->bytes, NULL)) {
        free(row->name);
        return;
    }
    uploads->rows[uploads->count++] = *row;
}

static bool is_known(void *opaque, const char *name)
{
    return find(opaque, name) != NULL;
}

struct server_uploads *server_uploads_open(struct server_jobs *jobs, struct server_problem *problem)
{
    struct server_uploads *uploads = calloc(1, sizeof *uploads);
    char *folder = server_path_join(server_jobs_state_folder(jobs), "uploads", NULL);
    if (!uploads || !folder) {
        free(uploads);
        free(folder);
        server_fail_memory(problem);
        return NULL;
    }
    uploads->jobs = jobs;
    pthread_mutex_init(&uploads->mutex, NULL);
    const bool loaded = server_store_load_uploads(jobs->store, take_loaded, uploads, problem);
    if (loaded) {
        /* Files whose rows were never written, or are removed already. */
        server_folder_keep(folder, is_known, uploads);
        server_uploads_expire(uploads);
    } else {
        server_uploads_close(uploads);
    }
    free(folder);
    return loaded ? uploads : NULL;
}

void server_uploads_close(struct server_uploads *uploads)
{
    if (!uploads)
        return;
    for (size_t i = 0; i < uploads->count; i++) {
        server_jobs_release(uploads->jobs, uploads->rows[i].bytes);
        free(uploads->rows[i].name);
    }
    pthread_mutex_destroy(&uploads->mutex);
    free(uploads);
}

/* --------------------------------------------------------------------------- coming and going */

/* Moves the file to its place and waits until it is on the disk. */
static bool settle(const struct server_uploads *uploads, const char *path,
                   struct server_upload_row *row, struct server_problem *problem)
{
    struct stat about;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const bool synced = fd >= 0 && fstat(fd, &about) == 0 && fsync(fd) == 0;
    const int reason = errno;
    if (fd >= 0)
        close(fd);
    if (!synced)
        return server_fail_errno(problem, reason, "the upload cannot be kept");
    if (about.st_size == 0)
        return server_fail(problem, 422, "input", "the file is empty");
    row->bytes = (uint64_t)about.st_size;
    char *place = path_of(uploads, row->id);
    char *folder = server_path_join(server_jobs_state_folder(uploads->jobs), "uploads", NULL);
    bool moved = place && folder && rename(path, place) == 0 && server_folder_sync(folder);
    if (!moved)
        server_fail_errno(problem, place && folder ? errno : ENOMEM, "the upload cannot be kept");
    free(place);
    free(folder);
    return moved;
}

static bool enter(struct server_uploads *uploads, const struct server_upload_row *row,
                  struct server_problem *problem)
{
    pthread_mutex_lock(&uploads->mutex);
    const bool has_room = uploads->count < MAX_UPLOADS;
    if (has_room)
        uploads->rows[uploads->count++] = *row;
    pthread_mutex_unlock(&uploads->mutex);
    return has_room ? true
                    : server_fail_for_now(problem, 503, "uploads-full", 60,
                                          "%d uploads wait already; remove some", MAX_UPLOADS);
}

static void remove_file(const struct server_uploads *uploads, const char *id)
{
    char *path = path_of(uploads, id);
    if (path)
        unlink(path);
    free(path);
}

bool server_uploads_keep(struct server_uploads *uploads, const char *path, const char *name,
                         char id[SERVER_ID_SIZE], struct server_problem *problem)
{
    struct server_upload_row row = {.created_ms = server_now_ms(), .name = strdup(name)};
    row.expires_ms = row.created_ms + KEEP_S * INT64_C(1000);
    if (!row.name || !server_random_hex(row.id, (SERVER_ID_SIZE - 1) / 2)) {
        free(row.name);
        return server_fail_memory(problem);
    }
    memcpy(id, row.id, SERVER_ID_SIZE);
    if (!settle(uploads, path, &row, problem)) {
        free(row.name);
        return false;
    }
    if (!server_jobs_hold(uploads->jobs, row.bytes, problem)) {
        remove_file(uploads, id);
        free(row.name);
        return false;
    }
    if (server_store_insert_upload(uploads->jobs->store, &row, problem)) {
        if (enter(uploads, &row, problem))
            return true;
        server_store_remove_upload(uploads->jobs->store, id, NULL);
    }
    server_jobs_release(uploads->jobs, row.bytes);
    remove_file(uploads, id);
    free(row.name);
    return false;
}

bool server_uploads_remove(struct server_uploads *uploads, const char *id,
                           struct server_problem *problem)
{
    pthread_mutex_lock(&uploads->mutex);
    struct server_upload_row *row = find(uploads, id);
    const uint64_t bytes = row ? row->bytes : 0;
    if (row) {
        free(row->name);
        *row = uploads->rows[--uploads->count];
    }
    pthread_mutex_unlock(&uploads->mutex);
    if (!row)
        return server_fail(problem, 404, "not-found", "there is no upload %.40s", id);
    server_jobs_release(uploads->jobs, bytes);
    remove_file(uploads, id);
    return server_store_remove_upload(uploads->jobs->store, id, problem);
}

void server_uploads_expire(struct server_uploads *uploads)
{
    const int64_t now_ms = server_now_ms();
    for (;;) {
        char id[SERVER_ID_SIZE] = "";
        pthread_mutex_lock(&uploads->mutex);
        for (size_t i = 0; i < uploads->count && !*id; i++)
            if (uploads->rows[i].expires_ms < now_ms)
                memcpy(id, uploads->rows[i].id, sizeof id);
        pthread_mutex_unlock(&uploads->mutex);
        if (!*id)
            return;
        server_uploads_remove(uploads, id, NULL);
    }
}

/* ------------------------------------------------------------------------------ what is known */

json_t *server_uploads_document(struct server_uploads *uploads, const char *id)
{
    json_t *document = NULL;
    pthread_mutex_lock(&uploads->mutex);
    const struct server_upload_row *row = find(uploads, id);
    if (row)
        document = json_pack("{s:s, s:s, s:I, s:o, s:o}", "id", row->id, "name", row->name, "bytes",
                             (json_int_t)row->bytes, "created", server_time_json(row->created_ms),
                             "expires", server_time_json(row->expires_ms));
    pthread_mutex_unlock(&uploads->mutex);
    return document;
}

bool server_uploads_find(struct server_uploads *uploads, const char *id, char **path, char **name,
                         struct server_problem *problem)
{
    *path = *name = NULL;
    pthread_mutex_lock(&uploads->mutex);
    const struct server_upload_row *row = find(uploads, id);
    if (row)
        *name = strdup(row->name);
    pthread_mutex_unlock(&uploads->mutex);
    if (!row)
        return server_fail(problem, 404, "not-found",
                           "there is no upload %.40s; it was used, removed or has expired", id);
    *path = path_of(uploads, id);
    if (*name && *path)
        return true;
    free(*name);
    free(*path);
    *path = *name = NULL;
    return server_fail_memory(problem);
}
