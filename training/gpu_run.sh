#!/bin/sh
# Training on a rented GPU machine that is there for half an hour, has no network, and ends a command after ten
# minutes: what takes longer runs in the background, and every command brings the results so far back.
#
#   gpu_run.sh take CHUNK ...    moves chunks (pack.py, video_clips.py) out of the checkout
#   gpu_run.sh speed             steps/s with and without torch.compile and CUDA graphs, three to six minutes
#   gpu_run.sh start             prepares the corpus, then trains in the background, one after the other: the
#                                    default model, its int8 form, the video model (if clips came), the fast model
#   gpu_run.sh follow SECONDS    waits so long, or until all is done, shows the logs and copies results to $OUT
#
# WORK (default /tmp/pipersr-training) has everything, OUT (WORK/out) what is to be brought back: for each model
# a tar file of models, log and plot, and the checkpoints of the default and the video model.
# Minutes by environment: DEFAULT_MINUTES=12 INT8_MINUTES=1.5 VIDEO_MINUTES=2.5 FAST_MINUTES=2.5; 0 leaves one out.
# TRAIN_OPTIONS goes to every run (for example --no-compile, if `speed` says so).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=${WORK:-/tmp/pipersr-training}
out=${OUT:-$work/out}
python=${PYTHON:-python3}
export PYTHONUNBUFFERED=1
mkdir -p "$work/data" "$work/runs" "$out"

seconds_now() { date +%s; }

take() {
    for chunk in "$@"; do
        mv "$chunk" "$work/data/$(basename "$chunk").part"
        mv "$work/data/$(basename "$chunk").part" "$work/data/$(basename "$chunk")"
    done
    ls -l "$work/data"
}

# prepare FOLDER ARGUMENT...: a corpus, unless it is there.
prepare() {
    folder=$1
    shift
    [ -f "$folder/pictures.json" ] || "$python" "$here/prepare.py" --out "$folder" --jobs "$(nproc)" "$@"
}

speed() {
    prepare "$work/speed" --photos "$work"/data/photos-1.zip --copies '' --synthetic 40
    for variant in "" "--no-graph" "--no-compile" "--batch 32" "--precision tf32"; do
        echo "== train.py $variant"
        # shellcheck disable=SC2086
        timeout 75 "$python" "$here/train.py" "$work/speed" --out "$work/runs/speed" --steps 300 $variant \
            2>&1 | grep -E 'steps/s|warn|Error|validation' || echo "failed or over 75 s"
    done | tee "$out/speed.txt"
}

# train NAME MINUTES PROGRAM ARGUMENT...: one run, resumed where it was left.
train() {
    name=$1 minutes=$2 program=$3
    shift 3
    [ "$minutes" != 0 ] || return 0
    run=$work/runs/$name
    mkdir -p "$run"
    [ ! -f "$run/checkpoint.pt" ] || set -- "$@" --resume "$run/checkpoint.pt"
    # shellcheck disable=SC2086
    "$python" "$here/$program" "$@" --out "$run" --minutes "$minutes" --save-seconds 45 --validate-seconds 30 \
        ${TRAIN_OPTIONS:-} >>"$run/log.txt" 2>&1 || echo "$name: failed, see $run/log.txt"
}

# shellcheck disable=SC2086 # $draw is several words
queue() {
    corpus=$work/corpus default=$work/runs/default
    draw="--share synthetic=${SYNTHETIC_SHARE:-0.1} --evenness 0 --candidates 2"
    prepare "$corpus" --photos "$work"/data/photos-*.zip --synthetic "${SYNTHETIC:-280}"
    train default "${DEFAULT_MINUTES:-12}" train.py "$corpus" $draw
    [ -f "$default/last.safetensors" ] || { echo "the default model was not finished"; exit 1; }
    train int8 "${INT8_MINUTES:-1.5}" quantise.py "$corpus" --start "$default/last.safetensors" --no-compile \
        $draw --batch 32 --patch 48 --new-ranges
    if [ "${VIDEO_MINUTES:-2.5}" != 0 ]; then
        limit=$(($(seconds_now) + 120))
        while [ ! -f "$work/video/pictures.json" ] && [ "$(seconds_now)" -lt "$limit" ]; do
            # Clips may arrive while the default model trains: `take` puts them here whole.
            if ls "$work"/data/clips-*.zip >/dev/null 2>&1; then
                prepare "$work/video" --photos "$work"/data/photos-*.zip --copies '' --clips "$work"/data/clips-*.zip
            else
                sleep 2
            fi
        done
        [ ! -f "$work/video/pictures.json" ] ||
            train video "${VIDEO_MINUTES:-2.5}" train.py "$work/video" --start "$default/last.safetensors" \
                --rate 2e-4 --warm-up 200 --share video=0.7 --select video
    fi
    train fast "${FAST_MINUTES:-2.5}" train.py "$corpus" --channels 32 --blocks "${FAST_BLOCKS:-5}" $draw
    echo done >"$work/finished"
}

collect() {
    for run in "$work"/runs/*; do
        name=$(basename "$run")
        [ "$name" != speed ] && [ -f "$run/run.csv" ] || continue
        # shellcheck disable=SC2046
        tar -cf "$out/$name.tar" -C "$run" $(cd "$run" && ls | grep -E '^(best|last)\.safetensors$|^run\.|^log')
    done
    for file in default/checkpoint.pt default/before_decay.pt video/checkpoint.pt; do
        [ ! -f "$work/runs/$file" ] || cp "$work/runs/$file" "$out/$(echo "$file" | tr / -)"
    done
    ls -l "$out"
}

follow() {
    limit=$(($(seconds_now) + $1))
    while [ ! -f "$work/finished" ] && [ "$(seconds_now)" -lt "$limit" ]; do
        sleep 1
    done
    cat "$work/queue.txt"
    for log in "$work"/runs/*/log.txt; do
        [ ! -f "$log" ] || { echo "== $log"; grep -v '^$' "$log" | tail -n 6; }
    done
    collect
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
take) take "$@" ;;
speed) speed ;;
start)
    rm -f "$work/finished"
    setsid "$0" queue >"$work/queue.txt" 2>&1 </dev/null &
    ;;
queue) queue ;;
follow) follow "$1" ;;
*) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
