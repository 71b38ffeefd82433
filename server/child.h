/* SPDX-License-Identifier: MIT
 *
 * The process of a job, seen from the server. What it says is taken for what a stranger says: it
 * has read the stranger's file.
 */
#ifndef SERVER_CHILD_H
#define SERVER_CHILD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "server/problem.h"

struct server_child {
    pid_t pid;  /* 0: none */
    int pid_fd; /* readable when the process has ended */
    int out_fd; /* what it says; -1 after its end */
    char *line; /* what is not a whole line yet */
    size_t used;
};

/* Without a process: nothing that could be taken for a descriptor of ours. */
#define SERVER_CHILD_NONE ((struct server_child){.pid_fd = -1, .out_fd = -1})

/* Starts this program anew as SERVER_WORKER_COMMAND and tells it `order` (server/worker.h). The
 * process ends with the calling thread at the latest. False with a problem; then there is nothing
 * to close. */
bool server_child_start(struct server_child *child, const json_t *order,
                        struct server_problem *problem);

/* Reads what there is and gives each object that it said to `take`. Does not wait; nothing is read
 * of SERVER_CHILD_NONE. */
void server_child_read(struct server_child *child, void (*take)(void *opaque, const json_t *said),
                       void *opaque);

/* Has it ended? Then *status is that of waitpid(). Does not wait. */
bool server_child_ended(struct server_child *child, int *status);

/* Ends it at once. */
void server_child_kill(struct server_child *child);

/* Kills it if it runs, waits for its end, and frees all. Harmless on SERVER_CHILD_NONE, and again.
 */
void server_child_close(struct server_child *child);

#endif
