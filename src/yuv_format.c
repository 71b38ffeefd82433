/* SPDX-License-Identifier: MIT */
#include "src/yuv_format.h"

#include <inttypes.h>
#include <math.h>

#include "src/error.h"

enum { MIN_BITS = 8, MAX_BITS = 16 };

/* Indexed by pipersr_yuv_matrix. */
static const struct {
    double kr, kb;
} matrices[] = {
    [PIPERSR_YUV_BT601] = {0.299, 0.114},
    [PIPERSR_YUV_BT709] = {0.2126, 0.0722},
    [PIPERSR_YUV_BT2020] = {0.2627, 0.0593},
};

enum { N_MATRICES = sizeof matrices / sizeof *matrices };

static void describe_codes(const pipersr_yuv_format *format, struct psr_yuv *yuv)
{
    const double codes = (double)(1u << format->bits), unit = codes / 256;
    yuv->sample_bytes = format->bits > 8 ? 2 : 1;
    yuv->highest_code = (float)(codes - 1);
    yuv->luma_step = (float)(format->full_range ? codes - 1 : 219 * unit);
    yuv->luma_zero = (float)(format->full_range ? 0 : 16 * unit);
    yuv->chroma_step = (float)(format->full_range ? codes - 1 : 224 * unit);
    yuv->chroma_zero = (float)(codes / 2);
}

static void describe_matrix(pipersr_yuv_matrix matrix, struct psr_yuv *yuv)
{
    const double kr = matrices[matrix].kr, kb = matrices[matrix].kb, kg = 1 - kr - kb;
    yuv->kr = (float)kr;
    yuv->kg = (float)kg;
    yuv->kb = (float)kb;
    yuv->cb_of_blue = (float)(0.5 / (1 - kb));
    yuv->cr_of_red = (float)(0.5 / (1 - kr));
    yuv->blue_of_cb = (float)(2 * (1 - kb));
    yuv->red_of_cr = (float)(2 * (1 - kr));
    yuv->green_of_cb = (float)(-2 * (1 - kb) * kb / kg);
    yuv->green_of_cr = (float)(-2 * (1 - kr) * kr / kg);
}

/* Keys' bicubic weights, half a chroma sample apart where they lie on luma samples. */
static void describe_axis(bool cosited, struct psr_yuv_axis *axis)
{
    static const float on_the_sample[4] = {0, 1, 0, 0};
    static const float between[4] = {-0.0625f, 0.5625f, 0.5625f, -0.0625f};
    for (uint32_t phase = 0; phase < 2; phase++) {
        axis->base[phase] = cosited ? 0 : psr_bicubic_taps(2, phase, axis->weight[phase]);
        for (int tap = 0; cosited && tap < 4; tap++)
            axis->weight[phase][tap] = phase ? between[tap] : on_the_sample[tap];
    }
}

pipersr_status psr_yuv_describe(const pipersr_yuv_format *format, struct psr_yuv *yuv,
                                pipersr_error *error)
{
    if ((unsigned)format->sampling > PIPERSR_YUV_444 || (unsigned)format->matrix >= N_MATRICES ||
        (unsigned)format->siting > PIPERSR_YUV_TOP_LEFT || format->full_range > 1)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "unknown YUV sampling, matrix, range or chroma siting");
    if (format->bits < MIN_BITS || format->bits > MAX_BITS)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "YUV samples of %" PRIu32 " bits are out of range (%d to %d)", format->bits,
                        MIN_BITS, MAX_BITS);
    *yuv = (struct psr_yuv){
        .gray = format->sampling == PIPERSR_YUV_400,
        .x_shift = format->sampling == PIPERSR_YUV_420 || format->sampling == PIPERSR_YUV_422,
        .y_shift = format->sampling == PIPERSR_YUV_420,
        .x_cosited = format->siting != PIPERSR_YUV_CENTRE,
        .y_cosited = format->siting == PIPERSR_YUV_TOP_LEFT,
    };
    describe_codes(format, yuv);
    describe_matrix(format->matrix, yuv);
    describe_axis(yuv->x_cosited, &yuv->x);
    describe_axis(yuv->y_cosited, &yuv->y);
    return PIPERSR_OK;
}

static pipersr_status check_plane(const pipersr_yuv_frame *frame, int plane,
                                  const struct psr_yuv *yuv, const char *which,
                                  pipersr_error *error)
{
    const uint32_t x_shift = plane ? yuv->x_shift : 0, y_shift = plane ? yuv->y_shift : 0;
    const size_t width = ((size_t)frame->width_px + x_shift) >> x_shift;
    const uint32_t rows = (frame->height_px + y_shift) >> y_shift;
    const size_t row_bytes = width * yuv->sample_bytes;
    const ptrdiff_t stride = frame->stride_bytes[plane];
    const size_t step = stride < 0 ? (size_t)0 - (size_t)stride : (size_t)stride;
    if (!frame->plane[plane])
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "plane %d of the %s is missing (NULL)",
                        plane, which);
    if (rows > 1 && step < row_bytes)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "the stride of the %s's plane %d, %td bytes, is shorter than a row of %zu",
                        which, plane, stride, row_bytes);
    if ((uintptr_t)frame->plane[plane] % yuv->sample_bytes || step % yuv->sample_bytes)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT,
                        "the %s's plane %d or its stride is not aligned to samples of %" PRIu32
                        " bytes",
                        which, plane, yuv->sample_bytes);
    return PIPERSR_OK;
}

pipersr_status psr_yuv_check_frame(const pipersr_yuv_frame *frame, const struct psr_yuv *yuv,
                                   const char *which, pipersr_error *error)
{
    for (int plane = 0; plane < (yuv->gray ? 1 : PSR_PLANES); plane++) {
        const pipersr_status status = check_plane(frame, plane, yuv, which, error);
        if (status)
            return status;
    }
    return PIPERSR_OK;
}

void psr_yuv_planes(const pipersr_yuv_frame *frame, struct psr_rows planes[PSR_PLANES])
{
    for (int i = 0; i < PSR_PLANES; i++)
        planes[i] = (struct psr_rows){frame->plane[i], frame->stride_bytes[i], 0};
}

uint32_t psr_yuv_surround_px(const struct psr_yuv *yuv)
{
    return yuv->x_shift && yuv->x_cosited;
}

uint32_t psr_yuv_surround_rows(const struct psr_yuv *yuv)
{
    return yuv->y_shift && yuv->y_cosited;
}

void psr_yuv_read_surround(const struct psr_yuv *yuv, uint32_t *px, uint32_t *rows)
{
    /* Samples base - 1 .. base + 2 of pixel 2 c or 2 c + 1, base being c - 1 or c, stand for the
     * pixels 2 c - 4 .. 2 c + 5. */
    const uint32_t most = 5;
    *px = yuv->x_shift ? most : 0;
    *rows = yuv->y_shift ? most : 0;
}
