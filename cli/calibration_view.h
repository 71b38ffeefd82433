/* SPDX-License-Identifier: MIT
 *
 * What calibration sees of a photo.
 */
#ifndef CLI_CALIBRATION_VIEW_H
#define CLI_CALIBRATION_VIEW_H

#include <stdbool.h>

#include "pipersr.h"

/* Halves an RGB8 frame in place if `halved` and it is large enough, then narrows it down to its
 * middle, 256 x 256 pixels at most. frame->data may point into the pixels afterwards. */
void cli_calibration_view(pipersr_frame *frame, bool halved);

#endif
