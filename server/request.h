/* SPDX-License-Identifier: MIT
 *
 * One request from its headers to its handler: who may, what is meant, and its body.
 */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include "server/http.h"

/* The headers are there. */
enum MHD_Result server_request_begin(struct server_request *request);

/* A piece of the body. */
void server_request_take_body(struct server_request *request, const char *data, size_t size);

/* The body is complete, or the request was woken. */
enum MHD_Result server_request_handle(struct server_request *request);

/* The route of a path, and the id in it. *other_methods: those that the path has, as for Allow,
 * where it has not this one; NULL: there is no such path. */
const struct server_route *server_route_find(const char *method, const char *path,
                                             char id[SERVER_ID_SIZE], const char **other_methods);

#endif
