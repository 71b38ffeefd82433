/* SPDX-License-Identifier: MIT
 *
 * Rows in, rows out: a picture of any height in the memory of a few rows.
 *
 *     cc upscale_rows.c -o upscale_rows $(pkg-config --cflags --libs pipersr)
 *     ./upscale_rows < small.ppm > big.ppm
 */
#include <pipersr.h>

#include <stdio.h>
#include <stdlib.h>

#include "ppm.h"

enum { CHANNELS = 3, ROWS_AT_ONCE = 64 };

/* Sends the picture that follows in stdin through the upscaler to stdout. Returns NULL or what
 * went wrong. */
static const char *stream(pipersr_upscaler *upscaler, uint32_t scale, uint32_t width_px,
                          uint32_t height_px)
{
    size_t in_stride = (size_t)width_px * CHANNELS, out_stride = in_stride * scale;
    unsigned char *in = malloc(ROWS_AT_ONCE * in_stride), *out = NULL;
    const char *problem = in ? NULL : "out of memory";

    if (!problem && pipersr_rows_begin(upscaler, width_px, height_px, PIPERSR_RGB8) != PIPERSR_OK) {
        problem = pipersr_upscaler_message(upscaler);
    }
    for (uint32_t done = 0; done < height_px && !problem;) {
        uint32_t left = height_px - done, n = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE, n_out = 0;
        /* The first rows give nothing yet, the last ones what the network held back. */
        unsigned char *room = realloc(out, (pipersr_rows_output(upscaler, n) + 1) * out_stride);
        out = room ? room : out;
        if (!room) {
            problem = "out of memory";
        } else if (fread(in, in_stride, n, stdin) != n) {
            problem = "the picture ends early";
        } else if (pipersr_rows_push(upscaler, in, (ptrdiff_t)in_stride, n, out,
                                     (ptrdiff_t)out_stride, &n_out) != PIPERSR_OK) {
            problem = pipersr_upscaler_message(upscaler);
        } else if (fwrite(out, out_stride, n_out, stdout) != n_out) {
            problem = "cannot write to standard output";
        }
        done += n;
    }
    free(out);
    free(in);
    return problem;
}

int main(void)
{
    uint32_t width_px, height_px;
    if (!ppm_read_header(stdin, &width_px, &height_px)) {
        fprintf(stderr, "usage: upscale_rows < IN.ppm > OUT.ppm   (P6, 8 bits)\n");
        return 2;
    }
    pipersr_error error = {""};
    pipersr_model *model = NULL;
    pipersr_upscaler *upscaler = NULL;
    pipersr_options options = pipersr_options_default();
    const char *problem = error.message;

    if (pipersr_model_load_default(&model, &error) == PIPERSR_OK &&
        pipersr_upscaler_create(model, &options, &upscaler, &error) == PIPERSR_OK) {
        pipersr_model_info info;
        pipersr_model_get_info(model, &info);
        problem = NULL;
        if (!ppm_write_header(stdout, width_px * info.scale, height_px * info.scale)) {
            problem = "cannot write to standard output";
        } else {
            problem = stream(upscaler, info.scale, width_px, height_px);
        }
    }
    if (!problem && fflush(stdout) != 0) {
        problem = "cannot write to standard output";
    }
    if (problem) {
        fprintf(stderr, "upscale_rows: %s\n", problem);
    }
    pipersr_upscaler_free(upscaler);
    pipersr_model_free(model);
    return problem ? EXIT_FAILURE : EXIT_SUCCESS;
}
