/* SPDX-License-Identifier: MIT
 *
 * What looking for something to reuse costs where there is nothing: frames of a film, in batches,
 * each batch with reuse and without in turns, so that whatever else the machine does meets both.
 *
 *     ffmpeg -i film.mp4 -frames:v 48 -pix_fmt yuv420p -f rawvideo - |
 *         build/bench/reuse_cost models/pipersr-x2-fast.safetensors 640 360
 */
#include <pipersr.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MAX_SIZE_PX = 4096,
    MAX_BATCHES = 4096,
    MOST_FRAMES = PIPERSR_MAX_BEFORE + PIPERSR_MAX_FRAMES
};

static int fail(const char *message)
{
    fprintf(stderr, "reuse_cost: %s\n", message);
    return EXIT_FAILURE;
}

/* 8-bit 4:2:0, planes one after another. */
static size_t frame_bytes(uint32_t width_px, uint32_t height_px)
{
    const size_t chroma = (size_t)((width_px + 1) / 2) * ((height_px + 1) / 2);
    return (size_t)width_px * height_px + 2 * chroma;
}

static pipersr_yuv_frame view(uint8_t *bytes, uint32_t width_px, uint32_t height_px)
{
    const ptrdiff_t chroma_width = (width_px + 1) / 2, chroma_height = (height_px + 1) / 2;
    uint8_t *u = bytes + (size_t)width_px * height_px;
    return (pipersr_yuv_frame){
        .plane = {bytes, u, u + chroma_width * chroma_height},
        .stride_bytes = {width_px, chroma_width, chroma_width},
        .width_px = width_px,
        .height_px = height_px,
    };
}

struct bench {
    pipersr_upscaler *upscaler;
    pipersr_yuv_format format;
    uint32_t n_frames; /* of a batch */
    /* More than a batch: PIPERSR_MAX_BEFORE frames before it stand first. */
    pipersr_yuv_frame in[MOST_FRAMES], out[MOST_FRAMES];
    uint64_t reused_px;
};

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* CPU seconds of one batch; negative on failure. */
static double time_batch(struct bench *bench, bool with_reuse)
{
    const pipersr_yuv_frame *in = bench->in + PIPERSR_MAX_BEFORE;
    const pipersr_yuv_frame *out = bench->out + PIPERSR_MAX_BEFORE;
    pipersr_yuv_frame before_in[PIPERSR_MAX_BEFORE], before_out[PIPERSR_MAX_BEFORE];
    for (int i = 0; i < PIPERSR_MAX_BEFORE; i++) {
        before_in[i] = in[-1 - i];
        before_out[i] = out[-1 - i];
    }
    uint64_t reused_px = 0;
    const double start_s = cpu_s();
    const pipersr_status status =
        with_reuse
            ? pipersr_upscale_next_yuv_frames(bench->upscaler, &bench->format, in, out,
                                              bench->n_frames, before_in, before_out,
                                              PIPERSR_MAX_BEFORE, &reused_px)
            : pipersr_upscale_yuv_frames(bench->upscaler, &bench->format, in, out, bench->n_frames);
    bench->reused_px += reused_px;
    return status == PIPERSR_OK ? cpu_s() - start_s : -1;
}

static int compare(const void *a, const void *b)
{
    const double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static bool read_frames(const pipersr_yuv_frame *in, uint32_t n, size_t bytes)
{
    for (uint32_t i = 0; i < n; i++)
        if (fread(in[i].plane[0], 1, bytes, stdin) != bytes)
            return false;
    return true;
}

/* The last frames are those before the next batch; the others make room for it. */
static void carry_over(pipersr_yuv_frame frames[MOST_FRAMES], uint32_t n_batch)
{
    for (uint32_t i = 0; i < n_batch; i++) {
        const pipersr_yuv_frame oldest = frames[0];
        memmove(frames, frames + 1, (PIPERSR_MAX_BEFORE + n_batch - 1) * sizeof *frames);
        frames[PIPERSR_MAX_BEFORE + n_batch - 1] = oldest;
    }
}

static int run(struct bench *bench, size_t bytes)
{
    static double with[MAX_BATCHES], without[MAX_BATCHES], more[MAX_BATCHES];
    const double frame_px = (double)bench->in[0].width_px * bench->in[0].height_px;
    double n_frames = 0;
    size_t n = 0;
    if (!read_frames(bench->in, PIPERSR_MAX_BEFORE, bytes))
        return fail("too few frames on standard input");
    if (pipersr_upscale_yuv_frames(bench->upscaler, &bench->format, bench->in, bench->out,
                                   PIPERSR_MAX_BEFORE))
        return fail(pipersr_upscaler_message(bench->upscaler));
    const pipersr_yuv_frame *in = bench->in + PIPERSR_MAX_BEFORE;
    for (size_t batch = 0; n < MAX_BATCHES && read_frames(in, bench->n_frames, bytes); batch++) {
        const bool reuse_first = batch % 2;
        const double first = time_batch(bench, reuse_first);
        const double second = time_batch(bench, !reuse_first);
        if (first < 0 || second < 0)
            return fail(pipersr_upscaler_message(bench->upscaler));
        /* The first two warm caches and memory up. */
        if (batch >= 2) {
            with[n] = (reuse_first ? first : second) / bench->n_frames;
            without[n] = (reuse_first ? second : first) / bench->n_frames;
            more[n] = with[n] / without[n] - 1;
            n++;
        }
        n_frames += bench->n_frames;
        carry_over(bench->in, bench->n_frames);
        carry_over(bench->out, bench->n_frames);
    }
    if (n == 0)
        return fail("too few frames");
    printf("%zu batches of %u: with reuse %.2f ms of CPU a frame, without %.2f (medians); median "
           "difference %+.2f %%; %.1f %% reused\n",
           n, (unsigned)bench->n_frames, 1e3 * median(with, n), 1e3 * median(without, n),
           100 * median(more, n), 100 * (double)bench->reused_px / (n_frames * frame_px));
    return EXIT_SUCCESS;
}

/* A batch of frames and those before, on both sides. Freed with the process. */
static bool make_frames(struct bench *bench, uint32_t width_px, uint32_t height_px, uint32_t scale)
{
    bench->n_frames = pipersr_frames_at_once(bench->upscaler, width_px, height_px);
    for (uint32_t i = 0; i < PIPERSR_MAX_BEFORE + bench->n_frames; i++) {
        uint8_t *in = malloc(frame_bytes(width_px, height_px));
        uint8_t *out = malloc(frame_bytes(width_px * scale, height_px * scale));
        if (!in || !out)
            return false;
        bench->in[i] = view(in, width_px, height_px);
        bench->out[i] = view(out, width_px * scale, height_px * scale);
    }
    return true;
}

static uint32_t read_size(const char *text)
{
    const unsigned long size_px = strtoul(text, NULL, 10);
    return size_px <= MAX_SIZE_PX ? (uint32_t)size_px : 0;
}

int main(int argc, char **argv)
{
    struct bench bench = {.format = {.sampling = PIPERSR_YUV_420, .bits = 8}};
    const uint32_t width_px = argc == 4 ? read_size(argv[2]) : 0;
    const uint32_t height_px = argc == 4 ? read_size(argv[3]) : 0;
    if (width_px == 0 || height_px == 0) {
        fprintf(stderr, "usage: reuse_cost MODEL WIDTH HEIGHT <frames, 8-bit 4:2:0\n");
        return 2;
    }
    pipersr_model *model;
    pipersr_error error;
    pipersr_options options = pipersr_options_default();
    options.use = PIPERSR_USE_VIDEO;
    if (pipersr_model_load_file(argv[1], &model, &error) ||
        pipersr_upscaler_create(model, &options, &bench.upscaler, &error))
        return fail(error.message);
    pipersr_model_info info;
    pipersr_model_get_info(model, &info);
    if (!make_frames(&bench, width_px, height_px, info.scale))
        return fail("out of memory");
    return run(&bench, frame_bytes(width_px, height_px));
}
