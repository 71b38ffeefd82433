/* SPDX-License-Identifier: MIT */
#include "server/problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct server_problem *problem, int status, const char *name, const char *format,
                 va_list arguments) __attribute__((format(printf, 4, 0)));

static void fill(struct server_problem *problem, int status, const char *name, const char *format,
                 va_list arguments)
{
    *problem = (struct server_problem){.status = status, .name = name};
    if (vsnprintf(problem->detail, sizeof problem->detail, format, arguments) < 0)
        problem->detail[0] = '\0';
    /* Names come from outside; what was cut must not end inside a character. */
    for (char *c = problem->detail; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    size_t length = strlen(problem->detail);
    if (length == sizeof problem->detail - 1)
        while (length > 0 && (unsigned char)problem->detail[length - 1] >= 0x80)
            problem->detail[--length] = '\0';
}

bool server_fail(struct server_problem *problem, int status, const char *name, const char *format,
                 ...)
{
    if (problem) {
        va_list arguments;
        va_start(arguments, format);
        fill(problem, status, name, format, arguments);
        va_end(arguments);
    }
    return false;
}

bool server_fail_for_now(struct server_problem *problem, int status, const char *name,
                         int retry_after_s, const char *format, ...)
{
    if (problem) {
        va_list arguments;
        va_start(arguments, format);
        fill(problem, status, name, format, arguments);
        va_end(arguments);
        problem->retry_after_s = retry_after_s;
    }
    return false;
}

bool server_fail_errno(struct server_problem *problem, int reason, const char *what)
{
    if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG)
        return server_fail_for_now(problem, 507, "disk-full", 60,
                                   "%s: %s; remove jobs or wait for others to expire", what,
                                   strerror(reason));
    return server_fail(problem, 500, "internal", "%s: %s", what, strerror(reason));
}

bool server_fail_memory(struct server_problem *problem)
{
    return server_fail_for_now(problem, 503, "out-of-memory", 10, "the server is out of memory");
}

const char *server_status_title(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return status < 500 ? "Bad Request" : "Internal Server Error";
}

json_t *server_problem_json(const struct server_problem *problem, const char *instance)
{
    json_t *document =
        json_pack("{s:s++, s:s, s:i}", "type", SERVER_PROBLEM_URN, problem->name, "", "title",
                  server_status_title(problem->status), "status", problem->status);
    /* The detail may quote bytes that are no UTF-8, which JSON cannot hold. */
    json_t *detail = json_string(problem->detail);
    if (!detail)
        detail = json_string("the request holds text that is not UTF-8");
    json_object_set_new(document, "detail", detail);
    if (instance) {
        json_t *where = json_string(instance);
        if (where)
            json_object_set_new(document, "instance", where);
    }
    return document;
}
