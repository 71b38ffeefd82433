/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: any bytes as a video, through the whole pipeline and into a file. An error is
 * as good as a video; what is promised of one is that every frame that was decoded is in it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "media/video.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A header can ask for any size; these still take several strips and bands. */
enum { MAX_FRAME_PX = 96 * 96 };

static pipersr_upscaler *upscaler;

/* The network is small and stays loaded. $FUZZ_MODEL names its file. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *path = getenv("FUZZ_MODEL");
    pipersr_model *model;
    pipersr_error error;
    pipersr_options options = pipersr_options_default();
    options.threads = 1;
    if (pipersr_model_load_file(path != NULL ? path : "tests/golden/bn-f32.safetensors", &model,
                                &error) != PIPERSR_OK ||
        pipersr_upscaler_create(model, &options, &upscaler, &error) != PIPERSR_OK) {
        fprintf(stderr, "fuzz_video: %s\n", error.message);
        exit(1);
    }
    return 0;
}

static void note(void *opaque, const char *line)
{
    size_t *n_characters = opaque;
    *n_characters += strlen(line);
}

/* A nameless file, and the name under which it can be opened. */
static int make_file(const char *name, char *path, size_t size_bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    snprintf(path, size_bytes, "/proc/self/fd/%d", fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char input[32], output[32];
    int input_fd = make_file("input", input, sizeof input);
    int output_fd = make_file("output", output, sizeof output);
    if (input_fd < 0 || output_fd < 0 || write(input_fd, data, size) != (ssize_t)size) {
        abort();
    }
    /* Mostly what is quick to encode into the container that takes most streams. */
    static const char *const targets[][2] = {
        {"x.mkv", "ffv1"}, {"x.mkv", "ffv1"}, {"x.mp4", "mpeg4"}, {"x.ts", "h264"}};
    const char *const *target = targets[size % 4];
    size_t n_characters = 0;
    struct media_job job = {
        .pass = {upscaler}, .passes = 1, .scale = 2, .on_note = note, .opaque = &n_characters};
    struct media_video_options options = {.codec = target[1],
                                          .crf = -1,
                                          .preset = size % 4 == 3 ? "ultrafast" : NULL,
                                          .encoder_threads = 1,
                                          .max_frame_px = MAX_FRAME_PX};
    struct media_video_result result;
    struct media_error error;
    if (media_video_upscale(&job, input, output, target[0], &options, &result, &error) ==
            MEDIA_OK &&
        result.frames_in != result.frames_out) {
        abort();
    }
    close(input_fd);
    close(output_fd);
    return 0;
}
