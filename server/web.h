/* SPDX-License-Identifier: MIT
 *
 * The files of the page (server/web/), which the program carries. They hold no secret: they are
 * served to anyone who may connect, because the page itself says how to sign in.
 */
#ifndef SERVER_WEB_H
#define SERVER_WEB_H

#include <stdbool.h>
#include <stddef.h>

/* For the header Content-Security-Policy. blob: is what the page makes itself, of a chosen file or
 * of an answer; styles and scripts come from files alone. */
#define SERVER_WEB_SECURITY_POLICY                                                                 \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "              \
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "            \
    "frame-ancestors 'none'"

struct server_web_file {
    const unsigned char *data; /* static */
    size_t size;
    const char *content_type;
    const char *etag; /* with its quotes; changes with the data */
};

/* The file for the path of a URL, such as "/" or "/page.css", without a query. False: there is
 * none. */
bool server_web_find(const char *path, struct server_web_file *file);

#endif
