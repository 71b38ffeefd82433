/* SPDX-License-Identifier: MIT
 *
 * Decoded pixels set aside, for a picture whose rows are needed in another order than they come.
 */
#ifndef MEDIA_IMAGE_SPOOL_H
#define MEDIA_IMAGE_SPOOL_H

#include <vips/vips.h>

/* Reads all of `in`, top to bottom, and makes *out the same picture with its metadata, readable in
 * any order: small pictures in memory, larger ones in a nameless temporary file in $TMPDIR (or
 * /tmp), read by small pieces so that memory does not grow with the picture. Returns 0, or -1 with
 * libvips' error text. */
int media_image_spool(VipsImage *in, VipsImage **out);

#endif
