#!/bin/sh
# Times of videos' stages as a table in Markdown: bench/video.sh [CLIP...]
#
# Without CLIPs: those of ../shared/video, if they are there, and the two that bench/still_clips.sh makes. Each
# clip runs with the model that videos get and with pipersr-x2-fast. PIPERSR: the program (build/pipersr);
# FRAMES (48) of each clip; REPEAT (3) runs, of which the medians count; more options of `pipersr bench video`
# in OPTIONS.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
pipersr=${PIPERSR:-$root/build/pipersr}
clips=$(mktemp -d)
trap 'rm -rf "$clips"' EXIT

if [ $# -eq 0 ]; then
    "$root/bench/still_clips.sh" "$clips"
    set -- "$clips/talk.mp4" "$clips/screen.mp4"
    for clip in "$root"/../shared/video/*.mp4; do
        [ -f "$clip" ] && set -- "$clip" "$@"
    done
fi

printf '| clip | to | model | reuse | decode, ms | network, ms | encode, ms | pipeline, ms | frames/s | / slower | / sum | CPU of the network, ms | reused |\n'
printf '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n'
for clip in "$@"; do
    for model in pipersr-x2-video pipersr-x2-fast; do
        for reuse in "" --no-reuse; do
            # shellcheck disable=SC2086
            "$pipersr" bench video "$clip" --model $model --frames "${FRAMES:-48}" --repeat "${REPEAT:-3}" \
                ${OPTIONS:-} $reuse --json |
                python3 -c '
import json, sys
name, model, reuse = sys.argv[1:]
found = json.load(sys.stdin)
ms = [found[stage]["ms_per_frame"] for stage in ("decode", "network", "encode", "pipeline")]
cells = [name, "{width}x{height}".format(**found), model, "no" if reuse else "yes", *(f"{x:.1f}" for x in ms)]
cells += [f"{found[key]:.2f}" for key in ("to_slower", "to_sum")]
cells.insert(8, "{fps:.2f}".format(**found["pipeline"]))
cells += ["{cpu_ms_per_frame:.1f}".format(**found["network"]), "{:.0f} %".format(100 * found["reused_share"])]
print("|", " | ".join(cells), "|")' "$(basename "$clip")" "$model" "$reuse"
        done
    done
done
