/* SPDX-License-Identifier: MIT
 *
 * Text of unknown origin as JSON.
 */
#ifndef CLI_JSON_TEXT_H
#define CLI_JSON_TEXT_H

#include <jansson.h>
#include <stdio.h>

/* `text` as a JSON string; file names need not be UTF-8: each byte that is not becomes U+FFFD. NULL
 * gives JSON null. Returns a new reference, or NULL where memory runs out. */
json_t *cli_json_text(const char *text);

/* `value` as a number, or JSON null for infinity and NaN, which JSON does not have. */
json_t *cli_json_number(double value);

/* Prints `object` as one line, then drops the reference. NULL prints nothing. */
void cli_json_print(json_t *object, FILE *stream);

#endif
