/* SPDX-License-Identifier: MIT
 *
 * How often a client may ask for work: a bucket of tokens for each address.
 */
#ifndef SERVER_RATE_H
#define SERVER_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct server_rates;

/* `per_min`: tokens that a bucket gets in a minute and holds at most. NULL without memory. */
struct server_rates *server_rates_open(unsigned per_min);
void server_rates_free(struct server_rates *rates);

/* Takes a token of the address' bucket at this time. False if it is empty; then *wait_s says when
 * there is one. For one thread at a time. */
bool server_rates_take(struct server_rates *rates, const char *address, int64_t now_ms,
                       int *wait_s);

#endif
