/* SPDX-License-Identifier: MIT */
#include "server/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/output.h"

enum { COPY_BYTES = 1 << 20 };

struct server_delivery {
    pthread_t thread;
    char *from, *to;
    bool overwrite, again;
    int done_fd;
    enum media_status status;
    struct media_error error;
    atomic_bool ended, cancelled;
};

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

/* By way of memory: works between any two file systems. */
static int copy(int from, int to, const atomic_bool *cancelled)
{
    char *buffer = malloc(COPY_BYTES);
    if (!buffer)
        return ENOMEM;
    int reason = 0;
    for (ssize_t length; !reason && (length = read(from, buffer, COPY_BYTES)) != 0;) {
        if (atomic_load(cancelled))
            reason = ECANCELED;
        else if (length > 0)
            reason = write_all(to, buffer, (size_t)length);
        else if (errno != EINTR)
            reason = errno;
    }
    free(buffer);
    return reason;
}

static int copy_file(const char *from, const char *to, const atomic_bool *cancelled)
{
    const int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0)
        return errno;
    const int out = open(to, O_WRONLY | O_TRUNC | O_CLOEXEC);
    int reason = out < 0 ? errno : copy(in, out, cancelled);
    if (out >= 0 && close(out) != 0 && !reason)
        reason = errno;
    close(in);
    return reason;
}

/* All that is left of two files, byte by byte. */
static bool have_same_bytes(FILE *one, FILE *other)
{
    char pieces[2][1 << 14];
    size_t lengths[2];
    do {
        lengths[0] = fread(pieces[0], 1, sizeof pieces[0], one);
        lengths[1] = fread(pieces[1], 1, sizeof pieces[1], other);
        if (lengths[0] != lengths[1] || memcmp(pieces[0], pieces[1], lengths[0]) != 0)
            return false;
    } while (lengths[0] > 0);
    return !ferror(one) && !ferror(other);
}

/* Is the target this very file already? */
static bool is_delivered(const struct server_delivery *delivery)
{
    struct stat about;
    if (stat(delivery->to, &about) != 0 || !S_ISREG(about.st_mode))
        return false;
    FILE *from = fopen(delivery->from, "rbe"), *to = fopen(delivery->to, "rbe");
    const bool same = from && to && have_same_bytes(from, to);
    if (from)
        fclose(from);
    if (to)
        fclose(to);
    return same;
}

static enum media_status copy_to_target(struct server_delivery *delivery)
{
    struct media_output output;
    const enum media_status status =
        media_output_begin(&output, delivery->to, delivery->overwrite, &delivery->error);
    if (status != MEDIA_OK)
        return status;
    if (delivery->again)
        media_output_remove_stale(output.temporary_path);
    const int reason = copy_file(delivery->from, output.temporary_path, &delivery->cancelled);
    if (!reason)
        return media_output_commit(&output, &delivery->error);
    media_output_abort(&output);
    return media_fail(&delivery->error, MEDIA_ERROR_OUTPUT, "cannot write '%s': %s", delivery->to,
                      strerror(reason));
}

static void *deliver(void *opaque)
{
    struct server_delivery *delivery = opaque;
    delivery->status =
        delivery->again && is_delivered(delivery) ? MEDIA_OK : copy_to_target(delivery);
    const uint64_t one = 1;
    const int done_fd = delivery->done_fd;
    atomic_store(&delivery->ended, true);
    (void)!write(done_fd, &one, sizeof one);
    return NULL;
}

static void free_delivery(struct server_delivery *delivery)
{
    free(delivery->from);
    free(delivery->to);
    free(delivery);
}

struct server_delivery *server_delivery_start(const char *from, const char *to, bool overwrite,
                                              bool again, int done_fd,
                                              struct server_problem *problem)
{
    struct server_delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery) {
        server_fail_memory(problem);
        return NULL;
    }
    delivery->from = strdup(from);
    delivery->to = strdup(to);
    delivery->overwrite = overwrite;
    delivery->again = again;
    delivery->done_fd = done_fd;
    if (delivery->from && delivery->to &&
        pthread_create(&delivery->thread, NULL, deliver, delivery) == 0)
        return delivery;
    free_delivery(delivery);
    server_fail_memory(problem);
    return NULL;
}

bool server_delivery_ended(const struct server_delivery *delivery)
{
    return atomic_load(&delivery->ended);
}

void server_delivery_cancel(struct server_delivery *delivery)
{
    atomic_store(&delivery->cancelled, true);
}

bool server_delivery_finish(struct server_delivery *delivery, struct server_problem *problem)
{
    pthread_join(delivery->thread, NULL);
    const bool delivered = delivery->status == MEDIA_OK;
    if (!delivered)
        server_fail(problem, 409, "output", "%s", delivery->error.message);
    free_delivery(delivery);
    return delivered;
}
