/* SPDX-License-Identifier: MIT */
#include "src/coding.h"

#include <math.h>
#include <stdbool.h>

/* The ranges that are tried: each end of what was seen, and STEPS - 1 shorter ones down to this
 * share of it. A shorter range clips a few numbers and codes the others finer. */
static const double shortest = 0.3;
enum { STEPS = 15 };

/* Below this a channel counts as always 0: its scale would be no normal float. */
static const float least_range = 1e-30f;

static double step(int i)
{
    return 1 - (1 - shortest) * i / (STEPS - 1);
}

/* low <= 0 <= high, so that 0 has a code: padding is made of it. */
static struct psr_channel_coding coding_of_range(double low, double high)
{
    const double scale = (high - low) / 255;
    return (struct psr_channel_coding){(float)scale, (uint8_t)(-low / scale + 0.5)};
}

/* The weighed sum of squared errors over bins first..last, given up when it reaches `limit`. */
static double cost(const struct psr_histogram *histogram, uint32_t first, uint32_t last,
                   struct psr_channel_coding coding, double clip_penalty, double limit)
{
    const float inverse = 1.0f / coding.scale, zero = coding.zero;
    double sum = 0;
    for (uint32_t i = first; i <= last && sum < limit; i++) {
        const uint64_t count = histogram->counts[i];
        if (!count)
            continue;
        const float value = psr_histogram_value(histogram, i);
        const float place = value * inverse + zero + 0.5f;
        const float code = (float)(int)fminf(fmaxf(place, 0.0f), 255.0f);
        const double error = (code - zero) * coding.scale - value;
        const bool clipped = place < 0.0f || place >= 256.0f;
        sum += (double)count * (error * error) * (clipped ? clip_penalty : 1);
    }
    return sum;
}

struct psr_channel_coding psr_choose_coding(const struct psr_histogram *histogram,
                                            double clip_penalty)
{
    const double low = histogram->lowest, high = histogram->highest;
    struct psr_channel_coding best = {0, 0};
    double least = INFINITY;
    uint32_t first = 0, last = PSR_HISTOGRAM_BINS - 1;

    if (high - low < least_range)
        return best;
    while (!histogram->counts[first])
        first++;
    while (!histogram->counts[last])
        last--;
    for (int i = 0; i < (low < 0 ? STEPS : 1); i++) {
        for (int j = 0; j < (high > 0 ? STEPS : 1); j++) {
            const struct psr_channel_coding coding = coding_of_range(low * step(i), high * step(j));
            const double sum = cost(histogram, first, last, coding, clip_penalty, least);
            if (sum < least) {
                least = sum;
                best = coding;
            }
        }
    }
    return best;
}
