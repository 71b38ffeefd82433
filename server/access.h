/* SPDX-License-Identifier: MIT
 *
 * Who belongs here: the session key, the cookie that the page has in its place, and the Host and
 * Origin that a browser tells, which keep other pages out (docs/security.md).
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/problem.h"

/* 256 random bits in hexadecimal digits, and the end of the string. A person's own may have any
 * length from 16 on. */
enum { SERVER_KEY_SIZE = 65, SERVER_MAX_KEY_SIZE = 256 };

struct server_access;

struct server_access_settings {
    const char *key;
    const char *const *allowed_origins; /* of other pages that may use the API; ends with NULL */
    const char *const *allowed_hosts;   /* names besides those of this machine; ends with NULL */
};

/* NULL without memory. */
struct server_access *server_access_open(const struct server_access_settings *settings);
void server_access_free(struct server_access *access);

/* What a request says about itself; NULL: nothing. */
struct server_credentials {
    const char *method;
    const char *host, *origin, *fetch_site;
    const char *session_key, *authorization, *cookie;
    const char *query_key; /* only where a browser's EventSource can send nothing else */
};

/* 403 for a Host that is not this server's name, or an Origin that is neither this server's own
 * nor allowed. *is_foreign: an allowed page of somebody else's. */
bool server_access_check_origin(const struct server_access *access,
                                const struct server_credentials *credentials, bool *is_foreign,
                                struct server_problem *problem);

/* 401 without the key or the cookie. */
bool server_access_check_key(const struct server_access *access,
                             const struct server_credentials *credentials,
                             struct server_problem *problem);

/* A token for the page's link, good for one use: valid until it is used or another is made. */
bool server_access_make_token(struct server_access *access, char token[SERVER_KEY_SIZE]);

/* Uses it up; then `cookie` gets what the browser is to keep. */
bool server_access_use_token(struct server_access *access, const char *token,
                             char cookie[SERVER_KEY_SIZE]);

#endif
