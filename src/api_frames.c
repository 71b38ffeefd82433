/* SPDX-License-Identifier: MIT
 *
 * The public functions that take whole frames: checks what the caller gives and hands it to the
 * engine.
 */
#include <inttypes.h>

#include "src/error.h"
#include "src/upscaler.h"

/* Both frames of a pair, and that they are of the first pair's size and format. */
static pipersr_status check_frames(const pipersr_frame *in, const pipersr_frame *out,
                                   const pipersr_frame *first, const struct psr_picture *picture,
                                   uint32_t scale, pipersr_error *error)
{
    if (in->format != first->format || in->width_px != first->width_px ||
        in->height_px != first->height_px)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "frames that are upscaled together must be of one size and format");
    if (out->format != in->format || out->width_px != in->width_px * scale ||
        out->height_px != in->height_px * scale)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "the output frame must be %" PRIu32 " x %" PRIu32
                        " pixels in the input's format",
                        in->width_px * scale, in->height_px * scale);
    pipersr_status status = psr_check_rows(in->data, in->stride_bytes, in->width_px, in->height_px,
                                           &picture->format, "input", error);
    if (!status)
        status = psr_check_rows(out->data, out->stride_bytes, out->width_px, out->height_px,
                                &picture->format, "output", error);
    return status;
}

pipersr_status pipersr_upscale(pipersr_upscaler *upscaler, const pipersr_frame *in,
                               const pipersr_frame *out)
{
    return pipersr_upscale_frames(upscaler, in, out, 1);
}

/* Frames and those before. */
enum { MOST_FRAMES = PIPERSR_MAX_FRAMES + PIPERSR_MAX_BEFORE };

/* Interleaved frames, checked, as the engine takes them; behind them those before. */
struct frames_call {
    struct psr_picture picture;
    struct psr_rows in[MOST_FRAMES], out[MOST_FRAMES];
};

static pipersr_status add_frames(struct frames_call *call, size_t at, const pipersr_frame *in,
                                 const pipersr_frame *out, const pipersr_frame *first,
                                 pipersr_upscaler *upscaler)
{
    call->in[at] = (struct psr_rows){in->data, in->stride_bytes, 0};
    call->out[at] = (struct psr_rows){out->data, out->stride_bytes, 0};
    return check_frames(in, out, first, &call->picture, upscaler->engine.network.scale,
                        &upscaler->error);
}

static pipersr_status check_count(const void *in, const void *out, uint32_t n_frames,
                                  pipersr_error *error)
{
    if (!in || !out)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no input or output frame was given");
    if (n_frames < 1 || n_frames > PIPERSR_MAX_FRAMES)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "frames at once must be 1 to %d",
                        PIPERSR_MAX_FRAMES);
    return PIPERSR_OK;
}

static pipersr_status take_frames(struct frames_call *call, pipersr_upscaler *upscaler,
                                  const pipersr_frame *in, const pipersr_frame *out,
                                  uint32_t n_frames)
{
    pipersr_status status = check_count(in, out, n_frames, &upscaler->error);
    if (status)
        return status;
    call->picture = (struct psr_picture){.width = in->width_px, .height = in->height_px};
    status = psr_check_size_and_format(in->width_px, in->height_px, in->format,
                                       &call->picture.format, &upscaler->error);
    for (uint32_t i = 0; !status && i < n_frames; i++)
        status = add_frames(call, i, &in[i], &out[i], in, upscaler);
    return status;
}

pipersr_status pipersr_upscale_frames(pipersr_upscaler *upscaler, const pipersr_frame *in,
                                      const pipersr_frame *out, uint32_t n_frames)
{
    struct frames_call call;
    if (!upscaler)
        return PIPERSR_ERROR_ARGUMENT;
    const pipersr_status status = take_frames(&call, upscaler, in, out, n_frames);
    if (status)
        return status;
    return psr_engine_run_frames(&upscaler->engine, &call.picture, n_frames, call.in, call.out,
                                 &upscaler->error);
}

/* The frames before are there with their outputs, or neither are. */
static pipersr_status check_before(const void *in, const void *out, uint32_t n,
                                   pipersr_error *error)
{
    if (n > PIPERSR_MAX_BEFORE)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "frames before must be 0 to %d",
                        PIPERSR_MAX_BEFORE);
    if (n > 0 && (!in || !out))
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "a frame before was given without its output, or the reverse");
    return PIPERSR_OK;
}

pipersr_status pipersr_upscale_next_frames(pipersr_upscaler *upscaler, const pipersr_frame *in,
                                           const pipersr_frame *out, uint32_t n_frames,
                                           const pipersr_frame *before_in,
                                           const pipersr_frame *before_out, uint32_t n_before,
                                           uint64_t *reused_px)
{
    struct frames_call call;
    uint64_t unwanted;
    if (!upscaler)
        return PIPERSR_ERROR_ARGUMENT;
    pipersr_error *error = &upscaler->error;
    pipersr_status status = check_before(before_in, before_out, n_before, error);
    if (!status)
        status = take_frames(&call, upscaler, in, out, n_frames);
    for (uint32_t i = 0; !status && i < n_before; i++)
        status = add_frames(&call, n_frames + i, &before_in[i], &before_out[i], in, upscaler);
    if (status)
        return status;
    const struct psr_frames_before before = {n_before, &call.in[n_frames], &call.out[n_frames]};
    return psr_engine_run_next_frames(&upscaler->engine, &call.picture, n_frames, call.in, call.out,
                                      &before, reused_px ? reused_px : &unwanted, error);
}

/* The same for planar frames. */
static pipersr_status check_yuv_frames(const pipersr_yuv_frame *in, const pipersr_yuv_frame *out,
                                       const struct psr_picture *picture, uint32_t scale,
                                       pipersr_error *error)
{
    if (in->width_px != picture->width || in->height_px != picture->height)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "frames that are upscaled together must be of one size");
    if (out->width_px != in->width_px * scale || out->height_px != in->height_px * scale)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "the output frame must be %" PRIu32 " x %" PRIu32 " pixels",
                        in->width_px * scale, in->height_px * scale);
    pipersr_status status = psr_yuv_check_frame(in, &picture->yuv, "input", error);
    if (!status)
        status = psr_yuv_check_frame(out, &picture->yuv, "output", error);
    return status;
}

pipersr_status pipersr_upscale_yuv(pipersr_upscaler *upscaler, const pipersr_yuv_format *format,
                                   const pipersr_yuv_frame *in, const pipersr_yuv_frame *out)
{
    return pipersr_upscale_yuv_frames(upscaler, format, in, out, 1);
}

struct yuv_call {
    struct psr_picture picture;
    struct psr_rows in[MOST_FRAMES * PSR_PLANES];
    struct psr_rows out[MOST_FRAMES * PSR_PLANES];
};

static pipersr_status add_yuv_frames(struct yuv_call *call, size_t at, const pipersr_yuv_frame *in,
                                     const pipersr_yuv_frame *out, pipersr_upscaler *upscaler)
{
    psr_yuv_planes(in, &call->in[at * PSR_PLANES]);
    psr_yuv_planes(out, &call->out[at * PSR_PLANES]);
    return check_yuv_frames(in, out, &call->picture, upscaler->engine.network.scale,
                            &upscaler->error);
}

static pipersr_status take_yuv_frames(struct yuv_call *call, pipersr_upscaler *upscaler,
                                      const pipersr_yuv_format *format, const pipersr_yuv_frame *in,
                                      const pipersr_yuv_frame *out, uint32_t n_frames)
{
    pipersr_error *error = &upscaler->error;
    if (!format)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no format was given");
    pipersr_status status = check_count(in, out, n_frames, error);
    if (status)
        return status;
    call->picture =
        (struct psr_picture){.width = in->width_px, .height = in->height_px, .planar = true};
    status = psr_yuv_describe(format, &call->picture.yuv, error);
    if (!status)
        status = psr_check_size(in->width_px, in->height_px, error);
    for (uint32_t i = 0; !status && i < n_frames; i++)
        status = add_yuv_frames(call, i, &in[i], &out[i], upscaler);
    return status;
}

pipersr_status pipersr_upscale_yuv_frames(pipersr_upscaler *upscaler,
                                          const pipersr_yuv_format *format,
                                          const pipersr_yuv_frame *in, const pipersr_yuv_frame *out,
                                          uint32_t n_frames)
{
    struct yuv_call call;
    if (!upscaler)
        return PIPERSR_ERROR_ARGUMENT;
    const pipersr_status status = take_yuv_frames(&call, upscaler, format, in, out, n_frames);
    if (status)
        return status;
    return psr_engine_run_frames(&upscaler->engine, &call.picture, n_frames, call.in, call.out,
                                 &upscaler->error);
}

pipersr_status pipersr_upscale_next_yuv_frames(
    pipersr_upscaler *upscaler, const pipersr_yuv_format *format, const pipersr_yuv_frame *in,
    const pipersr_yuv_frame *out, uint32_t n_frames, const pipersr_yuv_frame *before_in,
    const pipersr_yuv_frame *before_out, uint32_t n_before, uint64_t *reused_px)
{
    struct yuv_call call;
    uint64_t unwanted;
    if (!upscaler)
        return PIPERSR_ERROR_ARGUMENT;
    pipersr_error *error = &upscaler->error;
    pipersr_status status = check_before(before_in, before_out, n_before, error);
    if (!status)
        status = take_yuv_frames(&call, upscaler, format, in, out, n_frames);
    for (uint32_t i = 0; !status && i < n_before; i++)
        status = add_yuv_frames(&call, n_frames + i, &before_in[i], &before_out[i], upscaler);
    if (status)
        return status;
    const size_t behind = (size_t)n_frames * PSR_PLANES;
    const struct psr_frames_before before = {n_before, &call.in[behind], &call.out[behind]};
    return psr_engine_run_next_frames(&upscaler->engine, &call.picture, n_frames, call.in, call.out,
                                      &before, reused_px ? reused_px : &unwanted, error);
}
