/* SPDX-License-Identifier: MIT
 *
 * What a picture says about itself, made true for the upscaled one.
 */
#ifndef MEDIA_IMAGE_METADATA_H
#define MEDIA_IMAGE_METADATA_H

#include <stdbool.h>
#include <stdint.h>
#include <vips/vips.h>

/* `image` must be a copy of the caller's own, upscaled. Corrects the pixel sizes in EXIF, drops the
 * embedded thumbnail and the palette and depth of the source file, resets the orientation in XMP
 * (EXIF's is libvips' business), and gives a picture without a resolution the usual 72 dpi. With
 * `strip`, everything but the resolution and the timing of an animation goes. */
void media_image_settle_metadata(VipsImage *image, uint32_t pages, bool strip);

/* Has it an ICC profile, EXIF, XMP, IPTC or a resolution other than the usual? If not, there is
 * nothing for an EXIF block to say. */
bool media_image_is_described(VipsImage *image);

#endif
