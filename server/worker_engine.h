/* SPDX-License-Identifier: MIT
 *
 * The model and the upscalers of one job.
 */
#ifndef SERVER_WORKER_ENGINE_H
#define SERVER_WORKER_ENGINE_H

#include <jansson.h>

#include "media/job.h"

struct server_engine {
    pipersr_model *model;
    pipersr_upscaler *pass[MEDIA_MAX_PASSES];
    unsigned passes, scale;
};

/* By a job's options (server/job_options.h). Close it in any case. */
enum media_status server_engine_open(struct server_engine *engine, const json_t *options,
                                     pipersr_use use, unsigned threads, struct media_error *error);
void server_engine_close(struct server_engine *engine);

#endif
