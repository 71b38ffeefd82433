/* SPDX-License-Identifier: MIT
 *
 * The built-in models, as clients of any kind see them.
 */
#ifndef SERVER_MODELS_H
#define SERVER_MODELS_H

#include <jansson.h>

/* {"models": [{name, description, scale, channels, blocks, parameters, has_int8, default_for}]}: a
 * new reference, NULL without memory. Loads each model: takes some milliseconds. */
json_t *server_models_json(void);

#endif
