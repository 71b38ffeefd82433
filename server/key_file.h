/* SPDX-License-Identifier: MIT
 *
 * The session key in a file that only its owner may read.
 */
#ifndef SERVER_KEY_FILE_H
#define SERVER_KEY_FILE_H

#include "server/access.h"

/* Reads the key from the file; makes the file with a new key if there is none. A file that others
 * may read is refused. False with a problem. */
bool server_key_read(const char *path, char key[SERVER_MAX_KEY_SIZE],
                     struct server_problem *problem);

/* Writes a key into the file, mode 0600, in the place of what was there. */
bool server_key_write(const char *path, const char *key, struct server_problem *problem);

#endif
