/* SPDX-License-Identifier: MIT
 *
 * A body with a file in it, written to the disk as it arrives: multipart/form-data with the field
 * `file` and options as further fields, or the file alone.
 */
#ifndef SERVER_UPLOAD_H
#define SERVER_UPLOAD_H

#include <gnutls/crypto.h>
#include <microhttpd.h>

#include "server/jobs.h"

struct server_upload {
    struct server_jobs *jobs;
    char *path; /* in the state folder's incoming/; removed by _free(); NULL: not begun */
    int fd;
    uint64_t bytes, limit_bytes;
    char *name;     /* as the client called the file, made harmless; NULL: it did not */
    json_t *fields; /* object of strings: the other fields of the form */
    size_t field_bytes;
    bool has_file;
    struct MHD_PostProcessor *form; /* NULL: the body is the file alone */
    gnutls_hash_hd_t hash;          /* of the file's bytes; NULL: not wanted */
    char digest[65];                /* hexadecimal, after _end() */
    struct server_problem problem;  /* status 0: none so far */
};

/* By the request's Content-Type. `hashed`: fill `digest`. False with a problem; free it in any
 * case. */
bool server_upload_begin(struct server_upload *upload, struct server_jobs *jobs,
                         struct MHD_Connection *connection, bool hashed,
                         struct server_problem *problem);

/* The next bytes of the body. False with a problem, also for all that follow. */
bool server_upload_take(struct server_upload *upload, const char *data, size_t size,
                        struct server_problem *problem);

/* The body is complete. */
bool server_upload_end(struct server_upload *upload, struct server_problem *problem);

/* The file's bytes count as somebody else's from now on: a request may live on for as long as the
 * job that it made. */
void server_upload_stop_counting(struct server_upload *upload);

/* Harmless on a zeroed one. */
void server_upload_free(struct server_upload *upload);

#endif
