/* SPDX-License-Identifier: MIT
 *
 * The exit statuses of this room's commands, with the meanings that cli/exit_status.h has.
 */
#ifndef SERVER_EXIT_STATUS_H
#define SERVER_EXIT_STATUS_H

enum server_exit_status {
    SERVER_EXIT_OK = 0,
    SERVER_EXIT_INTERNAL = 1,
    SERVER_EXIT_USAGE = 2,
    SERVER_EXIT_INPUT = 3,  /* a key or certificate that cannot be read */
    SERVER_EXIT_OUTPUT = 5, /* no listening, no state folder */
};

#endif
