#!/bin/sh
# Speed on this machine, then quality on each evaluation set that is there (../shared/eval/NAME, or
# the folders named as arguments; each has HR/ and LR/).
# $PIPERSR: the program, build/pipersr by default.
set -eu
cd "$(dirname "$0")/.."
program=${PIPERSR:-build/pipersr}

echo "+ $program bench speed --size 640x360"
"$program" bench speed --size 640x360

[ $# -gt 0 ] || set -- ../shared/eval/Set5 ../shared/eval/Set14 ../shared/eval/BSD100
for folder in "$@"; do
    if [ -d "$folder/HR" ] && [ -d "$folder/LR" ]; then
        echo "+ $program bench quality $folder"
        "$program" bench quality "$folder"
    else
        echo "(no $folder: its quality is not measured)"
    fi
done
