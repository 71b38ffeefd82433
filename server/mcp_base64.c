/* SPDX-License-Identifier: MIT */
#include "server/mcp_base64.h"

#include <stdint.h>
#include <stdlib.h>

char *mcp_base64(const unsigned char *bytes, size_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = size < SIZE_MAX / 4 ? malloc((size + 2) / 3 * 4 + 1) : NULL;
    char *end = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        const uint32_t second = i + 1 < size ? bytes[i + 1] : 0,
                       third = i + 2 < size ? bytes[i + 2] : 0;
        const uint32_t bits = (uint32_t)bytes[i] << 16 | second << 8 | third;
        *end++ = letters[bits >> 18];
        *end++ = letters[bits >> 12 & 63];
        *end++ = i + 1 < size ? letters[bits >> 6 & 63] : '=';
        *end++ = i + 2 < size ? letters[bits & 63] : '=';
    }
    *end = '\0';
    return text;
}
