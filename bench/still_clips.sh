#!/bin/sh
# Makes two clips that mostly stand still: bench/still_clips.sh FOLDER [WxH [FRAMES]]
#   FOLDER/talk.mp4    a moving picture, a fifth as wide and four ninths as high, before a photo
#   FOLDER/screen.mp4  a page on which a line is typed, the pointer moves, and every two seconds the page scrolls
# 24 frames a second, H.264 at libx264's defaults: its skipped blocks are what reuse finds. Ten seconds, as a key frame
# and the second after it, in which nearly everything is coded anew, would count for too much in less.
set -eu
folder=${1:?usage: bench/still_clips.sh FOLDER [WxH [FRAMES]]}
size=${2:-640x360}
frames=${3:-240}
root=$(cd "$(dirname "$0")/.." && pwd)
width=${size%x*} height=${size#*x}
mkdir -p "$folder"

head_w=$((width / 10 * 2)) head_h=$((height * 2 / 9 * 2))
ffmpeg -v error -nostdin -y -loop 1 -framerate 24 -i "$root/samples/butterfly.png" -stream_loop -1 -i "$root/samples/crystal.mp4" \
    -filter_complex "[0:v]scale=$width:$height:force_original_aspect_ratio=increase,crop=$width:$height[room];
        [1:v]fps=24,scale=-2:$height,crop=$head_w:$head_h[head];
        [room][head]overlay=$((width / 2 - head_w / 2)):$((height - head_h)):format=yuv420,format=yuv420p" \
    -frames:v "$frames" -an -c:v libx264 "$folder/talk.mp4"

text="The quick brown fox jumps over the lazy dog. 0123456789 (a + b) * c = {x, y, z}; --> [ok]"
line=$((height / 20)) lines=""
for i in 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    lines="$lines,drawtext=font=Mono:fontsize=$((line * 3 / 4)):x=$line:y=$((i * line)):text='$text'"
done
# Scrolled by a line at frames 24, 72 and so on; what is typed comes out from under a white box, and again every four seconds.
ffmpeg -v error -nostdin -y -f lavfi -i "color=white:size=${width}x$((height * 2)):rate=24${lines%%,drawtext*}" \
    -f lavfi -i "color=white:size=${width}x$line:rate=24" -f lavfi -i "color=black:size=10x14:rate=24" \
    -filter_complex "[0:v]null$lines[page];[page][1:v]overlay=x='$line+mod(n,96)*$((line / 3))':y=$((16 * line)):eval=frame,
        crop=$width:$height:0:'$line*floor((n+24)/48)'[view];
        [view][2:v]overlay=x='$width/3+trunc(mod(n,96)/12)*40':y='$height/4+trunc(mod(n,96)/12)*8':eval=frame,format=yuv420p" \
    -frames:v "$frames" -c:v libx264 "$folder/screen.mp4"
