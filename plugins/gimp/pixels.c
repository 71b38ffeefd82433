/* SPDX-License-Identifier: MIT */
#include "pixels.h"

#include <string.h>

/* Rows of one push: enough to keep the threads busy, few enough for a progress bar that moves. */
enum { BAND_ROWS = 64 };

/* Hidden colour is replaced by what lies up to this far around (pipersr_bleed_transparent()). */
enum { BLEED_ROWS = 16 };

enum depth { DEPTH_8, DEPTH_16, DEPTH_FLOAT };

static enum depth depth_of(const Babl *layer_format)
{
    const char *encoding = babl_format_get_encoding(layer_format);
    if (!strstr(encoding, "'"))
        return DEPTH_FLOAT;
    const Babl *type = babl_format_get_type(layer_format, 0);
    return type == babl_type("u8") ? DEPTH_8 : type == babl_type("u16") ? DEPTH_16 : DEPTH_FLOAT;
}

struct pixels_format pixels_format_of(const Babl *layer_format, gboolean is_gray,
                                      gboolean has_alpha)
{
    static const struct {
        pipersr_format library;
        const char *babl;
    } formats[][2][2] = {
        [DEPTH_8] = {{{PIPERSR_RGB8, "R'G'B' u8"}, {PIPERSR_RGBA8, "R'G'B'A u8"}},
                     {{PIPERSR_GRAY8, "Y' u8"}, {PIPERSR_GRAYA8, "Y'A u8"}}},
        [DEPTH_16] = {{{PIPERSR_RGB16, "R'G'B' u16"}, {PIPERSR_RGBA16, "R'G'B'A u16"}},
                      {{PIPERSR_GRAY16, "Y' u16"}, {PIPERSR_GRAYA16, "Y'A u16"}}},
        [DEPTH_FLOAT] = {{{PIPERSR_RGBF32, "R'G'B' float"}, {PIPERSR_RGBAF32, "R'G'B'A float"}},
                         {{PIPERSR_GRAYF32, "Y' float"}, {PIPERSR_GRAYAF32, "Y'A float"}}},
    };
    const enum depth depth = depth_of(layer_format);
    return (struct pixels_format){
        .library = formats[depth][!!is_gray][!!has_alpha].library,
        .babl = babl_format_with_space(formats[depth][!!is_gray][!!has_alpha].babl, layer_format),
    };
}

/* Rows of a layer on their way in, with those around them that bleeding looks at. */
struct band {
    GeglBuffer *source;
    const struct pixels_format *format;
    size_t row_bytes;
    guchar *rows;
    guint margin; /* rows before and behind that are read along */
};

/* The address of row y, which with the n - 1 after it is now in the band. */
static pipersr_status band_read(struct band *band, gint y, gint n, const guchar **rows)
{
    const GeglRectangle *extent = gegl_buffer_get_extent(band->source);
    const gint first = MAX(0, y - (gint)band->margin);
    const gint end = MIN(extent->height, y + n + (gint)band->margin);
    gegl_buffer_get(band->source,
                    GEGL_RECTANGLE(extent->x, extent->y + first, extent->width, end - first), 1.0,
                    band->format->babl, band->rows, (gint)band->row_bytes, GEGL_ABYSS_NONE);
    *rows = band->rows + (size_t)(y - first) * band->row_bytes;
    if (band->margin == 0)
        return PIPERSR_OK;
    const pipersr_frame frame = {band->rows, (ptrdiff_t)band->row_bytes, (uint32_t)extent->width,
                                 (uint32_t)(end - first), band->format->library};
    return pipersr_bleed_transparent(&frame);
}

/* Room for n rows of what comes out, kept from push to push. */
static gboolean grow(guchar **rows, size_t *bytes, size_t needed)
{
    if (needed <= *bytes)
        return TRUE;
    g_free(*rows);
    *rows = g_try_malloc(needed);
    *bytes = *rows ? needed : 0;
    return *rows != NULL;
}

static pipersr_status push_all(pipersr_upscaler *upscaler, struct band *band, GeglBuffer *out,
                               pixels_progress progress, void *user_data)
{
    const gint width = gegl_buffer_get_width(band->source);
    const gint height = gegl_buffer_get_height(band->source);
    const gint out_width = gegl_buffer_get_width(out);
    const size_t out_row_bytes = band->row_bytes / (size_t)width * (size_t)out_width;
    guchar *out_rows = NULL;
    size_t out_bytes = 0;
    gint out_y = 0;
    pipersr_status status =
        pipersr_rows_begin(upscaler, (uint32_t)width, (uint32_t)height, band->format->library);
    for (gint y = 0; y < height && status == PIPERSR_OK; y += BAND_ROWS) {
        const gint n = MIN(BAND_ROWS, height - y);
        const guchar *rows;
        status = band_read(band, y, n, &rows);
        if (status != PIPERSR_OK)
            break;
        uint32_t n_out = pipersr_rows_output(upscaler, (uint32_t)n);
        if (!grow(&out_rows, &out_bytes, MAX(n_out, 1) * out_row_bytes)) {
            status = PIPERSR_ERROR_MEMORY;
            break;
        }
        status = pipersr_rows_push(upscaler, rows, (ptrdiff_t)band->row_bytes, (uint32_t)n,
                                   out_rows, (ptrdiff_t)out_row_bytes, &n_out);
        if (status == PIPERSR_OK && n_out > 0)
            gegl_buffer_set(out, GEGL_RECTANGLE(0, out_y, out_width, (gint)n_out), 0,
                            band->format->babl, out_rows, (gint)out_row_bytes);
        out_y += (gint)n_out;
        progress(user_data, (gdouble)width * n);
    }
    g_free(out_rows);
    return status;
}

GeglBuffer *pixels_upscale(pipersr_upscaler *upscaler, GeglBuffer *in,
                           const struct pixels_format *format, pixels_progress progress,
                           void *user_data, pipersr_error *error)
{
    const gint width = gegl_buffer_get_width(in), height = gegl_buffer_get_height(in);
    pipersr_upscaler_info info;
    pipersr_upscaler_get_info(upscaler, &info);
    const gboolean has_alpha = babl_format_has_alpha(format->babl);
    struct band band = {
        .source = in,
        .format = format,
        .row_bytes = (size_t)width * pipersr_format_pixel_bytes(format->library),
        .margin = has_alpha ? BLEED_ROWS : 0,
    };
    band.rows = g_try_malloc(band.row_bytes * (BAND_ROWS + 2 * band.margin));
    GeglBuffer *out = gegl_buffer_new(
        GEGL_RECTANGLE(0, 0, width * (gint)info.scale, height * (gint)info.scale), format->babl);
    const pipersr_status status =
        band.rows ? push_all(upscaler, &band, out, progress, user_data) : PIPERSR_ERROR_MEMORY;
    g_free(band.rows);
    if (status == PIPERSR_OK)
        return out;
    const char *message = pipersr_upscaler_message(upscaler);
    g_snprintf(error->message, sizeof error->message, "%s",
               *message ? message : pipersr_status_name(status));
    g_object_unref(out);
    return NULL;
}
