/* SPDX-License-Identifier: MIT
 *
 * The results that links point to: listed, and read where they are small. Everything else is for a
 * program that opens files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/mcp_base64.h"
#include "server/mcp_job.h"
#include "server/mcp_tools.h"

/* Of a file that is handed out inside a message. */
enum { MAX_READ_BYTES = 1 << 20 };

json_t *mcp_resource_list(const struct server_mcp_backend *backend, const char *url_base)
{
    json_t *documents = backend->results(backend->opaque), *list = json_array(), *each;
    size_t i;
    json_array_foreach(documents, i, each)
    {
        json_t *resource = mcp_job_resource(each, url_base);
        if (resource)
            json_array_append_new(list, resource);
    }
    json_decref(documents);
    return list;
}

/* The document whose result has this URI, a new reference; NULL: none. */
static json_t *find(const struct mcp_call *call, const char *uri)
{
    const struct server_mcp_backend *backend = &call->exchange->client->mcp->backend;
    json_t *documents = backend->results(backend->opaque), *found = NULL, *each;
    size_t i;
    json_array_foreach(documents, i, each)
    {
        json_t *resource = mcp_job_resource(each, call->url_base);
        const char *own = mcp_string_at(resource, "uri");
        if (!found && own && strcmp(own, uri) == 0)
            found = json_incref(each);
        json_decref(resource);
    }
    json_decref(documents);
    return found;
}

/* All of a small file as base64, malloc'd; NULL with errno, EFBIG for a larger one. */
static char *read_small(const char *path)
{
    struct stat about;
    char *encoded = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    unsigned char *bytes = malloc(MAX_READ_BYTES);
    if (bytes && fstat(fd, &about) == 0) {
        size_t used = 0;
        ssize_t length = 1;
        errno = EFBIG;
        if (S_ISREG(about.st_mode) && about.st_size <= MAX_READ_BYTES) {
            while (used < MAX_READ_BYTES &&
                   (length = read(fd, bytes + used, MAX_READ_BYTES - used)) > 0)
                used += (size_t)length;
            encoded = length < 0 ? NULL : mcp_base64(bytes, used);
        }
    }
    const int reason = errno;
    free(bytes);
    close(fd);
    errno = reason;
    return encoded;
}

json_t *mcp_resource_read(struct mcp_call *call)
{
    const char *uri = mcp_string_at(call->params, "uri");
    json_t *document = find(call, uri);
    if (!document)
        return mcp_error(call->id,
                         call->dialect.modern ? MCP_INVALID_PARAMS : MCP_RESOURCE_NOT_FOUND,
                         json_pack("{s:s}", "uri", uri), "Resource not found: no job's result");
    const json_t *result = json_object_get(document, "result");
    const char *path = mcp_string_at(result, "path");
    const char *type = mcp_string_at(result, "content_type");
    char *encoded = path ? read_small(path) : NULL;
    json_t *answer;
    if (encoded) {
        answer = json_pack("{s:[{s:s, s:s, s:s}]}", "contents", "uri", uri, "mimeType",
                           type ? type : "application/octet-stream", "blob", encoded);
        if (call->dialect.modern) {
            json_object_set_new(answer, "ttlMs", json_integer(0));
            json_object_set_new(answer, "cacheScope", json_string("private"));
        }
        answer = mcp_answer(&call->dialect, call->id, answer);
    } else if (!path) {
        answer = mcp_error(call->id, MCP_INVALID_PARAMS, NULL,
                           "the server keeps this result: fetch its URL with the session key");
    } else if (errno == EFBIG) {
        answer = mcp_error(call->id, MCP_INVALID_PARAMS, NULL,
                           "the file has more than 1 MiB; open it at %s", path);
    } else {
        answer = mcp_error(call->id, MCP_INTERNAL_ERROR, NULL, "%s: %s", path, strerror(errno));
    }
    free(encoded);
    json_decref(document);
    return answer;
}
