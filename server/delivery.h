/* SPDX-License-Identifier: MIT
 *
 * A result on its way to where the client wants it, outside the state folder: the job's process may
 * not write there. A thread copies it, as that takes long between two disks.
 */
#ifndef SERVER_DELIVERY_H
#define SERVER_DELIVERY_H

#include "server/problem.h"

struct server_delivery;

/* Starts it; `done_fd`, an eventfd, is written to when it ends. The target appears whole or not at
 * all, and only with `overwrite` in the place of a file. `again`: an earlier delivery of this file
 * may have been cut, or have come to its end without anybody's knowing. NULL with a problem. */
struct server_delivery *server_delivery_start(const char *from, const char *to, bool overwrite,
                                              bool again, int done_fd,
                                              struct server_problem *problem);

bool server_delivery_ended(const struct server_delivery *delivery);

/* Ends it soon, with nothing at the target, if it is not through. */
void server_delivery_cancel(struct server_delivery *delivery);

/* Waits for its end and frees it. False with a problem if the target is not there. */
bool server_delivery_finish(struct server_delivery *delivery, struct server_problem *problem);

#endif
