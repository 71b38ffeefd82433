/* SPDX-License-Identifier: MIT
 *
 * Which decoded samples the library takes as planes, and what it is told about them.
 */
#include <string.h>

#include <libavutil/pixdesc.h>

#include "check.h"
#include "media/video_planar.h"

static struct media_samples samples_of(enum AVPixelFormat format)
{
    return (struct media_samples){.format = format,
                                  .width_px = 64,
                                  .height_px = 48,
                                  .matrix = AVCOL_SPC_BT709,
                                  .chroma_location = AVCHROMA_LOC_UNSPECIFIED};
}

static void test_formats(void)
{
    static const struct {
        enum AVPixelFormat format;
        pipersr_yuv_sampling sampling;
        uint32_t bits;
    } known[] = {
        {AV_PIX_FMT_YUV420P, PIPERSR_YUV_420, 8},    {AV_PIX_FMT_YUV422P, PIPERSR_YUV_422, 8},
        {AV_PIX_FMT_YUV444P, PIPERSR_YUV_444, 8},    {AV_PIX_FMT_GRAY8, PIPERSR_YUV_400, 8},
        {AV_PIX_FMT_YUV420P9, PIPERSR_YUV_420, 9},   {AV_PIX_FMT_YUV420P10, PIPERSR_YUV_420, 10},
        {AV_PIX_FMT_YUV422P10, PIPERSR_YUV_422, 10}, {AV_PIX_FMT_YUV444P12, PIPERSR_YUV_444, 12},
        {AV_PIX_FMT_YUV420P16, PIPERSR_YUV_420, 16}, {AV_PIX_FMT_GRAY10, PIPERSR_YUV_400, 10},
        {AV_PIX_FMT_GRAY16, PIPERSR_YUV_400, 16},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const struct media_samples samples = samples_of(known[i].format);
        pipersr_yuv_format format;
        const char *name = av_get_pix_fmt_name(known[i].format);
        CHECK(media_planar_describe(&samples, &format), "%s is not taken", name);
        CHECK(format.sampling == known[i].sampling && format.bits == known[i].bits &&
                  format.matrix == PIPERSR_YUV_BT709 && !format.full_range &&
                  format.siting == PIPERSR_YUV_LEFT,
              "%s is taken for something else", name);
    }
    static const enum AVPixelFormat others[] = {
        AV_PIX_FMT_NV12,
        AV_PIX_FMT_P010,
        AV_PIX_FMT_YUYV422,
        AV_PIX_FMT_YUVA420P,
        AV_PIX_FMT_YUV440P,
        AV_PIX_FMT_YUV411P,
        AV_PIX_FMT_YUV410P,
        AV_PIX_FMT_GBRP,
        AV_PIX_FMT_RGB24,
        AV_PIX_FMT_RGB48,
        AV_PIX_FMT_PAL8,
        AV_PIX_FMT_YA8,
        AV_PIX_FMT_MONOWHITE,
        AV_PIX_FMT_GRAYF32,
        AV_PIX_FMT_XYZ12,
        AV_PIX_FMT_BAYER_BGGR8,
        AV_PIX_FMT_VAAPI,
        AV_PIX_FMT_UYYVYY411,
        AV_PIX_FMT_GBRAP10,
        AV_PIX_FMT_NV24,
        AV_PIX_FMT_YUV420P10 == AV_PIX_FMT_YUV420P10LE ? AV_PIX_FMT_YUV420P10BE
                                                       : AV_PIX_FMT_YUV420P10LE,
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct media_samples samples = samples_of(others[i]);
        pipersr_yuv_format format;
        CHECK(!media_planar_describe(&samples, &format), "%s is taken",
              av_get_pix_fmt_name(others[i]));
    }
}

static void test_matrices(void)
{
    static const struct {
        enum AVColorSpace matrix;
        bool taken;
        pipersr_yuv_matrix as;
    } cases[] = {
        {AVCOL_SPC_BT709, true, PIPERSR_YUV_BT709},
        {AVCOL_SPC_BT470BG, true, PIPERSR_YUV_BT601},
        {AVCOL_SPC_SMPTE170M, true, PIPERSR_YUV_BT601},
        {AVCOL_SPC_BT2020_NCL, true, PIPERSR_YUV_BT2020},
        {.matrix = AVCOL_SPC_FCC},
        {.matrix = AVCOL_SPC_SMPTE240M},
        {.matrix = AVCOL_SPC_BT2020_CL},
        {.matrix = AVCOL_SPC_UNSPECIFIED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct media_samples samples = samples_of(AV_PIX_FMT_YUV420P);
        samples.matrix = cases[i].matrix;
        samples.full_range = i % 2;
        pipersr_yuv_format format;
        const bool taken = media_planar_describe(&samples, &format);
        CHECK(taken == cases[i].taken &&
                  (!taken || (format.matrix == cases[i].as && format.full_range == i % 2)),
              "matrix %s", av_color_space_name(cases[i].matrix));
    }
}

static void test_sitings(void)
{
    static const struct {
        enum AVChromaLocation location;
        int of_420, of_422; /* a pipersr_yuv_siting; -1: not taken */
    } cases[] = {
        {AVCHROMA_LOC_UNSPECIFIED, PIPERSR_YUV_LEFT, PIPERSR_YUV_LEFT},
        {AVCHROMA_LOC_LEFT, PIPERSR_YUV_LEFT, PIPERSR_YUV_LEFT},
        {AVCHROMA_LOC_CENTER, PIPERSR_YUV_CENTRE, PIPERSR_YUV_CENTRE},
        {AVCHROMA_LOC_TOPLEFT, PIPERSR_YUV_TOP_LEFT, PIPERSR_YUV_TOP_LEFT},
        {AVCHROMA_LOC_TOP, -1, PIPERSR_YUV_CENTRE},
        {AVCHROMA_LOC_BOTTOMLEFT, -1, PIPERSR_YUV_LEFT},
        {AVCHROMA_LOC_BOTTOM, -1, PIPERSR_YUV_CENTRE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int half_height = 0; half_height < 2; half_height++) {
            struct media_samples samples =
                samples_of(half_height ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_YUV422P);
            samples.chroma_location = cases[i].location;
            pipersr_yuv_format format;
            const int expected = half_height ? cases[i].of_420 : cases[i].of_422;
            const bool taken = media_planar_describe(&samples, &format);
            CHECK(taken ? (int)format.siting == expected : expected < 0, "%s",
                  av_chroma_location_name(cases[i].location));
        }
    }
}

int main(void)
{
    test_formats();
    test_matrices();
    test_sitings();
    return check_result();
}
