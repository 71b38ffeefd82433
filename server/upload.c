/* SPDX-License-Identifier: MIT */
#include "server/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "server/naming.h"

enum { FORM_BUFFER_BYTES = 1 << 16, MAX_FIELDS = 64, MAX_FIELD_BYTES = 4096, DIGEST_BYTES = 32 };

static bool refuse(struct server_upload *upload, struct server_problem *problem)
{
    if (problem)
        *problem = upload->problem;
    return false;
}

static bool open_file(struct server_upload *upload)
{
    char id[SERVER_ID_SIZE];
    if (server_random_hex(id, (SERVER_ID_SIZE - 1) / 2))
        upload->path =
            server_path_join(server_jobs_state_folder(upload->jobs), "incoming", id, NULL);
    if (!upload->path)
        return server_fail_memory(&upload->problem);
    upload->fd = open(upload->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return upload->fd >= 0
               ? true
               : server_fail_errno(&upload->problem, errno, "the upload cannot be kept");
}

/* ------------------------------------------------------------------------------------ the file */

static bool write_bytes(struct server_upload *upload, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(upload->fd, data, size);
        if (written < 0 && errno != EINTR)
            return server_fail_errno(&upload->problem, errno, "the upload cannot be kept");
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        }
    }
    return true;
}

static bool take_file(struct server_upload *upload, const char *data, size_t size)
{
    if (size == 0)
        return true;
    if (upload->bytes + size > upload->limit_bytes)
        return server_fail(&upload->problem, 413, "upload-too-large",
                           "the input is larger than %" PRIu64 " bytes (limit upload size)",
                           upload->limit_bytes);
    if (!server_jobs_hold(upload->jobs, size, &upload->problem))
        return false;
    upload->bytes += size;
    if (upload->hash && gnutls_hash(upload->hash, data, size) < 0)
        return server_fail_memory(&upload->problem);
    return write_bytes(upload, data, size);
}

/* ------------------------------------------------------------------------------------ the form */

/* Values arrive in parts. */
static bool take_field(struct server_upload *upload, const char *key, const char *data,
                       uint64_t offset, size_t size)
{
    json_t *old = json_object_get(upload->fields, key);
    const char *so_far = offset && old ? json_string_value(old) : "";
    if ((!old && json_object_size(upload->fields) >= MAX_FIELDS) || strlen(key) > 64 ||
        strlen(so_far) + size > MAX_FIELD_BYTES)
        return server_fail(&upload->problem, 413, "form-too-large",
                           "the form has more or longer fields than any job needs");
    char *value = NULL;
    if (asprintf(&value, "%s%.*s", so_far, (int)size, data) < 0)
        return server_fail_memory(&upload->problem);
    json_t *text = json_string(value);
    free(value);
    if (!text || json_object_set_new(upload->fields, key, text) != 0)
        return server_fail(&upload->problem, 422, "bad-option", "a field of the form is not UTF-8");
    return true;
}

/* Called again for the same part where the first piece of it came without a byte, and after the
 * empty part that a browser sends for a field in which nothing was chosen. */
static bool begin_file(struct server_upload *upload, const char *filename)
{
    if (upload->bytes > 0)
        return server_fail(&upload->problem, 422, "two-files",
                           "the form holds more than one file; make one request for each");
    upload->has_file = true;
    free(upload->name);
    upload->name = filename && *filename ? server_name_clean(filename) : NULL;
    return true;
}

static enum MHD_Result take_part(void *opaque, enum MHD_ValueKind kind, const char *key,
                                 const char *filename, const char *content_type,
                                 const char *transfer_encoding, const char *data, uint64_t offset,
                                 size_t size)
{
    struct server_upload *upload = opaque;
    (void)kind;
    (void)content_type;
    (void)transfer_encoding;
    bool taken;
    if (upload->problem.status)
        return MHD_NO;
    if (!key)
        taken = server_fail(&upload->problem, 400, "bad-form", "a part of the form has no name");
    else if (filename || strcmp(key, "file") == 0)
        taken = (offset > 0 || begin_file(upload, filename)) && take_file(upload, data, size);
    else
        taken = take_field(upload, key, data, offset, size);
    return taken ? MHD_YES : MHD_NO;
}

/* --------------------------------------------------------------------------------- the upload */

bool server_upload_begin(struct server_upload *upload, struct server_jobs *jobs,
                         struct MHD_Connection *connection, bool hashed,
                         struct server_problem *problem)
{
    static const char multipart[] = "multipart/form-data";
    const char *type =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    *upload = (struct server_upload){.jobs = jobs,
                                     .fd = -1,
                                     .limit_bytes = server_jobs_limits(jobs)->upload_bytes,
                                     .fields = json_object()};
    if (!upload->fields || (hashed && gnutls_hash_init(&upload->hash, GNUTLS_DIG_SHA256) < 0)) {
        server_fail_memory(&upload->problem);
        return refuse(upload, problem);
    }
    if (type && strncasecmp(type, multipart, sizeof multipart - 1) == 0) {
        upload->form = MHD_create_post_processor(connection, FORM_BUFFER_BYTES, take_part, upload);
        if (!upload->form) {
            server_fail(&upload->problem, 400, "bad-form",
                        "the Content-Type of the form has no boundary");
            return refuse(upload, problem);
        }
    }
    return open_file(upload) ? true : refuse(upload, problem);
}

bool server_upload_take(struct server_upload *upload, const char *data, size_t size,
                        struct server_problem *problem)
{
    if (upload->problem.status)
        return refuse(upload, problem);
    if (!upload->form) {
        upload->has_file = true;
        return take_file(upload, data, size) ? true : refuse(upload, problem);
    }
    if (MHD_post_process(upload->form, data, size) != MHD_YES && !upload->problem.status)
        server_fail(&upload->problem, 400, "bad-form", "the form is malformed");
    return upload->problem.status ? refuse(upload, problem) : true;
}

bool server_upload_end(struct server_upload *upload, struct server_problem *problem)
{
    unsigned char digest[DIGEST_BYTES] = {0};
    if (upload->form && MHD_destroy_post_processor(upload->form) != MHD_YES &&
        !upload->problem.status)
        server_fail(&upload->problem, 400, "bad-form", "the form is cut short");
    upload->form = NULL;
    if (upload->hash) {
        gnutls_hash_deinit(upload->hash, digest);
        upload->hash = NULL;
    }
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        snprintf(upload->digest + 2 * i, 3, "%02x", digest[i]);
    if (upload->fd >= 0 && close(upload->fd) != 0 && !upload->problem.status)
        server_fail_errno(&upload->problem, errno, "the upload cannot be kept");
    upload->fd = -1;
    return upload->problem.status ? refuse(upload, problem) : true;
}

void server_upload_stop_counting(struct server_upload *upload)
{
    server_jobs_release(upload->jobs, upload->bytes);
    upload->bytes = 0;
}

void server_upload_free(struct server_upload *upload)
{
    if (!upload->jobs)
        return;
    server_upload_end(upload, NULL);
    if (upload->path)
        unlink(upload->path);
    server_upload_stop_counting(upload);
    free(upload->path);
    free(upload->name);
    json_decref(upload->fields);
    *upload = (struct server_upload){.fd = -1};
}
