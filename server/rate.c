/* SPDX-License-Identifier: MIT */
#include "server/rate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Addresses that are remembered. One that comes when all are taken gets the bucket that was used
 * longest ago: with so many clients that one has been full again for long. */
enum { BUCKETS = 1024, ADDRESS_SIZE = 48 };

struct bucket {
    char address[ADDRESS_SIZE];
    double tokens;
    int64_t used_ms;
};

struct server_rates {
    double per_min;
    struct bucket buckets[BUCKETS];
};

struct server_rates *server_rates_open(unsigned per_min)
{
    struct server_rates *rates = calloc(1, sizeof *rates);
    if (rates)
        rates->per_min = per_min;
    return rates;
}

void server_rates_free(struct server_rates *rates)
{
    free(rates);
}

static struct bucket *find(struct server_rates *rates, const char *address)
{
    struct bucket *oldest = rates->buckets;
    for (struct bucket *each = rates->buckets; each < rates->buckets + BUCKETS; each++) {
        if (strcmp(each->address, address) == 0)
            return each;
        if (each->used_ms < oldest->used_ms)
            oldest = each;
    }
    snprintf(oldest->address, sizeof oldest->address, "%s", address);
    oldest->tokens = rates->per_min;
    return oldest;
}

bool server_rates_take(struct server_rates *rates, const char *address, int64_t now_ms, int *wait_s)
{
    struct bucket *bucket = find(rates, address);
    const double per_ms = rates->per_min / 60000;
    if (bucket->used_ms)
        bucket->tokens += (double)(now_ms - bucket->used_ms) * per_ms;
    if (bucket->tokens > rates->per_min)
        bucket->tokens = rates->per_min;
    bucket->used_ms = now_ms;
    if (bucket->tokens >= 1) {
        bucket->tokens -= 1;
        return true;
    }
    *wait_s = (int)((1 - bucket->tokens) / per_ms / 1000) + 1;
    return false;
}
