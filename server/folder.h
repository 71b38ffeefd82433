/* SPDX-License-Identifier: MIT
 *
 * Files of the state folder: names, durability, removal.
 *
 *     STATE/lock          held by the one server that uses the folder
 *     STATE/key           the session key, mode 0600
 *     STATE/jobs.sqlite   the rows of all jobs and uploads
 *     STATE/incoming/     bodies that are still arriving; emptied at each start
 *     STATE/uploads/ID    inputs that wait for a job
 *     STATE/jobs/ID/      input, and work/, the one folder that the job's process may write to
 */
#ifndef SERVER_FOLDER_H
#define SERVER_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/problem.h"

/* Of jobs and uploads: 32 hexadecimal digits, 128 random bits, and the end of the string. */
enum { SERVER_ID_SIZE = 33 };

/* 2 * n_bytes hexadecimal digits of the system's random numbers, and the end of the string. */
bool server_random_hex(char *text, size_t n_bytes);

/* Is it 32 hexadecimal digits, lower case? Everything else never becomes part of a path. */
bool server_is_id(const char *text);

/* "A/B/C", malloc'd, of up to the first NULL; NULL without memory. */
char *server_path_join(const char *first, ...) __attribute__((sentinel));

/* Makes a folder and those above it, mode 0700 for new ones. */
bool server_folder_make(const char *path, struct server_problem *problem);

/* Makes the folders of a state folder and takes its lock, *lock_fd, which close() gives back. */
bool server_folder_open(const char *path, int *lock_fd, struct server_problem *problem);

/* Waits until the names in a folder are on the disk. */
bool server_folder_sync(const char *path);

/* Removes a file, or a folder with all that is in it; follows no link. */
void server_folder_remove(const char *path);

/* Removes all that is in a folder. */
void server_folder_empty(const char *path);

/* Removes what is in a folder unless it is `wanted`. */
void server_folder_keep(const char *path, bool (*wanted)(void *opaque, const char *name),
                        void *opaque);

/* Bytes of the regular files in a folder and the folders in it. */
uint64_t server_folder_bytes(const char *path);

#endif
