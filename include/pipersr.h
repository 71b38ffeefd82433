/* SPDX-License-Identifier: MIT
 *
 * libpipersr: super-resolution of pictures by a small convolutional network, on the CPU.
 *
 * This is the whole public interface. The library does no file or network input/output except in
 * pipersr_model_load_file(), prints nothing, and has no changing globals.
 *
 * The shortest complete use, without error handling:
 *
 *     pipersr_model *model;
 *     pipersr_upscaler *up;
 *     pipersr_options options = pipersr_options_default();
 *     pipersr_model_load_default(&model, NULL);
 *     pipersr_upscaler_create(model, &options, &up, NULL);
 *
 *     pipersr_frame in  = {pixels, width * 3, width, height, PIPERSR_RGB8};
 *     pipersr_frame out = {bigger, width * 6, width * 2, height * 2, PIPERSR_RGB8};
 *     pipersr_upscale(up, &in, &out);
 *
 *     pipersr_upscaler_free(up);
 *     pipersr_model_free(model);
 *
 * Threads: a model never changes after it is loaded and may be used by any number of threads at
 * once. An upscaler is for one thread at a time (it has worker threads of its own); use one each.
 * The exception is pipersr_cancel(), which any thread or signal handler may call.
 */
#ifndef PIPERSR_H
#define PIPERSR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define PIPERSR_API
#else
#define PIPERSR_API __attribute__((visibility("default")))
#endif

/* ------------------------------------------------------------------------------------ status -- */

/* What every fallible function returns: PIPERSR_OK or a negative code. */
typedef enum pipersr_status {
    PIPERSR_OK = 0,
    PIPERSR_ERROR_ARGUMENT = -1,    /* a parameter is out of its documented range */
    PIPERSR_ERROR_MEMORY = -2,      /* out of memory, or the memory limit is too small */
    PIPERSR_ERROR_IO = -3,          /* a model file could not be read */
    PIPERSR_ERROR_MODEL = -4,       /* the bytes are not a model that this library can run */
    PIPERSR_ERROR_UNSUPPORTED = -5, /* valid, but not on this CPU or in this build */
    PIPERSR_ERROR_STATE = -6,       /* calls in the wrong order */
    PIPERSR_ERROR_CANCELLED = -7    /* pipersr_cancel() was called */
} pipersr_status;

/* One line of text that says what went wrong and what was expected; "" after success.
 * Owned by the caller; a function that takes one fills it only on failure. NULL is allowed. */
typedef struct pipersr_error {
    char message[256];
} pipersr_error;

/* A constant English name of a status code, never NULL. */
PIPERSR_API const char *pipersr_status_name(pipersr_status status);

/* "MAJOR.MINOR.PATCH" of the library that is running. */
PIPERSR_API const char *pipersr_version(void);

/* ------------------------------------------------------------------------------------- model -- */

/* A network and its weights. Immutable; freed by pipersr_model_free(). Upscalers made from it hold
 * a reference of their own, so it may be freed before them. */
typedef struct pipersr_model pipersr_model;

/* What a model is. Strings live as long as the model and are never NULL. */
typedef struct pipersr_model_info {
    const char *name;        /* metadata "name", or "pipersr-x2" style made from the graph */
    const char *licence;     /* metadata "licence", or "" */
    const char *training;    /* metadata "training": one line about where the weights come from */
    uint32_t channels;       /* width of the trunk: a multiple of 16, 16..128 */
    uint32_t blocks;         /* residual blocks: 1..32 */
    uint32_t scale;          /* output width / input width: 2, 3 or 4 */
    uint32_t radius_px;      /* input pixels on each side that an output pixel depends on */
    uint64_t parameters;     /* numbers in the folded graph */
    uint64_t macs_per_px;    /* multiply-accumulates per input pixel */
    const char *description; /* metadata "description": one line on what it is for, or "" */
    uint32_t has_int8;       /* 1: the file has what int8 needs; 0: it runs in the others only */
} pipersr_model_info;

/* A model file that the library carries. Constant; it and all that it points to live as long as the
 * library is loaded. Channels, blocks and so on are known once it is loaded. */
typedef struct pipersr_built_in_model {
    const char *name;        /* such as "pipersr-x2": a-z, 0-9 and '-'; no two have the same */
    const char *description; /* metadata "description" of the file, or "" */
    const void *data;        /* the file's bytes, for pipersr_model_load_memory() */
    size_t size_bytes;       /* of data */
    uint32_t scale;          /* output pixels per input pixel in each direction: 2, 3 or 4 */
} pipersr_built_in_model;

/* The built-in models by number: 0 is the default, which is always there; NULL after the last.
 *
 *     const pipersr_built_in_model *each;
 *     for (size_t i = 0; (each = pipersr_model_built_in(i)); i++)
 *         printf("%s: %s\n", each->name, each->description);
 */
PIPERSR_API const pipersr_built_in_model *pipersr_model_built_in(size_t index);

/* The built-in model of exactly this name; NULL if there is none, or `name` is NULL. */
PIPERSR_API const pipersr_built_in_model *pipersr_model_find_built_in(const char *name);

/* Loads the default one of the built-in models. */
PIPERSR_API pipersr_status pipersr_model_load_default(pipersr_model **model, pipersr_error *error);

/* Loads a safetensors file (format: docs/model-format.md). Every number in it is checked. */
PIPERSR_API pipersr_status pipersr_model_load_file(const char *path, pipersr_model **model,
                                                   pipersr_error *error);

/* The same from memory; `data` is read during the call only. */
PIPERSR_API pipersr_status pipersr_model_load_memory(const void *data, size_t size_bytes,
                                                     pipersr_model **model, pipersr_error *error);

/* The bytes of the default model's file: constant, *size_bytes of them. */
PIPERSR_API const void *pipersr_model_default_data(size_t *size_bytes);

PIPERSR_API void pipersr_model_get_info(const pipersr_model *model, pipersr_model_info *info);

/* NULL is allowed. */
PIPERSR_API void pipersr_model_free(pipersr_model *model);

/* ----------------------------------------------------------------------------------- picture -- */

/* Sample layout of a frame: interleaved channels, rows top to bottom. 8- and 16-bit samples are
 * full range (0..255, 0..65535, host byte order); F32 samples are 0..1, values outside are clamped
 * and NaN counts as 0. Colour is whatever the pixels' own RGB space is, gamma-encoded: the network
 * was trained on sRGB. Alpha is straight (not premultiplied). Gray runs through the network as
 * R = G = B and comes out as BT.601 luma.
 * Alpha is enlarged by bicubic interpolation; see pipersr_bleed_transparent() for the colour
 * under it. */
typedef enum pipersr_format {
    PIPERSR_GRAY8 = 0x11,
    PIPERSR_GRAYA8 = 0x12,
    PIPERSR_RGB8 = 0x13,
    PIPERSR_RGBA8 = 0x14,
    PIPERSR_GRAY16 = 0x21,
    PIPERSR_GRAYA16 = 0x22,
    PIPERSR_RGB16 = 0x23,
    PIPERSR_RGBA16 = 0x24,
    PIPERSR_GRAYF32 = 0x41,
    PIPERSR_GRAYAF32 = 0x42,
    PIPERSR_RGBF32 = 0x43,
    PIPERSR_RGBAF32 = 0x44
} pipersr_format;

/* Bytes of one pixel, or 0 for a value that is no format. */
PIPERSR_API size_t pipersr_format_pixel_bytes(pipersr_format format);

/* A view of pixels that the caller owns. */
typedef struct pipersr_frame {
    void *data;             /* first sample of the top row; aligned to its sample type */
    ptrdiff_t stride_bytes; /* from one row to the next; may be negative (bottom-up) or padded */
    uint32_t width_px;      /* 1..1048576 */
    uint32_t height_px;     /* 1..INT32_MAX / 4 */
    pipersr_format format;
} pipersr_frame;

/* Planes of YUV samples: luma, Cb, Cr. Chroma planes are ceil(width / 2) wide in 4:2:0 and 4:2:2
 * and ceil(height / 2) high in 4:2:0; 4:0:0 is luma alone. */
typedef enum pipersr_yuv_sampling {
    PIPERSR_YUV_400 = 0,
    PIPERSR_YUV_420 = 1,
    PIPERSR_YUV_422 = 2,
    PIPERSR_YUV_444 = 3
} pipersr_yuv_sampling;

/* Luma's shares of R', G' and B': ITU-R BT.601, BT.709, BT.2020 (non-constant luminance). Gray has
 * one too: the network's output is not exactly gray. */
typedef enum pipersr_yuv_matrix {
    PIPERSR_YUV_BT601 = 0,
    PIPERSR_YUV_BT709 = 1,
    PIPERSR_YUV_BT2020 = 2
} pipersr_yuv_matrix;

/* Where the chroma sample of two columns (4:2:0, 4:2:2) and two rows (4:2:0) lies, as in ITU-T
 * H.273, ChromaLocType 0, 1, 2: in the left column, between the rows (MPEG-2, H.264 and later by
 * default); in the middle (JPEG, MPEG-1); on the left column's upper pixel (BT.2020). */
typedef enum pipersr_yuv_siting {
    PIPERSR_YUV_LEFT = 0,
    PIPERSR_YUV_CENTRE = 1,
    PIPERSR_YUV_TOP_LEFT = 2
} pipersr_yuv_siting;

/* What YUV samples mean. With n bits, codes are as in ITU-T H.273, section 8.3:
 *
 *     limited range:  Y = (219 E'Y + 16) 2^(n-8),   C = (224 E'C + 128) 2^(n-8)
 *     full range:     Y = (2^n - 1) E'Y,            C = (2^n - 1) E'C + 2^(n-1)
 *
 * with E'Y 0..1 and E'C -0.5..0.5. On the way in chroma is interpolated (bicubic, a = -0.5) and RGB
 * clamped to 0..1, so codes beyond it, as the foot and headroom of the limited range, count as
 * black and white. On the way out chroma that lies on a pixel's place is half of it and a quarter
 * of each neighbour, chroma between two is their mean; beyond the picture its edge repeats. Codes
 * are rounded to nearest; as RGB is 0..1 they stay within 16..235 and 16..240 (times 2^(n-8)) in
 * the limited range. */
typedef struct pipersr_yuv_format {
    pipersr_yuv_sampling sampling;
    uint32_t bits; /* 8: bytes; 9..16: the low bits of uint16_t, host byte order */
    pipersr_yuv_matrix matrix;
    uint32_t full_range;       /* 0: limited ("tv"), 1: full ("pc") */
    pipersr_yuv_siting siting; /* of 4:2:0 and 4:2:2 */
} pipersr_yuv_format;

/* A view of planes that the caller owns. Planes that the sampling lacks are not looked at. */
typedef struct pipersr_yuv_frame {
    void *plane[3];            /* first sample of the top row; aligned to its sample type */
    ptrdiff_t stride_bytes[3]; /* from one row to the next; may be negative or padded */
    uint32_t width_px;         /* of luma; 1..1048576 */
    uint32_t height_px;        /* of luma; 1..INT32_MAX / 4 */
} pipersr_yuv_frame;

/* Gives the pixels whose alpha is 0 the colour of their nearest visible neighbours (up to 16 pixels
 * away), in place, so that colour hidden under full transparency cannot leak into visible edges
 * when the frame is enlarged (in bf16, what lies further away can still move a visible value by 1
 * of 255). Alpha and visible pixels are unchanged. A pixel's new colour depends only on the 16
 * pixels around it, so a caller that works in bands gets the same result from bands that overlap by
 * 16 rows. Frames without alpha are left alone. Allocates scratch of 17 bytes per pixel. Fails with
 * ERROR_ARGUMENT or ERROR_MEMORY. */
PIPERSR_API pipersr_status pipersr_bleed_transparent(const pipersr_frame *frame);

/* ---------------------------------------------------------------------------------- upscaler -- */

/* Arithmetic of the network. AUTO is the fastest on this CPU that loses at most 0.05 dB of PSNR
 * against FP32 by the model file's own figures (docs/model-format.md, "precision_loss_db"), and for
 * photos at least a 16-bit type; see pipersr_use and pipersr_precision_choose(). FP16 is kept for
 * later: ERROR_UNSUPPORTED. INT8 needs a model file that was calibrated. */
typedef enum pipersr_precision {
    PIPERSR_PRECISION_AUTO = 0,
    PIPERSR_PRECISION_FP32 = 1,
    PIPERSR_PRECISION_FP16 = 2,
    PIPERSR_PRECISION_BF16 = 3,
    PIPERSR_PRECISION_INT8 = 4
} pipersr_precision;

/* What an upscaler is for, which says what AUTO may choose: photos keep 16 bits or more, videos may
 * take INT8. */
typedef enum pipersr_use { PIPERSR_USE_PHOTO = 0, PIPERSR_USE_VIDEO = 1 } pipersr_use;

/* The built-in model that suits this use best: for videos the one trained on compressed video,
 * pipersr-x2-video, if it is there, else the default. Both have the same scale. Never NULL. */
PIPERSR_API const pipersr_built_in_model *pipersr_model_built_in_for(pipersr_use use);

/* The same where pictures are to be `scale` times as wide and high (0: as the model likes): for
 * photos the first built-in model of that scale, such as pipersr-x4; where there is none, and for
 * videos, pipersr_model_built_in_for()'s, whose scale may be another. Never NULL. */
PIPERSR_API const pipersr_built_in_model *pipersr_model_built_in_at(pipersr_use use,
                                                                    uint32_t scale);

/* Upper limit for the instruction set, for tests and comparisons. AUTO takes the best that both the
 * CPU and the operating system allow and that has the precision, or what the environment variable
 * PIPERSR_CPU names, if it is set. */
typedef enum pipersr_isa {
    PIPERSR_ISA_AUTO = 0,
    PIPERSR_ISA_C = 1,      /* portable C, the reference */
    PIPERSR_ISA_AVX2 = 2,   /* AVX2 and FMA */
    PIPERSR_ISA_AVX512 = 3, /* AVX-512 F, BW, DQ, VL */
    PIPERSR_ISA_NEON = 4,   /* 64-bit Arm */
    PIPERSR_ISA_AMX = 5     /* AMX's tiles beside AVX-512: bf16 and int8 only */
} pipersr_isa;

/* Name <-> value, as used on the command line ("auto", "fp32", "avx512", ...). The _name functions
 * return NULL for an unknown value, the _parse functions return ERROR_ARGUMENT for an unknown name.
 */
PIPERSR_API const char *pipersr_precision_name(pipersr_precision precision);
PIPERSR_API const char *pipersr_isa_name(pipersr_isa isa);
PIPERSR_API pipersr_status pipersr_precision_parse(const char *name, pipersr_precision *precision);
PIPERSR_API pipersr_status pipersr_isa_parse(const char *name, pipersr_isa *isa);

typedef struct pipersr_options {
    uint32_t threads; /* worker threads incl. the caller; 0: all CPUs allowed to us; max 1024 */
    pipersr_precision precision; /* see above */
    pipersr_isa isa;             /* see above */
    uint64_t memory_limit_bytes; /* upper bound of the upscaler's own memory; 0: none */
    uint32_t strip_width_px;     /* 0: from the cache size; else >= 8. Never changes the result */
    uint32_t band_height_px;     /* 0: automatic; else >= 8. Never changes the result */
    pipersr_use use;             /* see above */
} pipersr_options;

/* What AUTO stands for with this model, on this CPU. `reason` (NULL: not wanted) gets one line on
 * what was chosen and why faster ones were not, cut off at `reason_size` bytes. ERROR_ARGUMENT, or
 * ERROR_UNSUPPORTED where this CPU lacks the instruction set. */
PIPERSR_API pipersr_status pipersr_precision_choose(const pipersr_model *model, pipersr_use use,
                                                    pipersr_isa isa, pipersr_precision *precision,
                                                    char *reason, size_t reason_size);

/* All fields at their defaults (zero). */
PIPERSR_API pipersr_options pipersr_options_default(void);

/* Runs one model with one set of options. Owns worker threads and scratch memory, which it keeps
 * between frames: a second frame of the same size allocates nothing. */
typedef struct pipersr_upscaler pipersr_upscaler;

/* Fails with ERROR_UNSUPPORTED where the CPU or the build lacks the precision or instruction set,
 * ERROR_ARGUMENT for options out of range, ERROR_MEMORY. On failure *upscaler is NULL. */
PIPERSR_API pipersr_status pipersr_upscaler_create(const pipersr_model *model,
                                                   const pipersr_options *options,
                                                   pipersr_upscaler **upscaler,
                                                   pipersr_error *error);

/* Waits for the worker threads to end. NULL is allowed. */
PIPERSR_API void pipersr_upscaler_free(pipersr_upscaler *upscaler);

/* The message of the last failed call on this upscaler, "" if none failed. Valid until the next. */
PIPERSR_API const char *pipersr_upscaler_message(const pipersr_upscaler *upscaler);

typedef struct pipersr_upscaler_info {
    pipersr_precision precision; /* in use, never AUTO */
    pipersr_isa isa;             /* in use, never AUTO */
    uint32_t threads;            /* in use */
    uint32_t scale;
    uint64_t memory_bytes; /* held now */
    uint64_t allocations;  /* made since creation; constant from the second frame of a size */
} pipersr_upscaler_info;

PIPERSR_API void pipersr_upscaler_get_info(const pipersr_upscaler *upscaler,
                                           pipersr_upscaler_info *info);

/* Upscales a whole frame. `out` must be exactly scale times as wide and high as `in`, have the same
 * format, and not overlap it; only its pixels are written, never the padding between rows.
 * The result does not depend on threads, strips or bands. ERROR_CANCELLED, ERROR_MEMORY or
 * ERROR_ARGUMENT leave `out` undefined. */
PIPERSR_API pipersr_status pipersr_upscale(pipersr_upscaler *upscaler, const pipersr_frame *in,
                                           const pipersr_frame *out);

/* Most frames that one call of pipersr_upscale_frames() takes. */
enum { PIPERSR_MAX_FRAMES = 256 };

/* Upscales n_frames (1..PIPERSR_MAX_FRAMES) frames of one size and format at once, in[i] to out[i],
 * as pipersr_upscale() does each. For videos: where a single frame is too small to be shared out
 * among many threads without computing its parts' borders twice, each thread takes its own, and
 * nobody waits for the others before the last frame. The bytes are the same. */
PIPERSR_API pipersr_status pipersr_upscale_frames(pipersr_upscaler *upscaler,
                                                  const pipersr_frame *in, const pipersr_frame *out,
                                                  uint32_t n_frames);

/* How many frames of this size to give pipersr_upscale_frames(), or _yuv_frames(), for the most
 * frames per second: 1..PIPERSR_MAX_FRAMES; 1 for a size that it does not take. */
PIPERSR_API uint32_t pipersr_frames_at_once(const pipersr_upscaler *upscaler, uint32_t width_px,
                                            uint32_t height_px);

/* As pipersr_upscale(), for planar YUV, as video decoders give and encoders take it: the
 * conversions to RGB and back are done on rows that the network has at hand, so there is no pass
 * over the frame for them. `out` has the format of `in` and scale times its width and height, odd
 * sizes included; it must not overlap `in`; only its samples are written. Everything else is as for
 * pipersr_upscale(). */
PIPERSR_API pipersr_status pipersr_upscale_yuv(pipersr_upscaler *upscaler,
                                               const pipersr_yuv_format *format,
                                               const pipersr_yuv_frame *in,
                                               const pipersr_yuv_frame *out);

/* Several such frames of one size at once, as pipersr_upscale_frames(). */
PIPERSR_API pipersr_status pipersr_upscale_yuv_frames(pipersr_upscaler *upscaler,
                                                      const pipersr_yuv_format *format,
                                                      const pipersr_yuv_frame *in,
                                                      const pipersr_yuv_frame *out,
                                                      uint32_t n_frames);

/* Most frames before the first whose output can be copied: the period at which encoders usually
 * repeat their frame types, with which what stands still may alternate. */
enum { PIPERSR_MAX_BEFORE = 4 };

/* Frames of a video in their order, as pipersr_upscale_frames() does them; but where a part of a
 * frame, and all around it that its output depends on, is byte for byte what it was in one of the
 * PIPERSR_MAX_BEFORE frames before, that frame's output is copied. The bytes are the same as
 * without; a talk before a still background, a recording of a screen or a repeated frame takes a
 * fraction of the time.
 *
 * The frame before in[i] is in[i - 1]; before in[0] it is before_in[0], before that before_in[1]:
 * n_before (0..PIPERSR_MAX_BEFORE) frames, the latest first, of the same size and format, whose
 * outputs before_out[] were made by an upscaler with the same model and options. They are only
 * read; with 0, in[0] is the first and both may be NULL. *reused_px (NULL: not wanted) becomes the
 * number of input pixels whose output was copied. */
PIPERSR_API pipersr_status pipersr_upscale_next_frames(pipersr_upscaler *upscaler,
                                                       const pipersr_frame *in,
                                                       const pipersr_frame *out, uint32_t n_frames,
                                                       const pipersr_frame *before_in,
                                                       const pipersr_frame *before_out,
                                                       uint32_t n_before, uint64_t *reused_px);

/* The same for planar YUV. */
PIPERSR_API pipersr_status pipersr_upscale_next_yuv_frames(
    pipersr_upscaler *upscaler, const pipersr_yuv_format *format, const pipersr_yuv_frame *in,
    const pipersr_yuv_frame *out, uint32_t n_frames, const pipersr_yuv_frame *before_in,
    const pipersr_yuv_frame *before_out, uint32_t n_before, uint64_t *reused_px);

/* Rows in, rows out, for pictures of any height: memory grows with the width only (about 30 KiB per
 * pixel of width for the default model) and the result is the same bytes as pipersr_upscale().
 *
 *     pipersr_rows_begin(up, width, height, PIPERSR_RGB8);
 *     while (rows are left)
 *         pipersr_rows_push(up, rows, stride, n, out, out_stride, &n_out);   // n_out may be 0
 *
 * An output row needs the input down to model.radius_px rows below it, and comes out when at most
 * twice as many and one are pushed, or when all are: pipersr_rows_output() tells how many do.
 * Pushing many rows at once (16 and more) keeps the threads busy. */
PIPERSR_API pipersr_status pipersr_rows_begin(pipersr_upscaler *upscaler, uint32_t width_px,
                                              uint32_t height_px, pipersr_format format);

/* Number of output rows that a push of n_rows would give now; the room `out` must have. */
PIPERSR_API uint32_t pipersr_rows_output(const pipersr_upscaler *upscaler, uint32_t n_rows);

/* Takes the next n_rows >= 1 rows. `in` is read during the call only. More rows than begun with:
 * ERROR_ARGUMENT. Without a begun picture, or after a failed push: ERROR_STATE. */
PIPERSR_API pipersr_status pipersr_rows_push(pipersr_upscaler *upscaler, const void *in,
                                             ptrdiff_t in_stride_bytes, uint32_t n_rows, void *out,
                                             ptrdiff_t out_stride_bytes, uint32_t *n_out);

/* Makes the call in progress, and every later one, return ERROR_CANCELLED within a few
 * milliseconds. May be called from any thread and from a signal handler. */
PIPERSR_API void pipersr_cancel(pipersr_upscaler *upscaler);

/* ------------------------------------------------------------------------------- calibration -- */

/* Derives how int8 codes what each convolution reads, from frames like those that the model will
 * run on, rounds the weights for that so that they make up for each other's errors, and writes a
 * model file with both beside the weights, which stay as they are (docs/model-format.md). A model
 * file has to be calibrated once:
 *
 *     pipersr_calibrator_create(file, file_size, &calibrator, &error);
 *     for (each frame)
 *         pipersr_calibrator_add(calibrator, &frame, 1, &error);
 *     pipersr_calibrator_finish(calibrator, &new_file, &new_size, &error);
 *     pipersr_calibrator_free(calibrator);
 *     ...
 *     free(new_file);
 *
 * A calibrator is for one thread at a time and uses one. It holds about 32 KiB for each input
 * channel of the body, and for each of its layers 650 bytes times the square of its channels (56
 * MiB for the default model). */
typedef struct pipersr_calibrator pipersr_calibrator;

/* `model_data` is a model file in memory, with codings or without; it is copied. Fails as
 * pipersr_model_load_memory() does; then *calibrator is NULL. */
PIPERSR_API pipersr_status pipersr_calibrator_create(const void *model_data, size_t size_bytes,
                                                     pipersr_calibrator **calibrator,
                                                     pipersr_error *error);

/* Runs the network in fp32 over a frame of any size and format and counts what its convolutions
 * read; each pixel counts `weight` (1..65535) times. After frames of more weight, numbers further
 * than twice as far from 0 as these showed count as that far. Frames should be as small and as
 * sharp as those that will be enlarged. ERROR_ARGUMENT, ERROR_MEMORY, and ERROR_MODEL where a
 * number in the network becomes infinite; after a failure the calibrator is as before or, with
 * ERROR_MODEL, of no more use than to be freed. */
PIPERSR_API pipersr_status pipersr_calibrator_add(pipersr_calibrator *calibrator,
                                                  const pipersr_frame *frame, uint32_t weight,
                                                  pipersr_error *error);

/* Chooses the codings, rounds the weights and writes the model file: all tensors and metadata of
 * the original, what int8 needs added or replaced, without "precision_loss_db", which was of what
 * it replaces. *data is the caller's, to be freed with free(). More frames may follow, and another
 * finish. Before the first frame: ERROR_STATE. On failure *data is NULL. */
PIPERSR_API pipersr_status pipersr_calibrator_finish(const pipersr_calibrator *calibrator,
                                                     void **data, size_t *size_bytes,
                                                     pipersr_error *error);

/* NULL is allowed. */
PIPERSR_API void pipersr_calibrator_free(pipersr_calibrator *calibrator);

/* ----------------------------------------------------------------------------------- machine -- */

/* Writes the instruction sets in use on this machine ("avx2 fma avx512 ...", "neon dotprod ...") to
 * `text`, always terminated; returns the best pipersr_isa value this build can run here. */
PIPERSR_API pipersr_isa pipersr_cpu_describe(char *text, size_t size);

/* Number of CPUs this process may run on, at least 1. */
PIPERSR_API uint32_t pipersr_cpu_count(void);

/* Measures the arithmetic peak of `threads` cores for about 0.2 s with a loop of independent
 * multiply-adds of the given precision and instruction set (limits as for pipersr_options).
 * *gflops: 10^9 operations per second, a multiply-add counts as 2. */
PIPERSR_API pipersr_status pipersr_measure_peak(pipersr_precision precision, pipersr_isa isa,
                                                uint32_t threads, double *gflops);

#ifdef __cplusplus
}
#endif

#endif /* PIPERSR_H */
