/* SPDX-License-Identifier: MIT
 *
 * The least that is needed to read and write PPM pictures (P6, 8 bits a sample), shared by the
 * examples so that they can show the library and not a file format.
 */
#ifndef EXAMPLES_PPM_H
#define EXAMPLES_PPM_H

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Reads one number of a PPM header, 1..1000000, after any spaces and '#' comment lines. */
static bool ppm_read_number(FILE *file, uint32_t *number)
{
    int c = getc(file);
    bool comment = c == '#';
    while (comment || isspace(c)) {
        c = getc(file);
        if (c == EOF) {
            return false;
        }
        comment = c == '#' || (comment && c != '\n');
    }
    uint32_t value = 0;
    for (; isdigit(c) && value <= 1000000; c = getc(file)) {
        value = value * 10 + (uint32_t)(c - '0');
    }
    *number = value;
    return isspace(c) && value >= 1 && value <= 1000000;
}

/* Leaves the file at the first sample. Only 8-bit colour pictures pass. */
static bool ppm_read_header(FILE *file, uint32_t *width_px, uint32_t *height_px)
{
    uint32_t largest_sample;
    return getc(file) == 'P' && getc(file) == '6' && ppm_read_number(file, width_px) &&
           ppm_read_number(file, height_px) && ppm_read_number(file, &largest_sample) &&
           largest_sample == 255;
}

static bool ppm_write_header(FILE *file, uint32_t width_px, uint32_t height_px)
{
    return fprintf(file, "P6\n%u %u\n255\n", width_px, height_px) > 0;
}

#endif
