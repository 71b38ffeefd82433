/* SPDX-License-Identifier: MIT */
#include "media/video_network_mark.h"

#include <stdlib.h>

enum { SIDE_PX = 24, SAMPLES = 3, MAX_SCALE = 16 };

/* Noise on a slope: every weight matters. The constants are those of a common generator. */
static void fill(uint16_t *samples)
{
    uint32_t state = 1;
    for (int i = 0; i < SIDE_PX * SIDE_PX * SAMPLES; i++) {
        state = state * 1664525u + 1013904223u;
        samples[i] = (uint16_t)((unsigned)i * 37u + (state >> 17));
    }
}

enum media_status media_network_mark(pipersr_upscaler *upscaler, char digest[MEDIA_DIGEST_BYTES],
                                     struct media_error *error)
{
    pipersr_upscaler_info info;
    pipersr_upscaler_get_info(upscaler, &info);
    digest[0] = '\0';
    if (info.scale < 1 || info.scale > MAX_SCALE) {
        return media_fail(error, MEDIA_ERROR_UNSUPPORTED, "a scale of %u is not handled",
                          info.scale);
    }
    /* 16 bits: so that weights that differ little show. */
    const size_t row_bytes = (size_t)SIDE_PX * SAMPLES * sizeof(uint16_t);
    const size_t out_bytes = row_bytes * SIDE_PX * info.scale * info.scale;
    uint16_t *in = malloc(row_bytes * SIDE_PX), *out = malloc(out_bytes);
    enum media_status status = MEDIA_OK;
    if (in == NULL || out == NULL) {
        status = media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
    } else {
        fill(in);
        const uint32_t out_px = SIDE_PX * info.scale;
        pipersr_frame from = {in, (ptrdiff_t)row_bytes, SIDE_PX, SIDE_PX, PIPERSR_RGB16};
        pipersr_frame to = {out, (ptrdiff_t)(row_bytes * info.scale), out_px, out_px,
                            PIPERSR_RGB16};
        pipersr_status made = pipersr_upscale(upscaler, &from, &to);
        if (made != PIPERSR_OK) {
            status = media_fail_engine(error, made, upscaler);
        } else {
            media_digest_of_bytes(out, out_bytes, digest);
        }
    }
    free(in);
    free(out);
    return status;
}
