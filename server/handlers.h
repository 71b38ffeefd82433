/* SPDX-License-Identifier: MIT
 *
 * What the paths do (server/routes.c names them).
 */
#ifndef SERVER_HANDLERS_H
#define SERVER_HANDLERS_H

#include "server/http.h"

/* server/create.c */
enum MHD_Result server_handle_video_upscale(struct server_request *request);
enum MHD_Result server_handle_image_upscale(struct server_request *request);

/* server/jobs_http.c */
enum MHD_Result server_handle_jobs(struct server_request *request);
enum MHD_Result server_handle_job(struct server_request *request);
enum MHD_Result server_handle_job_cancel(struct server_request *request);
enum MHD_Result server_handle_job_delete(struct server_request *request);
enum MHD_Result server_handle_job_result(struct server_request *request);
enum MHD_Result server_handle_job_input(struct server_request *request);

/* server/events.c */
enum MHD_Result server_handle_job_events(struct server_request *request);
enum MHD_Result server_handle_events(struct server_request *request);

/* server/service.c */
enum MHD_Result server_handle_status(struct server_request *request);
enum MHD_Result server_handle_models(struct server_request *request);
enum MHD_Result server_handle_metrics(struct server_request *request);
/* What these say and takes a while to find out; false without memory. */
bool server_service_prepare(struct server_http *http);

/* server/page.c */
enum MHD_Result server_handle_openapi(struct server_request *request);
enum MHD_Result server_handle_page(struct server_request *request);
enum MHD_Result server_handle_page_file(struct server_request *request);

/* server/preview.c */
enum MHD_Result server_handle_job_preview(struct server_request *request);
enum MHD_Result server_handle_upload_preview(struct server_request *request);

/* server/uploads_http.c */
enum MHD_Result server_handle_uploads(struct server_request *request);
enum MHD_Result server_handle_upload(struct server_request *request);
enum MHD_Result server_handle_upload_delete(struct server_request *request);

/* server/mcp_http.c */
enum MHD_Result server_handle_mcp(struct server_request *request);
enum MHD_Result server_handle_mcp_delete(struct server_request *request);

/* server/preflight.c */
enum MHD_Result server_handle_preflight(struct server_request *request);

/* Parts that several handlers share. */

/* The events of a job, of all with id NULL, as a stream; `sequence` as server_jobs_next_event()
 * takes it. */
enum MHD_Result server_answer_events(struct server_request *request, const char *id,
                                     uint64_t sequence);
bool server_wants_events(const struct server_request *request);

/* The file, or the part of it that Range asks for. Takes the descriptor over. */
enum MHD_Result server_answer_file(struct server_request *request,
                                   const struct server_job_file *file);

#endif
