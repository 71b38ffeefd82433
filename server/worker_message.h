/* SPDX-License-Identifier: MIT
 *
 * How a job's errors speak of its files.
 */
#ifndef SERVER_WORKER_MESSAGE_H
#define SERVER_WORKER_MESSAGE_H

#include <jansson.h>
#include <stddef.h>

/* Messages of media/ name files as this machine has them. In `message`, of `size` bytes, the input
 * gets its own name, unless the client named it by its path ("own_input" of the order), and what
 * lies in the work folder becomes the path where the client wants the result, or "the result". */
void server_worker_name_files(const json_t *order, char *message, size_t size);

#endif
