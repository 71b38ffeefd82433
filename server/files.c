/* SPDX-License-Identifier: MIT
 *
 * Files as answers: whole or in part (RFC 9110, sections 13 and 14).
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/handlers.h"

struct range {
    uint64_t first, length;
};

enum range_kind { RANGE_NONE, RANGE_PART, RANGE_OUTSIDE };

static bool parse_number(const char **text, uint64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *number = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0;
}

/* One range; several, or what is no range, get the whole file, as the RFC allows. */
static enum range_kind parse_range(const char *text, uint64_t size, struct range *range)
{
    static const char unit[] = "bytes=";
    uint64_t first, last;
    if (!text || strncmp(text, unit, sizeof unit - 1) != 0)
        return RANGE_NONE;
    text += sizeof unit - 1;
    if (*text == '-') {
        text++;
        if (!parse_number(&text, &last) || *text)
            return RANGE_NONE;
        if (last == 0 || size == 0)
            return RANGE_OUTSIDE;
        const uint64_t length = last < size ? last : size;
        *range = (struct range){size - length, length};
        return RANGE_PART;
    }
    if (!parse_number(&text, &first) || *text++ != '-')
        return RANGE_NONE;
    if (!*text)
        last = UINT64_MAX;
    else if (!parse_number(&text, &last) || *text || last < first)
        return RANGE_NONE;
    if (first >= size)
        return RANGE_OUTSIDE;
    if (last >= size)
        last = size - 1;
    *range = (struct range){first, last - first + 1};
    return RANGE_PART;
}

/* Is the tag in a list of tags? A weak one counts as well. */
static bool has_tag(const char *list, const char *tag)
{
    if (!list)
        return false;
    const char *place = strstr(list, tag);
    return strcmp(list, "*") == 0 || (place && strchr(", \t/", place == list ? ',' : place[-1]));
}

static void add_names(struct MHD_Response *response, const struct server_job_file *file)
{
    char plain[sizeof file->name], encoded[3 * sizeof file->name], header[1200];
    size_t used = 0, n_plain = 0;
    for (const char *c = file->name; *c; c++) {
        const unsigned char byte = (unsigned char)*c;
        plain[n_plain++] = byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\' ? '_' : *c;
        if (isalnum(byte) || strchr("-._~", byte))
            encoded[used++] = *c;
        else
            used += (size_t)snprintf(encoded + used, 4, "%%%02X", byte);
    }
    plain[n_plain] = encoded[used] = '\0';
    snprintf(header, sizeof header, "attachment; filename=\"%s\"; filename*=UTF-8''%s", plain,
             encoded);
    MHD_add_response_header(response, "Content-Disposition", header);
}

static void add_headers(struct MHD_Response *response, const struct server_job_file *file)
{
    char date[64];
    const time_t seconds = (time_t)(file->modified_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    MHD_add_response_header(response, "Content-Type", file->content_type);
    MHD_add_response_header(response, "ETag", file->etag);
    MHD_add_response_header(response, "Last-Modified", date);
    MHD_add_response_header(response, "Accept-Ranges", "bytes");
    MHD_add_response_header(response, "Cache-Control", "private, no-cache");
    /* What a stranger's file is made into must not run as a page of ours. */
    MHD_add_response_header(response, "Content-Security-Policy", "sandbox; default-src 'none'");
    add_names(response, file);
}

static enum MHD_Result answer_without_body(struct server_request *request,
                                           const struct server_job_file *file, unsigned status)
{
    char range[48];
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    close(file->fd);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "ETag", file->etag);
    if (status == 416) {
        snprintf(range, sizeof range, "bytes */%" PRIu64, file->bytes);
        MHD_add_response_header(response, "Content-Range", range);
    }
    return server_answer(request, status, response);
}

enum MHD_Result server_answer_file(struct server_request *request,
                                   const struct server_job_file *file)
{
    char text[80];
    struct range range = {0, file->bytes};
    enum range_kind kind = RANGE_NONE;
    const char *if_range = server_request_header(request, "If-Range");
    if (has_tag(server_request_header(request, "If-None-Match"), file->etag))
        return answer_without_body(request, file, 304);
    if (strcmp(request->method, "POST") != 0 && (!if_range || strcmp(if_range, file->etag) == 0))
        kind = parse_range(server_request_header(request, "Range"), file->bytes, &range);
    if (kind == RANGE_OUTSIDE)
        return answer_without_body(request, file, 416);

    struct MHD_Response *response =
        MHD_create_response_from_fd_at_offset64(range.length, file->fd, range.first);
    if (!response) {
        close(file->fd);
        return MHD_NO;
    }
    add_headers(response, file);
    if (kind == RANGE_PART) {
        snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.first,
                 range.first + range.length - 1, file->bytes);
        MHD_add_response_header(response, "Content-Range", text);
    }
    return server_answer(request, kind == RANGE_PART ? 206 : 200, response);
}
