#!/bin/sh
# Do the stages of a video overlap as they should where cores suffice? bench/video_overlap.sh [CLIP]
#
# On a machine with two cores or more that does nothing else: the network gets one thread, the encoder one, so that
# each has a core of its own. One row for each model and encoder, from an encoder far lighter than the network to one
# that is heavier; none of them holds frames back, as then the last ones would be encoded after the network has
# ended, which counts in a short clip only. "/ slower" is what counts: the pipeline's time by that of the slower stage
# alone, at most 1.15. PIPERSR: the program (build/pipersr); FRAMES (48); REPEAT (5) runs, of which the medians count.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
pipersr=${PIPERSR:-$root/build/pipersr}
clip=${1:-$root/../shared/video/crystal_640x360_30fps.mp4}
tiny=$root/tests/golden/bn-f32.safetensors # a network of a few channels, lighter than most encoders

printf '| model | encoder | decode, ms | network, ms | encode, ms | pipeline, ms | / slower | / sum |\n'
printf '| --- | --- | --- | --- | --- | --- | --- | --- |\n'
row() {
    model=$1
    shift
    "$pipersr" bench video "$clip" --model "$model" --no-reuse --threads 1 --encoder-threads 1 "$@" \
        --frames "${FRAMES:-48}" --repeat "${REPEAT:-5}" --json |
        python3 -c '
import json, os, sys
found = json.load(sys.stdin)
ms = [found[stage]["ms_per_frame"] for stage in ("decode", "network", "encode", "pipeline")]
cells = [os.path.basename(sys.argv[1]), sys.argv[2], *(f"{x:.1f}" for x in ms),
         *(f"{found[key]:.2f}" for key in ("to_slower", "to_sum"))]
print("|", " | ".join(cells), "|", flush=True)' "$model" "$*"
}
row pipersr-x2-fast --codec h264 --preset superfast
row pipersr-x2-fast --codec ffv1
row pipersr-x2-fast --codec prores
row "$tiny" --codec ffv1
row "$tiny" --codec prores
