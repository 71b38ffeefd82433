/* SPDX-License-Identifier: MIT
 *
 * A host of VapourSynth's core for the test of the filter: a clip of raw frames through the
 * plug-in.
 *
 * usage: vapoursynth_host PLUGIN FORMAT-ID WIDTH HEIGHT FRAMES MATRIX MODEL [FIELDS] \
 *        <in.raw >out.raw
 * Writes the planes of each frame; to standard error the size, and PiperSRReused of each frame that
 * has it. MATRIX: value of _Matrix, or two of them with a comma, for frames in turns. FIELDS: of
 * _FieldBased.
 */
#include <VapourSynth4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct source {
    VSVideoInfo info;
    int matrix[2], fields;
    char *frames; /* planes without padding, all frames one after the other */
    size_t frame_bytes;
};

static size_t row_bytes(const VSVideoFormat *format, int width, int plane)
{
    return (size_t)(width >> (plane ? format->subSamplingW : 0)) * (size_t)format->bytesPerSample;
}

static int rows(const VSVideoFormat *format, int height, int plane)
{
    return height >> (plane ? format->subSamplingH : 0);
}

static const VSFrame *give(int n, int reason, void *instance, void **data, VSFrameContext *context,
                           VSCore *core, const VSAPI *api)
{
    (void)reason, (void)data, (void)context;
    const struct source *source = instance;
    const VSVideoInfo *info = &source->info;
    VSFrame *frame = api->newVideoFrame(&info->format, info->width, info->height, NULL, core);
    const char *from = source->frames + (size_t)n * source->frame_bytes;
    for (int plane = 0; plane < info->format.numPlanes; plane++) {
        const size_t bytes = row_bytes(&info->format, info->width, plane);
        for (int y = 0; y < rows(&info->format, info->height, plane); y++, from += bytes)
            memcpy(api->getWritePtr(frame, plane) + y * api->getStride(frame, plane), from, bytes);
    }
    VSMap *properties = api->getFramePropertiesRW(frame);
    api->mapSetInt(properties, "_Matrix", source->matrix[n % 2], maReplace);
    api->mapSetInt(properties, "_FieldBased", source->fields, maReplace);
    api->mapSetInt(properties, "Mark", 1000 + n, maReplace);
    return frame;
}

static void keep(void *instance, VSCore *core, const VSAPI *api)
{
    (void)instance, (void)core, (void)api;
}

static int fail(const char *message)
{
    fprintf(stderr, "%s\n", message);
    return 1;
}

static VSMap *invoke(const char *id, const char *function, const VSMap *arguments, VSCore *core,
                     const VSAPI *api)
{
    VSMap *result = api->invoke(api->getPluginByID(id, core), function, arguments);
    if (api->mapGetError(result))
        exit(fail(api->mapGetError(result)));
    return result;
}

static int write_frames(VSNode *node, int n_frames, const VSAPI *api)
{
    for (int n = 0; n < n_frames; n++) {
        char message[400] = "";
        const VSFrame *frame = api->getFrame(n, node, message, sizeof message);
        if (!frame)
            return fail(message);
        if (api->mapGetInt(api->getFramePropertiesRO(frame), "Mark", 0, NULL) != 1000 + n)
            return fail("a frame lost its properties");
        int is_absent;
        const int64_t reused_px =
            api->mapGetInt(api->getFramePropertiesRO(frame), "PiperSRReused", 0, &is_absent);
        if (!is_absent)
            fprintf(stderr, "%lld pixels reused\n", (long long)reused_px);
        const VSVideoFormat *format = api->getVideoFrameFormat(frame);
        for (int plane = 0; plane < format->numPlanes; plane++)
            for (int y = 0; y < api->getFrameHeight(frame, plane); y++)
                fwrite(api->getReadPtr(frame, plane) + y * api->getStride(frame, plane),
                       (size_t)format->bytesPerSample, (size_t)api->getFrameWidth(frame, plane),
                       stdout);
        api->freeFrame(frame);
    }
    return fflush(stdout) == 0 ? 0 : fail("not written");
}

int main(int argc, char **argv)
{
    const VSAPI *api = getVapourSynthAPI(VS_MAKE_VERSION(4, 0));
    if (argc < 8 || argc > 9 || !api)
        return fail("usage, or no API");
    VSCore *core = api->createCore(0);
    struct source source = {.fields = argc > 8 ? atoi(argv[8]) : 0};
    if (sscanf(argv[6], "%d,%d", &source.matrix[0], &source.matrix[1]) < 2)
        source.matrix[1] = source.matrix[0];
    VSVideoInfo *info = &source.info;
    *info = (VSVideoInfo){.fpsNum = 10,
                          .fpsDen = 1,
                          .width = atoi(argv[3]),
                          .height = atoi(argv[4]),
                          .numFrames = atoi(argv[5])};
    if (!api->getVideoFormatByID(&info->format, (uint32_t)strtoul(argv[2], NULL, 0), core))
        return fail("no such format");
    for (int plane = 0; plane < info->format.numPlanes; plane++)
        source.frame_bytes += row_bytes(&info->format, info->width, plane) *
                              (size_t)rows(&info->format, info->height, plane);
    source.frames = malloc(source.frame_bytes * (size_t)info->numFrames);
    if (!source.frames || fread(source.frames, source.frame_bytes, (size_t)info->numFrames,
                                stdin) != (size_t)info->numFrames)
        return fail("too few frames");

    VSMap *load = api->createMap();
    api->mapSetData(load, "path", argv[1], -1, dtUtf8, maReplace);
    api->freeMap(invoke("com.vapoursynth.std", "LoadPlugin", load, core, api));
    api->freeMap(load);
    VSMap *arguments = api->createMap();
    VSNode *clip =
        api->createVideoFilter2("Source", info, give, keep, fmUnordered, NULL, 0, &source, core);
    api->mapConsumeNode(arguments, "clip", clip, maReplace);
    api->mapSetData(arguments, "model", argv[7], -1, dtUtf8, maReplace);
    api->mapSetData(arguments, "precision", "fp32", -1, dtUtf8, maReplace);
    VSMap *result = invoke("org.pipersr.upscale", "Upscale", arguments, core, api);
    api->freeMap(arguments);
    VSNode *node = api->mapGetNode(result, "clip", 0, NULL);
    api->freeMap(result);
    const VSVideoInfo *out = api->getVideoInfo(node);
    fprintf(stderr, "%dx%d, %d frames\n", out->width, out->height, out->numFrames);
    const int status = write_frames(node, out->numFrames, api);
    api->freeNode(node);
    api->freeCore(core);
    free(source.frames);
    return status;
}
