/* SPDX-License-Identifier: MIT */
#include "media/image.h"

#include "media/image_load.h"

enum media_status media_image_measure(const char *path, struct media_image_size *size,
                                      struct media_error *error)
{
    struct media_image_input input;
    enum media_status status =
        media_image_open_as_stored(path, MEDIA_IMAGE_SINGLE, UINT64_MAX, NULL, &input, error);
    if (status != MEDIA_OK)
        return status;
    int pages =
        input.format->paging == MEDIA_IMAGE_SINGLE ? 1 : vips_image_get_n_pages(input.image);
    const uint32_t width_px = (uint32_t)vips_image_get_width(input.image);
    const bool on_its_side = vips_image_get_orientation(input.image) >= 5;
    *size = (struct media_image_size){
        .width_px = on_its_side ? input.page_height_px : width_px,
        .height_px = on_its_side ? width_px : input.page_height_px,
        .pages = pages > 1 ? (uint32_t)pages : 1,
    };
    media_image_close(&input);
    return MEDIA_OK;
}
