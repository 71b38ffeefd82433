#!/bin/sh
# Upscales a photo and a clip from samples/ into demo/ and says what was made.
# $PIPERSR: the program, build/pipersr by default.
set -eu
cd "$(dirname "$0")/.."
program=${PIPERSR:-build/pipersr}

mkdir -p demo
for name in butterfly.png crystal.mp4; do
    output=demo/${name%.*}_2x.${name##*.}
    echo "+ $program upscale samples/$name -o $output"
    "$program" upscale "samples/$name" -o "$output" --force
done

size() {
    ffprobe -v error -select_streams v:0 -show_entries stream=width,height -of csv=p=0:s=x "$1"
}

echo
echo 'Compare:'
for name in butterfly.png crystal.mp4; do
    output=demo/${name%.*}_2x.${name##*.}
    echo "  samples/$name ($(size "samples/$name"))  ->  $output ($(size "$output"))"
done
