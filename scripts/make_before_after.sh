#!/bin/sh
# Makes docs/before_after.png: a detail of samples/butterfly.png, doubled by bicubic interpolation on
# the left and by the program on the right, both shown with each pixel as a square of 3x3.
# $PIPERSR: the program, build/pipersr by default.
set -eu
cd "$(dirname "$0")/.."
program=${PIPERSR:-build/pipersr}
picture=samples/butterfly.png
# The detail in the small picture: left, top, and the length of its side.
left=320 top=205 side=100

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$program" upscale "$picture" -o "$folder/network.png" --quiet
vips resize "$picture" "$folder/bicubic.png" 2 --kernel cubic
for name in bicubic network; do
    vips crop "$folder/$name.png" "$folder/$name.v" $((2 * left)) $((2 * top)) $((2 * side)) $((2 * side))
    vips zoom "$folder/$name.v" "$folder/$name-big.v" 3 3
done
vips join "$folder/bicubic-big.v" "$folder/network-big.v" \
    "docs/before_after.png[compression=9,filter=all,strip]" horizontal --shim 12 --background 255
ls -l docs/before_after.png
