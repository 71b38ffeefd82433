/* SPDX-License-Identifier: MIT
 *
 * What went wrong, as RFC 9457 tells it to clients.
 */
#ifndef SERVER_PROBLEM_H
#define SERVER_PROBLEM_H

#include <jansson.h>
#include <stdbool.h>

#define SERVER_PROBLEM_URN "urn:pipersr:problem:"

struct server_problem {
    int status;        /* of HTTP, 400..599 */
    const char *name;  /* what its type ends with, a constant: "queue-full" */
    char detail[512];  /* one line: what, why, what to do */
    int retry_after_s; /* 0: no use in trying again soon */
    const char *allow; /* methods, for 405; a constant */
    bool wants_key;    /* 401: say how to authenticate */
};

/* Fills `problem` (may be NULL) and returns false, so that a function can end with it. Control
 * characters become spaces. */
bool server_fail(struct server_problem *problem, int status, const char *name, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

/* The same with a time to wait before another try. */
bool server_fail_for_now(struct server_problem *problem, int status, const char *name,
                         int retry_after_s, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* For `what` that failed with this errno: no room on the disk is 507, all else 500. */
bool server_fail_errno(struct server_problem *problem, int reason, const char *what);

bool server_fail_memory(struct server_problem *problem);

/* {type, title, status, detail, instance}; `instance` may be NULL. A new reference, or NULL. */
json_t *server_problem_json(const struct server_problem *problem, const char *instance);

/* The usual phrase for a status of HTTP. */
const char *server_status_title(int status);

#endif
