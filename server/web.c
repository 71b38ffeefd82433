/* SPDX-License-Identifier: MIT */
#include "server/web.h"

#include <string.h>

#include "server/web_files.h"

bool server_web_find(const char *path, struct server_web_file *file)
{
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (size_t i = 0; i < server_n_web_files; i++) {
        if (strcmp(path, server_web_files[i].path) == 0) {
            *file = server_web_files[i].file;
            return true;
        }
    }
    return false;
}
