/* SPDX-License-Identifier: MIT
 *
 * VapourSynth filter pipersr.Upscale: a clip of twice the width and height.
 *
 *     clip = core.pipersr.Upscale(clip)
 *     pipersr.Upscale(clip: vnode, model: data = None, precision: data = "auto", threads: int = 0)
 *
 * Clips of constant format: YUV 4:2:0, 4:2:2, 4:4:4 or gray of 8 to 16 bits; RGB of 8, 16 or
 * (float) 32 bits. How YUV is meant is read from each frame's properties _Matrix, _Range (or
 * _ColorRange) and _ChromaLocation; docs/plugins.md. PiperSRReused of a frame of YUV: how many of
 * its input pixels stood still, so that their output was copied.
 */
#include <VapourSynth4.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipersr.h"

/* Values of frame properties, from ITU-T H.273 and VapourSynth's documentation. */
enum {
    MATRIX_BT709 = 1,
    MATRIX_UNSPECIFIED = 2,
    MATRIX_BT470BG = 5,
    MATRIX_ST170M = 6,
    MATRIX_BT2020_NCL = 9,
    RANGE_FULL = 1,     /* of _Range; 0 is limited */
    OLD_RANGE_FULL = 0, /* of _ColorRange, which counts the other way round */
};

struct upscale {
    VSNode *node;
    VSVideoInfo out;
    pipersr_upscaler *upscaler;
    pipersr_format interleaved;   /* for RGB */
    char *in_pixels, *out_pixels; /* interleaved RGB; NULL for YUV */
    size_t in_stride, out_stride;
    /* The frame that came last, whichever it was, and what became of it: where the next one is the
     * same, it is copied. YUV only; both or neither. */
    const VSFrame *last_in, *last_out;
    pipersr_yuv_format last_yuv;
};

static void forget_last(struct upscale *self, const VSAPI *api)
{
    if (!self->last_in)
        return;
    api->freeFrame(self->last_in);
    api->freeFrame(self->last_out);
    self->last_in = self->last_out = NULL;
}

static void free_upscale(void *instance, VSCore *core, const VSAPI *api)
{
    (void)core;
    struct upscale *self = instance;
    forget_last(self, api);
    api->freeNode(self->node);
    pipersr_upscaler_free(self->upscaler);
    free(self->in_pixels);
    free(self->out_pixels);
    free(self);
}

/* ------------------------------------------------------------------------------------ frames -- */

/* A frame's property, or `missing`. */
static int64_t property(const VSFrame *frame, const char *name, int64_t missing, const VSAPI *api)
{
    int failed;
    const int64_t value = api->mapGetInt(api->getFramePropertiesRO(frame), name, 0, &failed);
    return failed ? missing : value;
}

static bool describe_matrix(const VSFrame *frame, pipersr_yuv_matrix *matrix, const VSAPI *api)
{
    switch (property(frame, "_Matrix", MATRIX_UNSPECIFIED, api)) {
    case MATRIX_BT709:
        *matrix = PIPERSR_YUV_BT709;
        return true;
    case MATRIX_BT470BG:
    case MATRIX_ST170M:
        *matrix = PIPERSR_YUV_BT601;
        return true;
    case MATRIX_BT2020_NCL:
        *matrix = PIPERSR_YUV_BT2020;
        return true;
    case MATRIX_UNSPECIFIED:
        *matrix = api->getFrameHeight(frame, 0) > 576 ? PIPERSR_YUV_BT709 : PIPERSR_YUV_BT601;
        return true;
    default:
        return false;
    }
}

static bool describe_yuv(const VSFrame *frame, pipersr_yuv_format *yuv, const VSAPI *api)
{
    const VSVideoFormat *format = api->getVideoFrameFormat(frame);
    const int64_t range = property(frame, "_Range", -1, api);
    *yuv = (pipersr_yuv_format){
        .sampling = format->colorFamily == cfGray ? PIPERSR_YUV_400
                    : format->subSamplingH        ? PIPERSR_YUV_420
                    : format->subSamplingW        ? PIPERSR_YUV_422
                                                  : PIPERSR_YUV_444,
        .bits = (uint32_t)format->bitsPerSample,
        .full_range = range >= 0 ? range == RANGE_FULL
                                 : property(frame, "_ColorRange", 1, api) == OLD_RANGE_FULL,
    };
    switch (property(frame, "_ChromaLocation", 0, api)) {
    case 0:
        yuv->siting = PIPERSR_YUV_LEFT;
        break;
    case 1:
        yuv->siting = PIPERSR_YUV_CENTRE;
        break;
    case 2:
        yuv->siting = PIPERSR_YUV_TOP_LEFT;
        break;
    default:
        return false;
    }
    return describe_matrix(frame, &yuv->matrix, api);
}

static pipersr_yuv_frame planes_of(const VSFrame *frame, const VSAPI *api)
{
    pipersr_yuv_frame planes = {.width_px = (uint32_t)api->getFrameWidth(frame, 0),
                                .height_px = (uint32_t)api->getFrameHeight(frame, 0)};
    for (int i = 0; i < api->getVideoFrameFormat(frame)->numPlanes; i++) {
        /* What the library only reads has no const in its view. */
        memcpy(&planes.plane[i], &(const uint8_t *){api->getReadPtr(frame, i)},
               sizeof planes.plane[i]);
        planes.stride_bytes[i] = api->getStride(frame, i);
    }
    return planes;
}

static bool is_same_yuv(const pipersr_yuv_format *a, const pipersr_yuv_format *b)
{
    return a->sampling == b->sampling && a->bits == b->bits && a->matrix == b->matrix &&
           a->full_range == b->full_range && a->siting == b->siting;
}

static const char *upscale_yuv(struct upscale *self, const VSFrame *in, VSFrame *out,
                               const VSAPI *api)
{
    pipersr_yuv_format format;
    if (!describe_yuv(in, &format, api))
        return "this frame's _Matrix or _ChromaLocation is not handled: convert it with resize";
    const pipersr_yuv_frame from = planes_of(in, api);
    pipersr_yuv_frame to = planes_of(out, api), last_in, last_out;
    for (int i = 0; i < self->out.format.numPlanes; i++)
        to.plane[i] = api->getWritePtr(out, i);
    const bool has_last = self->last_in && is_same_yuv(&format, &self->last_yuv);
    if (has_last) {
        last_in = planes_of(self->last_in, api);
        last_out = planes_of(self->last_out, api);
    }
    uint64_t reused_px;
    if (pipersr_upscale_next_yuv_frames(self->upscaler, &format, &from, &to, 1, &last_in, &last_out,
                                        has_last, &reused_px) != PIPERSR_OK)
        return pipersr_upscaler_message(self->upscaler);
    api->mapSetInt(api->getFramePropertiesRW(out), "PiperSRReused", (int64_t)reused_px, maReplace);
    forget_last(self, api);
    self->last_in = api->addFrameRef(in);
    self->last_out = api->addFrameRef(out);
    self->last_yuv = format;
    return NULL;
}

/* Three planes into pixels, or back. A sample has `bytes` bytes. */
static void interleave(char *pixels, size_t pixels_stride, char *const plane[3],
                       const ptrdiff_t stride[3], int width, int height, size_t bytes, bool back)
{
    for (int y = 0; y < height; y++) {
        char *row = pixels + (size_t)y * pixels_stride;
        for (int c = 0; c < 3; c++) {
            char *samples = plane[c] + (ptrdiff_t)y * stride[c];
            for (int x = 0; x < width; x++) {
                char *pixel = row + ((size_t)x * 3 + (size_t)c) * bytes;
                memcpy(back ? samples + (size_t)x * bytes : pixel,
                       back ? pixel : samples + (size_t)x * bytes, bytes);
            }
        }
    }
}

static const char *upscale_rgb(struct upscale *self, const VSFrame *in, VSFrame *out,
                               const VSAPI *api)
{
    const size_t bytes = (size_t)self->out.format.bytesPerSample;
    const int width = api->getFrameWidth(in, 0), height = api->getFrameHeight(in, 0);
    char *plane[3];
    ptrdiff_t stride[3];
    for (int i = 0; i < 3; i++) {
        memcpy(&plane[i], &(const uint8_t *){api->getReadPtr(in, i)}, sizeof plane[i]);
        stride[i] = api->getStride(in, i);
    }
    interleave(self->in_pixels, self->in_stride, plane, stride, width, height, bytes, false);
    const pipersr_frame from = {self->in_pixels, (ptrdiff_t)self->in_stride, (uint32_t)width,
                                (uint32_t)height, self->interleaved};
    const pipersr_frame to = {self->out_pixels, (ptrdiff_t)self->out_stride,
                              (uint32_t)self->out.width, (uint32_t)self->out.height,
                              self->interleaved};
    if (pipersr_upscale(self->upscaler, &from, &to) != PIPERSR_OK)
        return pipersr_upscaler_message(self->upscaler);
    for (int i = 0; i < 3; i++) {
        plane[i] = (char *)api->getWritePtr(out, i);
        stride[i] = api->getStride(out, i);
    }
    interleave(self->out_pixels, self->out_stride, plane, stride, self->out.width, self->out.height,
               bytes, true);
    return NULL;
}

static const VSFrame *get_frame(int n, int reason, void *instance, void **frame_data,
                                VSFrameContext *context, VSCore *core, const VSAPI *api)
{
    (void)frame_data;
    struct upscale *self = instance;
    if (reason == arInitial) {
        api->requestFrameFilter(n, self->node, context);
        return NULL;
    }
    if (reason != arAllFramesReady)
        return NULL;
    const VSFrame *in = api->getFrameFilter(n, self->node, context);
    VSFrame *out =
        api->newVideoFrame(&self->out.format, self->out.width, self->out.height, in, core);
    const char *fault;
    /* Woven fields are pictures of two moments, which the network would take for one. */
    if (property(in, "_FieldBased", 0, api) > 0)
        fault = "this frame is interlaced (_FieldBased): deinterlace the clip, "
                "or std.SetFieldBased(clip, 0) if it is not";
    else
        fault = self->in_pixels ? upscale_rgb(self, in, out, api) : upscale_yuv(self, in, out, api);
    api->freeFrame(in);
    if (!fault)
        return out;
    api->freeFrame(out);
    char message[320];
    snprintf(message, sizeof message, "pipersr.Upscale: %s", fault);
    api->setFilterError(message, context);
    return NULL;
}

/* ------------------------------------------------------------------------------------ create -- */

/* NULL, or what is wrong with the clip. */
static const char *check_clip(struct upscale *self, uint32_t scale)
{
    const VSVideoFormat *format = &self->out.format;
    const bool integer = format->sampleType == stInteger;
    if (format->colorFamily == cfUndefined || self->out.width == 0 || self->out.height == 0)
        return "the clip's format and size must not change";
    if ((uint32_t)self->out.width > INT32_MAX / 4 / scale ||
        (uint32_t)self->out.height > INT32_MAX / 4 / scale)
        return "the clip is too large";
    if (format->colorFamily == cfRGB) {
        self->interleaved = !integer                     ? PIPERSR_RGBF32
                            : format->bitsPerSample == 8 ? PIPERSR_RGB8
                                                         : PIPERSR_RGB16;
        return format->bitsPerSample == 8 || format->bitsPerSample == (integer ? 16 : 32)
                   ? NULL
                   : "RGB is taken with 8 or 16 bits or as 32-bit floats";
    }
    const bool known_sampling =
        format->subSamplingW <= 1 && format->subSamplingH <= format->subSamplingW;
    return integer && format->bitsPerSample <= 16 && known_sampling
               ? NULL
               : "YUV is taken as integers of 8 to 16 bits, 4:2:0, 4:2:2 or 4:4:4";
}

static const char *text_argument(const VSMap *in, const char *name, const VSAPI *api)
{
    int failed;
    const char *text = api->mapGetData(in, name, 0, &failed);
    return failed ? NULL : text;
}

static pipersr_status load_model(const char *name, pipersr_model **model, pipersr_error *error)
{
    const pipersr_built_in_model *built_in =
        name ? pipersr_model_find_built_in(name) : pipersr_model_built_in_for(PIPERSR_USE_VIDEO);
    if (built_in)
        return pipersr_model_load_memory(built_in->data, built_in->size_bytes, model, error);
    return pipersr_model_load_file(name, model, error);
}

/* Opens everything; false with a message. */
static bool open_upscale(struct upscale *self, const VSMap *in, pipersr_error *error,
                         const VSAPI *api)
{
    int missing;
    pipersr_options options = pipersr_options_default();
    options.use = PIPERSR_USE_VIDEO;
    const char *precision = text_argument(in, "precision", api);
    const int64_t threads = api->mapGetInt(in, "threads", 0, &missing);
    if (!missing && (threads < 0 || threads > 1024)) {
        snprintf(error->message, sizeof error->message, "threads is 0 to 1024");
        return false;
    }
    options.threads = missing ? 0 : (uint32_t)threads;
    if (precision && pipersr_precision_parse(precision, &options.precision) != PIPERSR_OK) {
        snprintf(error->message, sizeof error->message,
                 "precision is auto, fp32, bf16 or int8, not '%.32s'", precision);
        return false;
    }
    pipersr_model *model;
    if (load_model(text_argument(in, "model", api), &model, error) != PIPERSR_OK)
        return false;
    pipersr_model_info info;
    pipersr_model_get_info(model, &info);
    const pipersr_status status = pipersr_upscaler_create(model, &options, &self->upscaler, error);
    pipersr_model_free(model);
    if (status != PIPERSR_OK)
        return false;
    const char *fault = check_clip(self, info.scale);
    if (fault) {
        snprintf(error->message, sizeof error->message, "%s", fault);
        return false;
    }
    const size_t in_width = (size_t)self->out.width, in_height = (size_t)self->out.height;
    self->out.width *= (int)info.scale;
    self->out.height *= (int)info.scale;
    if (self->out.format.colorFamily != cfRGB)
        return true;
    self->in_stride = in_width * 3 * (size_t)self->out.format.bytesPerSample;
    self->out_stride = self->in_stride * info.scale;
    self->in_pixels = calloc(in_height, self->in_stride);
    self->out_pixels = calloc(in_height * info.scale, self->out_stride);
    if (self->in_pixels && self->out_pixels)
        return true;
    snprintf(error->message, sizeof error->message, "out of memory");
    return false;
}

static void create(const VSMap *in, VSMap *out, void *user_data, VSCore *core, const VSAPI *api)
{
    (void)user_data;
    struct upscale *self = calloc(1, sizeof *self);
    if (!self) {
        api->mapSetError(out, "pipersr.Upscale: out of memory");
        return;
    }
    self->node = api->mapGetNode(in, "clip", 0, NULL);
    self->out = *api->getVideoInfo(self->node);
    pipersr_error error = {""};
    if (!open_upscale(self, in, &error, api)) {
        char message[320];
        snprintf(message, sizeof message, "pipersr.Upscale: %s", error.message);
        api->mapSetError(out, message);
        free_upscale(self, core, api);
        return;
    }
    const VSFilterDependency source = {self->node, rpStrictSpatial};
    /* An upscaler is for one thread at a time and has threads of its own. */
    api->createVideoFilter(out, "Upscale", &self->out, get_frame, free_upscale, fmParallelRequests,
                           &source, 1, self, core);
}

/* The host looks it up by name; no header of its own declares it. */
VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *api);

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *api)
{
    /* 4.0, so that every host of the fourth API takes it. */
    api->configPlugin("org.pipersr.upscale", "pipersr",
                      "Super-resolution by a small neural network", VS_MAKE_VERSION(1, 0),
                      VS_MAKE_VERSION(4, 0), 0, plugin);
    api->registerFunction("Upscale",
                          "clip:vnode;model:data:opt;precision:data:opt;threads:int:opt;",
                          "clip:vnode;", create, NULL, plugin);
}
