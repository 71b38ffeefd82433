/* SPDX-License-Identifier: MIT
 *
 * Small made-up pictures of what photos seldom have: the hardest edges there can be, text, noise,
 * flat colour. Calibration adds them so that int8 does not clip what only such pictures drive the
 * network to.
 */
#ifndef CLI_SYNTHETIC_PICTURES_H
#define CLI_SYNTHETIC_PICTURES_H

#include <stdint.h>

enum { CLI_SYNTHETIC_PICTURES = 16, CLI_SYNTHETIC_PX = 64 };

/* Draws picture 0 .. CLI_SYNTHETIC_PICTURES - 1, the same on every machine, in RGB of
 * CLI_SYNTHETIC_PX x CLI_SYNTHETIC_PX pixels. */
void cli_synthetic_picture(unsigned index, uint8_t *rgb);

#endif
