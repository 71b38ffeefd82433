/* SPDX-License-Identifier: MIT
 *
 * The table that server/embed_web.py writes.
 */
#ifndef SERVER_WEB_FILES_H
#define SERVER_WEB_FILES_H

#include "server/web.h"

struct server_web_entry {
    const char *path; /* "/page.css" */
    struct server_web_file file;
};

extern const struct server_web_entry server_web_files[];
extern const size_t server_n_web_files;

#endif
