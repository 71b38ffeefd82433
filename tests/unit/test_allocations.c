/* SPDX-License-Identifier: MIT
 *
 * No allocation of ours for each frame of a video. The linker sends every call that our own object
 * files (media/ and the library) make to an allocator to a function here, which counts it; what
 * FFmpeg's libraries do inside is theirs and not counted.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>
#include <libavutil/frame.h>
#include <libavutil/mem.h>

#include "check.h"
#include "media/video.h"

static atomic_uint n_calls;

/* The linker's --wrap=NAME: calls of NAME arrive at __wrap_NAME, the real one is __real_NAME. */
#define COUNTED(TYPE, NAME, PARAMETERS, ARGUMENTS)                                                 \
    TYPE __real_##NAME PARAMETERS;                                                                 \
    TYPE __wrap_##NAME PARAMETERS;                                                                 \
    TYPE __wrap_##NAME PARAMETERS                                                                  \
    {                                                                                              \
        atomic_fetch_add(&n_calls, 1);                                                             \
        return __real_##NAME ARGUMENTS;                                                            \
    }

COUNTED(void *, malloc, (size_t size), (size))
COUNTED(void *, calloc, (size_t count, size_t size), (count, size))
COUNTED(void *, realloc, (void *block, size_t size), (block, size))
COUNTED(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
COUNTED(char *, strdup, (const char *text), (text))
COUNTED(void *, av_malloc, (size_t size), (size))
COUNTED(void *, av_mallocz, (size_t size), (size))
COUNTED(void *, av_calloc, (size_t count, size_t size), (count, size))
COUNTED(char *, av_strdup, (const char *text), (text))
COUNTED(AVFrame *, av_frame_alloc, (void), ())
COUNTED(AVFrame *, av_frame_clone, (const AVFrame *frame), (frame))
COUNTED(AVBufferRef *, av_buffer_alloc, (size_t size), (size))
COUNTED(AVPacket *, av_packet_alloc, (void), ())
COUNTED(AVPacket *, av_packet_clone, (const AVPacket *packet), (packet))

enum { WIDTH = 80, HEIGHT = 64, N_FRAMES = 60, FIRST_FRAMES = 10 };

struct watch {
    unsigned calls[N_FRAMES + 1]; /* when so many frames were through the network */
    uint64_t frames;
};

static void on_progress(void *opaque, const struct media_progress *progress)
{
    struct watch *watch = opaque;
    if (progress->done > N_FRAMES) {
        return;
    }
    for (uint64_t i = watch->frames; i < progress->done; i++) {
        watch->calls[i] = atomic_load(&n_calls);
    }
    watch->frames = progress->done;
}

static void test_clip(const char *clip, const char *codec, unsigned passes, bool no_reuse)
{
    const pipersr_built_in_model *fast = pipersr_model_find_built_in("pipersr-x2-fast");
    struct watch watch = {.frames = 0};
    struct media_job job = {.passes = passes, .on_progress = on_progress, .opaque = &watch};
    struct media_video_options options = {
        .codec = codec, .crf = -1, .container = "matroska", .no_reuse = no_reuse};
    pipersr_options engine = pipersr_options_default();
    pipersr_model *model = NULL;
    struct media_error error = {""};
    engine.threads = 2;
    CHECK(fast &&
              pipersr_model_load_memory(fast->data, fast->size_bytes, &model, NULL) == PIPERSR_OK,
          "the model");
    for (unsigned i = 0; i < passes; i++) {
        CHECK(pipersr_upscaler_create(model, &engine, &job.pass[i], NULL) == PIPERSR_OK,
              "upscaler %u", i);
    }
    job.scale = passes == 1 ? 2 : 4;

    const enum media_status status =
        media_video_upscale(&job, clip, "/dev/null", NULL, &options, NULL, &error);
    CHECK(status == MEDIA_OK, "%s: %s", clip, error.message);
    CHECK(watch.frames == N_FRAMES, "only %llu frames", (unsigned long long)watch.frames);
    if (watch.frames == N_FRAMES) {
        /* When the last frame is through the network, the encoder has had all but a few. */
        const unsigned first = watch.calls[FIRST_FRAMES], last = watch.calls[watch.frames - 1];
        CHECK(watch.calls[0] > 0, "nothing is counted at all");
        CHECK(last == first, "%s, %u passes: %u allocations in frames %d to %llu", codec, passes,
              last - first, FIRST_FRAMES, (unsigned long long)watch.frames);
    }
    for (unsigned i = 0; i < passes; i++) {
        pipersr_upscaler_free(job.pass[i]);
    }
    pipersr_model_free(model);
}

/* Noise, of which a part changes in every frame. */
static bool write_clip(FILE *file)
{
    enum { FRAME_BYTES = WIDTH * HEIGHT * 3 / 2 };
    static unsigned char frame[FRAME_BYTES];
    unsigned seed = 1;
    fprintf(file, "YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420mpeg2\n", WIDTH, HEIGHT);
    for (int i = 0; i < N_FRAMES; i++) {
        const size_t n = i % 7 == 0 ? FRAME_BYTES : (size_t)(WIDTH * (i % 5) * 4);
        for (size_t j = 0; j < n; j++) {
            frame[j] = (unsigned char)(check_random(&seed) >> 8);
        }
        fprintf(file, "FRAME\n");
        fwrite(frame, 1, FRAME_BYTES, file);
    }
    return fflush(file) == 0 && !ferror(file);
}

int main(void)
{
    char clip[] = "/tmp/pipersr-allocations-XXXXXX";
    const int descriptor = mkstemp(clip);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "wb") : NULL;
    CHECK(file && write_clip(file), "%s cannot be written", clip);
    if (file) {
        fclose(file);
        test_clip(clip, "h264", 1, false);
        test_clip(clip, "h264", 1, true);
        /* Frames by way of RGB, and two passes. */
        test_clip(clip, "libx264rgb", 1, false);
        test_clip(clip, "ffv1", 2, false);
        unlink(clip);
    }
    return check_result();
}
