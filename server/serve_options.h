/* SPDX-License-Identifier: MIT
 *
 * The command line of `pipersr serve`.
 */
#ifndef SERVER_SERVE_OPTIONS_H
#define SERVER_SERVE_OPTIONS_H

#include <stddef.h>

#include "server/limits.h"

enum { SERVER_DEFAULT_PORT = 9998, SERVER_MAX_NAMES = 16 };

/* Strings are argv's, or constants. */
struct server_serve_options {
    const char *listen_address;                        /* NULL: 127.0.0.1 */
    unsigned port;                                     /* 0: any free one */
    const char *unix_path;                             /* NULL: none */
    const char *state_folder;                          /* NULL: the user's */
    const char *key, *key_file;                        /* NULL: made at the start */
    const char *certificate, *private_key;             /* files; NULL: no TLS */
    const char *allowed_folders[SERVER_MAX_NAMES + 1]; /* of clients of /mcp */
    const char *allowed_origins[SERVER_MAX_NAMES + 1], *allowed_hosts[SERVER_MAX_NAMES + 1];
    unsigned drain_s; /* how long running jobs may go on after SIGTERM */
    struct server_limits limits;
};

/* True if there is something to do. Otherwise *exit_status is that of the process: help was
 * printed, or a message about what is wrong. */
bool server_serve_parse(int argc, char **argv, struct server_serve_options *options,
                        int *exit_status);

#endif
