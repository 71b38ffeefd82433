/* SPDX-License-Identifier: MIT
 *
 * A job's document (docs/server.md) as the tools tell it: structured content, text, link, task.
 */
#ifndef SERVER_MCP_JOB_H
#define SERVER_MCP_JOB_H

#include <jansson.h>
#include <stdbool.h>

/* Done, failed or cancelled. */
bool mcp_job_has_ended(const json_t *document);

/* "frame 3 of 24, 1.2 frames/s, 17 s left"; malloc'd, NULL without memory. */
char *mcp_job_summary(const json_t *document);

/* The result of a call that answers with this job. `url_base` goes before the result's "/v1/..."
 * where it has no path; NULL: none is known. `structured`: with structuredContent and a link, which
 * revisions before 2025-06-18 lack. `failed_is_error`: a failed job is the tool's error. */
json_t *mcp_job_result(const json_t *document, const char *url_base, bool structured,
                       bool failed_is_error);

/* The result of a call that failed, in plain words. */
json_t *mcp_error_result(const char *text);

/* Any structured result, with the same as text. `structured_content` is taken over. */
json_t *mcp_structured_result(json_t *structured_content, bool structured);

/* The fields of a task of 2026-07-28 that stands for this job; with `detailed` what it ended with,
 * as tasks/get tells it. */
json_t *mcp_job_task(const json_t *document, const char *url_base, bool detailed);

/* {uri, name, mimeType, size} of the result of a job that is done; NULL for any other. */
json_t *mcp_job_resource(const json_t *document, const char *url_base);

#endif
