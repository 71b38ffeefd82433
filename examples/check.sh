#!/bin/sh
# Runs both examples on a small picture with a soft slope and a hard edge: they must give the same
# bytes, of twice the size, and must refuse what is not a picture.
# usage: check.sh UPSCALE_RAW UPSCALE_ROWS
set -eu
export LC_ALL=C
whole=$1
rows=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

{
    printf 'P6\n# made by check.sh\n37 85\n255\n'
    awk 'BEGIN {
        for (y = 0; y < 85; y++)
            for (x = 0; x < 37; x++)
                printf("%c%c%c", 32 + 2 * x, 32 + y, x > 18 ? 120 : 40)
    }'
} >"$folder/in.ppm"

"$whole" "$folder/in.ppm" "$folder/whole.ppm"
"$rows" <"$folder/in.ppm" >"$folder/rows.ppm"
cmp "$folder/whole.ppm" "$folder/rows.ppm"

test "$(sed -n 2p "$folder/whole.ppm" | head -c 6)" = '74 170'
test "$(wc -c <"$folder/whole.ppm")" -eq $((14 + 74 * 170 * 3))
# A picture, not one flat colour.
test "$(tail -c +15 "$folder/whole.ppm" | od -An -v -tu1 -w1 | sort -u | wc -l)" -gt 50

printf 'P6\n37 85\n255\nshort' >"$folder/short.ppm"
if "$whole" "$folder/short.ppm" "$folder/none.ppm" 2>"$folder/errors"; then
    exit 1
fi
test -s "$folder/errors" && ! test -e "$folder/none.ppm"
if "$rows" <"$folder/short.ppm" >/dev/null 2>"$folder/errors"; then
    exit 1
fi
test -s "$folder/errors"
