#!/usr/bin/env python3
"""Small clips, one for each odd property of videos, made with the ffmpeg program.

usage: make_clips.py FOLDER [NAME...]     makes all clips, or those named, and prints their paths
"""

import concurrent.futures
import os
import pathlib
import shutil
import sys

import clip_bytes
from clip_tools import ffmpeg, picture, tone

SIZE, RATE, N_FRAMES = "48x32", 10, 10
SECONDS = N_FRAMES / RATE
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", 1, "-pix_fmt", "yuv420p", "-bf", 0]
# cuTree of libx265 3.5 writes behind its memory in pictures as narrow as these.
X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none:pools=1:cutree=0"]
PICTURE = picture(SIZE, RATE, SECONDS)
PICTURE_64 = picture("64x64", RATE, SECONDS)  # the least that some encoders take
TONE = tone(SECONDS)
SRT = "1\n00:00:00,100 --> 00:00:00,400\nOne\n\n2\n00:00:00,500 --> 00:00:00,800\nTwo & <i>three</i>\n"
CHAPTERS = """;FFMETADATA1
title=A title
artist=Someone
comment=Ünïcode; and = signs
[CHAPTER]
TIMEBASE=1/1000
START=0
END=400
title=First
[CHAPTER]
TIMEBASE=1/1000
START=400
END=1000
title=Second
"""

CLIPS = {}  # file name -> function(path) that makes it


def clip(name):
    def add(function):
        CLIPS[name] = function
        return function

    return add


def simple(name, *arguments):
    """A clip that one call of ffmpeg makes."""
    CLIPS[name] = lambda path: ffmpeg(*arguments, path)


def text_beside(path, text, suffix=".txt"):
    beside = path.with_suffix(path.suffix + suffix)
    beside.write_bytes(text if isinstance(text, bytes) else text.encode())
    return beside


# ------------------------------------------------------------------------------------------ times

VFR = ["-vf", "setpts='(N*N+3*N)/4/10/TB'", "-fps_mode", "passthrough"]
simple("vfr.mp4", *PICTURE, *TONE, *VFR, *X264, "-c:a", "aac", "-video_track_timescale", 90000)
simple("vfr_b_frames.mkv", *PICTURE, *VFR, *X264, "-bf", 2, "-enc_time_base", "1/1000")
simple("odd_time_base.mp4", *PICTURE, *TONE, *X264, "-c:a", "aac", "-video_track_timescale", 1000003)
simple("ntsc_rate.mp4", *picture(SIZE, "30000/1001", 0.34), *X264, "-bf", 2)
simple("single_frame.mp4", *picture(SIZE, 1, 1), *X264)
simple("b_frames.mp4", *PICTURE, *TONE, *X264, "-bf", 3, "-x264-params", "b-pyramid=normal:b-adapt=0", "-c:a", "aac")
simple("negative_offsets.mp4", *PICTURE, *X264, "-bf", 2, "-movflags", "negative_cts_offsets")
simple("open_gop.mkv", *picture(SIZE, RATE, 2), *X264, "-bf", 2, "-g", 6, "-x264-params", "open-gop=1:scenecut=0:b-adapt=0")
simple("open_gop_hevc.mp4", *picture(SIZE, RATE, 2), *X265[:-2], "-x265-params",
       "log-level=none:pools=1:cutree=0:open-gop=1:keyint=6:min-keyint=6:bframes=2:b-adapt=0:scenecut=0")
simple("late_picture.mp4", *TONE, "-itsoffset", 0.3, *PICTURE, "-map", "0:a", "-map", "1:v", *X264,
       "-fps_mode", "passthrough", "-c:a", "aac")
simple("late_sound.mkv", *PICTURE, "-itsoffset", 0.25, *TONE, "-map", 0, "-map", 1, *X264, "-c:a", "flac")
simple("late_both.mkv", "-itsoffset", 5, *PICTURE, "-itsoffset", 5, *TONE, "-map", 0, "-map", 1, *X264, "-c:a", "flac")


def cut(path, source_options, start_s):
    """A clip cut between key frames without encoding, as editors and recorders do it."""
    whole = path.with_suffix(".whole" + path.suffix)
    ffmpeg(*picture(SIZE, RATE, 2), *tone(2), *X264, "-g", 8, *source_options, whole)
    ffmpeg("-ss", start_s, "-i", whole, "-c", "copy", path)


clip("edit_list.mp4")(lambda path: cut(path, ["-bf", 2, "-c:a", "aac"], 0.53))
clip("edit_list.mov")(lambda path: cut(path, ["-c:a", "pcm_s16le"], 0.53))


@clip("cut_open_gop.ts")
def cut_open_gop(path):
    """Begins with frames whose reference is not there."""
    whole = path.with_suffix(".whole.ts")
    ffmpeg(*picture(SIZE, RATE, 2), *tone(2), *X264, "-bf", 2, "-g", 6, "-x264-params",
           "open-gop=1:scenecut=0:b-adapt=0", "-c:a", "mp2", whole)
    data = whole.read_bytes()
    packets = [data[i:i + 188] for i in range(0, len(data), 188)]
    starts = [i for i, packet in enumerate(packets) if packet[1:3] == b"\x41\x00" and packet[5] & 0x40]
    path.write_bytes(b"".join(packets[:3] + packets[starts[1]:]))


@clip("sound_before_zero.mkv")
def sound_before_zero(path):
    sound = path.with_suffix(".flac")
    ffmpeg(*TONE, "-c:a", "flac", sound)
    ffmpeg(*PICTURE, "-itsoffset", -0.45, "-i", sound, "-map", 0, "-map", 1, *X264, "-c:a", "copy", "-copyts",
           "-avoid_negative_ts", "disabled", path)


@clip("no_duration.mkv")
def no_duration(path):
    """As a recorder writes it to a pipe: no duration, no index."""
    path.write_bytes(ffmpeg(*PICTURE, *TONE, *X264, "-c:a", "flac", "-live", 1, "-f", "matroska", "-"))


simple("no_times.h264", *PICTURE, *X264, "-bf", 2)
simple("fragments.mp4", *PICTURE, *TONE, *X264, "-g", 4, "-bf", 2, "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov")

# ---------------------------------------------------------------------------------------- picture

for first in ("tff", "bff"):
    FIELDS = ["-vf", f"tinterlace={'interleave_top' if first == 'tff' else 'interleave_bottom'},setfield={first}"]
    simple(f"interlaced_{first}.mkv", *picture("48x64", 2 * RATE, SECONDS), *FIELDS, *X264, "-flags", "+ildct+ilme",
           "-x264-params", f"{first}=1")
simple("interlaced.mpg", *picture("48x64", 50, SECONDS / 2), *TONE, "-vf", "tinterlace=interleave_top,setfield=tff",
       "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-top", 1, "-bf", 2, "-c:a", "mp2", "-t", SECONDS / 2)
simple("interlaced_prores.mov", *picture("48x64", 2 * RATE, SECONDS), "-vf", "tinterlace=interleave_top,setfield=tff",
       "-c:v", "prores_ks", "-flags", "+ildct", "-pix_fmt", "yuv422p10le", "-field_order", "tt")


def turned(path, turn):
    ffmpeg(*PICTURE, *X264, "-vf", "setsar=4/3", path)
    path.write_bytes(clip_bytes.set_display_matrix(path.read_bytes(), turn))


for turn_name in clip_bytes.MATRICES:
    clip(f"turned_{turn_name}.mp4")(lambda path, turn=turn_name: turned(path, turn))

simple("aspect.mp4", *PICTURE, *X264, "-vf", "setsar=12/11")
simple("aspect.ts", *PICTURE, *X264, "-vf", "setsar=16/11")
simple("crop_h264.mp4", *PICTURE_64, *X264, "-bsf:v", "h264_metadata=crop_left=4:crop_right=6:crop_top=8:crop_bottom=2")
simple("crop_hevc.mp4", *PICTURE_64, *X265, "-bsf:v", "hevc_metadata=crop_left=4:crop_right=6:crop_top=8:crop_bottom=2")
simple("odd_size.webm", *PICTURE, "-vf", "scale=43:25", "-c:v", "libvpx-vp9", "-cpu-used", 5, "-pix_fmt", "yuv420p")
simple("odd_size_444.mkv", *PICTURE, "-vf", "scale=43:25", *X264, "-pix_fmt", "yuv444p")
simple("stereo.mkv", *PICTURE, *X264, "-metadata:s:v", "stereo_mode=left_right")

for depth_name, pix_fmt in {"8_422": "yuv422p", "8_444": "yuv444p", "8_gray": "gray", "10_420": "yuv420p10le",
                            "10_422": "yuv422p10le", "10_444": "yuv444p10le", "10_gray": "gray10le"}.items():
    simple(f"samples_{depth_name}.mkv", *PICTURE, *X264, "-pix_fmt", pix_fmt)
simple("samples_12.mkv", *PICTURE, "-c:v", "ffv1", "-pix_fmt", "yuv422p12le")
simple("samples_rgb.mkv", *PICTURE, "-c:v", "libx264rgb", "-preset", "ultrafast", "-pix_fmt", "rgb24")
simple("samples_alpha.mkv", *PICTURE, "-vf", "format=yuva420p", "-c:v", "ffv1")

for tags_name, (matrix, primaries, transfer) in {
    "601": ("smpte170m", "smpte170m", "smpte170m"), "709": ("bt709", "bt709", "bt709"),
    "2020": ("bt2020nc", "bt2020", "arib-std-b67"),
}.items():
    simple(f"tags_{tags_name}.mp4", *PICTURE, *X264, "-pix_fmt", "yuv420p10le" if tags_name == "2020" else "yuv420p",
           "-colorspace", matrix, "-color_primaries", primaries, "-color_trc", transfer, "-color_range", "tv")
simple("full_range.mp4", *PICTURE, *X264, "-vf", "scale=out_range=pc:out_color_matrix=bt709", "-color_range", "pc", "-colorspace", "bt709")

# ------------------------------------------------------------------------------- captions and more


def captioned(path, encoder, suffix, insert):
    plain = path.with_suffix(".plain" + suffix)
    ffmpeg(*PICTURE_64, *encoder, plain)
    ffmpeg("-fflags", "+genpts", "-r", RATE, "-i", text_beside(path, insert(plain.read_bytes()), suffix), "-c", "copy", path)


clip("captions_h264.mp4")(lambda path: captioned(path, X264, ".h264", clip_bytes.caption_h264))
clip("captions_hevc.mp4")(lambda path: captioned(
    path, [*X265[:-1], X265[-1] + ":bframes=0"], ".hevc", clip_bytes.caption_hevc))
clip("captions_mpeg2.ts")(lambda path: captioned(
    path, ["-c:v", "mpeg2video", "-bf", 0, "-threads", 1], ".m2v", clip_bytes.caption_mpeg2))


def with_chapters(path, subtitle_codec):
    ffmpeg(*PICTURE, *tone(SECONDS, 440), *tone(SECONDS, 880), "-i", text_beside(path, SRT, ".srt"),
           "-i", text_beside(path, CHAPTERS), "-map", 0, "-map", 1, "-map", 2, "-map", 3,
           "-map_metadata", 4, "-map_chapters", 4, *X264, "-c:a", "aac", "-c:s", subtitle_codec,
           "-metadata:s:v:0", "language=jpn", "-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra",
           "-metadata:s:s:0", "language=eng", "-disposition:a:0", "comment", "-disposition:a:1", "default",
           "-disposition:s:0", "hearing_impaired", path)


clip("chapters.mp4")(lambda path: with_chapters(path, "mov_text"))
clip("chapters.mkv")(lambda path: with_chapters(path, "srt"))


def still(path, suffix):
    image = path.with_suffix(suffix)
    ffmpeg(*picture("40x40", 1, 1, "testsrc"), "-frames:v", 1, "-update", 1, image)
    return image


@clip("cover.mp4")
def cover_mp4(path):
    plain = path.with_suffix(".plain.mp4")
    ffmpeg(*PICTURE, *TONE, *X264, "-c:a", "aac", plain)
    ffmpeg("-i", plain, "-i", still(path, ".jpg"), "-map", 0, "-map", 1, "-c", "copy", "-disposition:v:1", "attached_pic", path)


@clip("attachments.mkv")
def attachments(path):
    """A font, and a cover as Matroska has it."""
    font = text_beside(path, bytes(range(256)) * 9, ".ttf")
    image = still(path, ".png").rename(path.with_name("cover.png"))
    ffmpeg(*PICTURE, *X264, "-attach", font, "-metadata:s:t:0", "mimetype=application/x-truetype-font",
           "-attach", image, "-metadata:s:t:1", "mimetype=image/png", "-metadata:s:t:1", "filename=cover.png", path)


def sounds(path, *codecs):
    inputs = [word for n in range(len(codecs)) for word in tone(SECONDS, 300 + 100 * n)]
    maps = [word for n in range(len(codecs) + 1) for word in ("-map", n)]
    choice = [word for n, codec in enumerate(codecs) for word in (f"-c:a:{n}", codec)]
    ffmpeg(*PICTURE, *inputs, *maps, *X264, *choice, "-strict", "-2", path)


clip("sounds.mkv")(lambda path: sounds(path, "aac", "ac3", "flac", "libopus", "pcm_s24le", "libmp3lame", "libvorbis"))
clip("sounds.mp4")(lambda path: sounds(path, "aac", "ac3", "flac", "libopus", "libmp3lame"))
clip("sounds.mov")(lambda path: sounds(path, "pcm_s16be", "pcm_s24le", "alac"))
clip("sounds.ts")(lambda path: sounds(path, "aac", "mp2", "ac3"))


@clip("subtitles.mkv")
def subtitles(path):
    srt, sup = text_beside(path, SRT, ".srt"), text_beside(path, clip_bytes.bitmap_subtitles(48, 32), ".sup")
    ffmpeg(*PICTURE, "-i", srt, "-i", srt, "-i", sup, "-i", sup, "-map", 0, "-map", 1, "-map", 2, "-map", 3, "-map", 4,
           *X264, "-c:s:0", "srt", "-c:s:1", "ass", "-c:s:2", "copy", "-c:s:3", "dvdsub",
           "-disposition:s:0", "forced", "-metadata:s:s:1", "language=spa", "-metadata:s:s:1", "title=Signs", path)


@clip("subtitles.ts")
def subtitles_ts(path):
    sup = text_beside(path, clip_bytes.bitmap_subtitles(48, 32), ".sup")
    ffmpeg(*PICTURE, "-i", sup, "-map", 0, "-map", 1, *X264, "-c:s", "dvbsub", "-metadata:s:s:0", "language=swe", path)


@clip("subtitles.webm")
def subtitles_webm(path):
    ffmpeg(*PICTURE, *TONE, "-i", text_beside(path, SRT, ".srt"), "-map", 0, "-map", 1, "-map", 2,
           "-c:v", "libvpx-vp9", "-cpu-used", 5, "-c:a", "libopus", "-c:s", "webvtt", path)


@clip("data.ts")
def data_stream(path):
    data = text_beside(path, bytes(range(200)), ".bin")
    ffmpeg(*PICTURE, "-f", "data", "-i", data, "-map", 0, "-map", 1, *X264, "-c:d", "copy", path)


PICTURE_25 = picture(SIZE, 25, 0.4)
simple("timecode.mov", *PICTURE_25, *TONE, *X264, "-c:a", "pcm_s16le", "-timecode", "01:02:03:04")
simple("timecode.mkv", *PICTURE_25, *X264, "-timecode", "10:00:00:00")
simple("timecode.mpg", *PICTURE_25, "-c:v", "mpeg2video", "-timecode", "01:02:03:04")

# ----------------------------------------------------------------------------- codecs, containers

simple("hevc.mp4", *PICTURE_64, *TONE, *X265, "-c:a", "aac")
simple("vp8.webm", *PICTURE, *TONE, "-c:v", "libvpx", "-cpu-used", 5, "-c:a", "libvorbis")
simple("vp9_hidden_frames.webm", *picture("64x64", RATE, 3), "-c:v", "libvpx-vp9", "-cpu-used", 3, "-auto-alt-ref", 1,
       "-lag-in-frames", 16, "-b:v", "50k")
simple("av1.mkv", *PICTURE_64, "-c:v", "libaom-av1", "-cpu-used", 8, "-pix_fmt", "yuv420p")
simple("mpeg2.ts", *PICTURE, *TONE, "-c:v", "mpeg2video", "-bf", 2, "-c:a", "mp2")
simple("packed_b_frames.avi", *PICTURE, *TONE, "-c:v", "libxvid", "-bf", 2, "-c:a", "libmp3lame")
simple("mpeg4.avi", *PICTURE, "-c:v", "mpeg4", "-bf", 2)
simple("mjpeg.avi", *PICTURE, *TONE, "-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "-c:a", "pcm_s16le")
simple("prores.mov", *PICTURE, *TONE, "-c:v", "prores_ks", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s24le")
simple("animation.mov", *PICTURE, "-c:v", "qtrle", "-pix_fmt", "rgb24")
simple("raw.avi", *PICTURE, "-c:v", "rawvideo", "-pix_fmt", "bgr24")
simple("theora.ogv", *PICTURE, *TONE, "-c:v", "libtheora", "-pix_fmt", "yuv420p", "-c:a", "libvorbis")
simple("flash.flv", *PICTURE, *TONE, *X264, "-bf", 2, "-c:a", "aac")
simple("windows.wmv", *PICTURE, *TONE, "-c:v", "wmv2", "-c:a", "wmav2")
simple("broadcast.mxf", *PICTURE[:-1], f"testsrc2=size=64x64:rate=25:duration={SECONDS}", *TONE, "-c:v", "mpeg2video",
       "-c:a", "pcm_s16le", "-timecode", "01:02:03:04")


def make(folder, name):
    """The clip's path; it is made only once."""
    path = pathlib.Path(folder) / name
    if not path.is_file():
        scratch = path.parent / f"making-{name}"
        scratch.mkdir(parents=True, exist_ok=True)
        CLIPS[name](scratch / name)
        (scratch / name).rename(path)
        shutil.rmtree(scratch)
    return path


def make_all(folder, names=None):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda name: make(folder, name), names or CLIPS))


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    print(*make_all(sys.argv[1], sys.argv[2:]), sep="\n")
