/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: any bytes as the body of an upload, in pieces as a connection brings them. The
 * first byte chooses how: the file alone, a form with a known boundary, or one whose Content-Type
 * is the input's first line; the second byte is the size of the pieces. Beneath it are
 * libmicrohttpd, on a pair of sockets, and a folder on the disk; a stand-in takes the place of the
 * job engine.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/upload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The last: what a socket takes at once. */
enum { LIMIT_BYTES = 4096, DISK_BYTES = 6000, MAX_INPUT_BYTES = 65536 };

/* ---------------------------------------------------------------------------------- stand-ins --
 */

struct server_jobs {
    struct server_limits limits;
    char folder[32];
    uint64_t held_bytes;
};

const struct server_limits *server_jobs_limits(const struct server_jobs *jobs)
{
    return &jobs->limits;
}

const char *server_jobs_state_folder(const struct server_jobs *jobs)
{
    return jobs->folder;
}

bool server_jobs_hold(struct server_jobs *jobs, uint64_t bytes, struct server_problem *problem)
{
    if (jobs->held_bytes + bytes > DISK_BYTES)
        return server_fail(problem, 507, "disk-full", "no room");
    jobs->held_bytes += bytes;
    return true;
}

void server_jobs_release(struct server_jobs *jobs, uint64_t bytes)
{
    if (bytes > jobs->held_bytes)
        __builtin_trap();
    jobs->held_bytes -= bytes;
}

/* ------------------------------------------------------------------------------------ a request */

struct post {
    struct server_upload upload;
    bool begun, refused;
};

static struct server_jobs engine = {.limits = {.upload_bytes = LIMIT_BYTES}};

/* A form has left nothing in it. */
static void remove_folder(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/incoming", engine.folder);
    if (rmdir(path) != 0 || rmdir(engine.folder) != 0)
        __builtin_trap();
}

/* With a state folder on the disk, the same for all inputs. */
static struct server_jobs *jobs(void)
{
    char path[64];
    if (!*engine.folder) {
        snprintf(engine.folder, sizeof engine.folder, "/tmp/pipersr-fuzz-XXXXXX");
        if (!mkdtemp(engine.folder))
            abort();
        snprintf(path, sizeof path, "%s/incoming", engine.folder);
        if (mkdir(path, 0700) != 0 || atexit(remove_folder) != 0)
            abort();
    }
    return &engine;
}

/* What was taken is whole: on the disk as many bytes as were counted, and fields that are text. */
static void check_upload(const struct server_upload *upload)
{
    struct stat about;
    const char *name;
    json_t *value;
    if (stat(upload->path, &about) != 0 || (uint64_t)about.st_size != upload->bytes ||
        upload->bytes > LIMIT_BYTES || (upload->bytes > 0 && !upload->has_file) ||
        strlen(upload->digest) != 64 || json_object_size(upload->fields) > 64)
        __builtin_trap();
    if (upload->name && (!*upload->name || *upload->name == '.' || strchr(upload->name, '/')))
        __builtin_trap();
    json_object_foreach(upload->fields, name, value)
    {
        if (!json_is_string(value) || json_string_length(value) > 4096 || strlen(name) > 64)
            __builtin_trap();
    }
}

/* As server/request.c goes about it. */
static enum MHD_Result handle(void *opaque, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **own)
{
    struct post *post = *own;
    struct server_problem problem = {.status = 0};
    (void)opaque, (void)url, (void)method, (void)version;
    if (!post) {
        post = *own = calloc(1, sizeof *post);
        if (!post)
            abort();
        post->refused = !server_upload_begin(&post->upload, jobs(), connection, true, &problem);
    } else if (*size > 0) {
        post->refused = post->refused || !server_upload_take(&post->upload, data, *size, &problem);
        *size = 0;
    } else {
        if (!post->refused && server_upload_end(&post->upload, &problem))
            check_upload(&post->upload);
        struct MHD_Response *answer =
            MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        MHD_queue_response(connection, 200, answer);
        MHD_destroy_response(answer);
    }
    return MHD_YES;
}

static void finish(void *opaque, struct MHD_Connection *connection, void **own,
                   enum MHD_RequestTerminationCode code)
{
    struct post *post = *own;
    (void)opaque, (void)connection, (void)code;
    if (post)
        server_upload_free(&post->upload);
    free(post);
    *own = NULL;
    if (jobs()->held_bytes != 0)
        __builtin_trap();
}

/* --------------------------------------------------------------------------------- connections --
 */

static struct MHD_Daemon *daemon_of_all(void)
{
    static struct MHD_Daemon *daemon;
    if (!daemon)
        daemon = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, handle, NULL,
                                  MHD_OPTION_NOTIFY_COMPLETED, finish, NULL, MHD_OPTION_END);
    if (!daemon)
        abort();
    return daemon;
}

static void send_all(int socket, const char *data, size_t size, size_t piece)
{
    while (size > 0) {
        const size_t length = size < piece ? size : piece;
        if (write(socket, data, length) != (ssize_t)length)
            return; /* the server has closed it */
        MHD_run(daemon_of_all());
        data += length;
        size -= length;
    }
}

static void make_header(char *header, size_t room, const char *type, size_t body_bytes)
{
    snprintf(header, room,
             "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: %s\r\n"
             "Content-Length: %zu\r\n\r\n",
             type, body_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"image/png", "multipart/form-data; boundary=X",
                                        "multipart/form-data; boundary=\"a b\""};
    char header[512], type[128] = "multipart/form-data";
    int ends[2];
    signal(SIGPIPE, SIG_IGN); /* the server may have closed it */
    if (size < 2 || size > MAX_INPUT_BYTES)
        return 0;
    const unsigned how = data[0] % 4;
    const size_t piece = data[1] ? data[1] : MAX_INPUT_BYTES;
    const char *body = (const char *)data + 2;
    size -= 2;
    if (how < 3) {
        snprintf(type, sizeof type, "%s", types[how]);
    } else {
        size_t length = strlen(type);
        for (; size > 0 && *body != '\n'; body++, size--)
            if (*body >= 0x20 && *body < 0x7f && length < sizeof type - 1)
                type[length++] = *body;
        type[length] = '\0';
    }
    make_header(header, sizeof header, type, size);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        abort();
    const struct sockaddr_in client = {.sin_family = AF_INET};
    if (MHD_add_connection(daemon_of_all(), ends[0], (const struct sockaddr *)&client,
                           sizeof client) != MHD_YES)
        abort();
    send_all(ends[1], header, strlen(header), sizeof header);
    send_all(ends[1], body, size, piece);
    shutdown(ends[1], SHUT_WR);
    /* Until the server closes the connection. */
    char answer[256];
    for (int step = 0; step < 1000 && read(ends[1], answer, sizeof answer) != 0; step++)
        MHD_run(daemon_of_all());
    close(ends[1]);
    MHD_run(daemon_of_all());
    return 0;
}
