/* SPDX-License-Identifier: MIT
 *
 * A whole picture at once: reads a PPM file, doubles its size, writes a PPM file.
 *
 *     cc upscale_raw.c -o upscale_raw $(pkg-config --cflags --libs pipersr)
 *     ./upscale_raw small.ppm big.ppm
 */
#include <pipersr.h>

#include <stdio.h>
#include <stdlib.h>

#include "ppm.h"

enum { CHANNELS = 3 };

/* A frame of 8-bit RGB with rows one after another; data is NULL when there is no memory for it. */
static pipersr_frame frame_new(uint32_t width_px, uint32_t height_px)
{
    size_t stride_bytes = (size_t)width_px * CHANNELS;
    return (pipersr_frame){
        .data = calloc(height_px, stride_bytes), /* calloc checks that the product fits */
        .stride_bytes = (ptrdiff_t)stride_bytes,
        .width_px = width_px,
        .height_px = height_px,
        .format = PIPERSR_RGB8,
    };
}

static size_t frame_bytes(const pipersr_frame *frame)
{
    return (size_t)frame->stride_bytes * frame->height_px;
}

static bool read_picture(const char *path, pipersr_frame *frame)
{
    uint32_t width_px, height_px;
    FILE *file = fopen(path, "rb");
    bool ok = file && ppm_read_header(file, &width_px, &height_px);
    if (ok) {
        *frame = frame_new(width_px, height_px);
        ok = frame->data && fread(frame->data, 1, frame_bytes(frame), file) == frame_bytes(frame);
    }
    if (file) {
        fclose(file);
    }
    return ok;
}

static bool write_picture(const char *path, const pipersr_frame *frame)
{
    FILE *file = fopen(path, "wb");
    if (!file) {
        return false;
    }
    bool ok = ppm_write_header(file, frame->width_px, frame->height_px) &&
              fwrite(frame->data, 1, frame_bytes(frame), file) == frame_bytes(frame);
    return fclose(file) == 0 && ok;
}

/* Makes `out` and fills it. On failure says why; `out` is to be freed in any case. */
static bool upscale(const pipersr_frame *in, pipersr_frame *out)
{
    pipersr_error error = {""};
    pipersr_model *model = NULL;
    pipersr_upscaler *upscaler = NULL;
    pipersr_options options = pipersr_options_default();
    bool ok = false;

    if (pipersr_model_load_default(&model, &error) == PIPERSR_OK &&
        pipersr_upscaler_create(model, &options, &upscaler, &error) == PIPERSR_OK) {
        pipersr_model_info info;
        pipersr_model_get_info(model, &info);
        *out = frame_new(in->width_px * info.scale, in->height_px * info.scale);
        if (!out->data) {
            fprintf(stderr, "upscale_raw: out of memory\n");
        } else if (pipersr_upscale(upscaler, in, out) != PIPERSR_OK) {
            fprintf(stderr, "upscale_raw: %s\n", pipersr_upscaler_message(upscaler));
        } else {
            ok = true;
        }
    } else {
        fprintf(stderr, "upscale_raw: %s\n", error.message);
    }
    pipersr_upscaler_free(upscaler);
    pipersr_model_free(model);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: upscale_raw IN.ppm OUT.ppm\n");
        return 2;
    }
    pipersr_frame in = {0}, out = {0};
    bool ok = false;
    if (!read_picture(argv[1], &in)) {
        fprintf(stderr, "upscale_raw: '%s' is not a readable 8-bit PPM (P6) file\n", argv[1]);
    } else if (upscale(&in, &out)) {
        ok = write_picture(argv[2], &out);
        if (!ok) {
            perror(argv[2]);
        }
    }
    free(out.data);
    free(in.data);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
