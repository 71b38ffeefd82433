"""Every odd property of a video, into its own container and into others: what is not kept is named."""

import concurrent.futures
import math
import os
import pathlib
import re

import pytest

import clip_bytes
import clip_compare
import clip_tools
import make_clips

MODEL = pathlib.Path(__file__).resolve().parents[1] / "golden" / "bn-f32.safetensors"  # 2x, and quick
WRITABLE = {"mp4", "mkv", "mov", "ts", "webm", "flv"}

# Where the way into another container is of interest.
CROSSINGS = [
    *((name, "mkv") for name in (
        "vfr.mp4", "odd_time_base.mp4", "late_picture.mp4", "edit_list.mp4", "edit_list.mov", "cut_open_gop.ts",
        "fragments.mp4", "negative_offsets.mp4", "chapters.mp4", "cover.mp4", "sounds.mp4", "sounds.mov", "sounds.ts",
        "subtitles.ts", "subtitles.webm", "data.ts", "timecode.mov", "aspect.ts", "vp9_hidden_frames.webm",
        *(name for name in make_clips.CLIPS if name.startswith("turned_")))),
    *((name, "mp4") for name in (
        "vfr_b_frames.mkv", "late_sound.mkv", "late_both.mkv", "cut_open_gop.ts", "no_duration.mkv", "no_times.h264",
        "stereo.mkv", "chapters.mkv", "attachments.mkv", "sounds.mkv", "sounds.ts", "subtitles.mkv", "subtitles.webm",
        "timecode.mkv", "broadcast.mxf", "packed_b_frames.avi", "flash.flv")),
    ("subtitles.mkv", "webm"), ("sounds.mkv", "webm"), ("b_frames.mp4", "ts"), ("late_picture.mp4", "flv"),
    ("chapters.mp4", "ts"), ("chapters.mkv", "flv"),
]
CASES = [(name, name.split(".")[1] if name.split(".")[1] in WRITABLE else "mkv") for name in make_clips.CLIPS] + CROSSINGS

# What must differ, as patterns of whole lines of clip_compare and of the program's notes. Each must occur.
CHOICE = re.compile(r"encoded as \w+ of \d+ bits")  # a remark about something kept
STARTS_AT_ZERO = r"times: all shifted by -[0-9.]+ s"  # clocks of transport and program streams start anywhere
# Sound that begins with samples before zero, for the decoder: only MP4 says that they are not to be heard.
PRIMED = [r"times: all shifted by 0\.02[13] s", r"stream \d \(aac\): 1\.0027 s can be heard, then 1\.0233 s"]
CANNOT = r"note: .*stream {} \({}, {}\) is dropped: {} cannot hold it(; \.mkv may)?"
INTERLACED = [r"note: .*interlaced, {} field first: deinterlaced, one frame for each.*",
              r"picture: \d+ interlaced frames became 0"]
TOP_FIRST, BOTTOM_FIRST = ([line.format(first) for line in INTERLACED] for first in ("top", "bottom"))
RGB = [r"picture: pix_fmt (gbrp|bgr24|rgb24) became yuv444p", r"picture: color_space (None|gbr) became smpte170m"]
TURNED = [r"picture: Display Matrix .* became \{\}"]
TURNED_BY_90 = [*TURNED, r"picture: 48x32 became 64x96", r"picture: sample_aspect_ratio 4:3 became 3:4"]
# The first packets begin before the edit list's start; no other container says how much of them is to be heard.
HALF_HIDDEN = [r"times: all shifted by 0\.0\d\d s", r"stream 1 \(\w+\): 1\.4\d+ s can be heard, then 1\.[45]\d+ s"]
PADDED = r"stream {} \({}\): [0-9.]+ s can be heard, then [0-9.]+ s"  # the codec's padding, up to 32 ms
REWRAPPED = r"stream 1 \({}\): \d+ packets became \d+ others"  # headers that only a transport stream has
LITTLE_METADATA = [r"chapters: .* became \[\]", r"(picture|file|stream \d \(\w+\)): tag \w+ '.*' became None",
                   r"stream 1 \(aac\): dispositions .*"]
EXPECTED = {
    ("edit_list.mp4", "mp4"): [r"times: picture lasts 1\.4700 s, then 1\.4000 s"],  # it ends with its last frame
    ("edit_list.mp4", "mkv"): HALF_HIDDEN,
    ("edit_list.mov", "mkv"): HALF_HIDDEN,
    ("samples_alpha.mkv", "mkv"): [r"note: .*transparency.*", r"picture: pix_fmt yuva420p became yuv420p"],
    ("samples_rgb.mkv", "mkv"): [*RGB, r"picture: color_range pc became tv"],
    ("animation.mov", "mov"): RGB,
    ("raw.avi", "mkv"): RGB,
    ("mjpeg.avi", "mkv"): [r"picture: chroma_location center became left"],  # H.264 has no other for 4:2:2
    ("chapters.mp4", "mkv"): [*PRIMED, CANNOT.format(3, "subtitle", "mov_text", "matroska")],
    ("chapters.mkv", "mp4"): [CANNOT.format(3, "subtitle", "subrip", "mp4")],
    ("attachments.mkv", "mp4"): [CANNOT.format(1, "attachment", "ttf", "mp4")],
    ("sounds.mkv", "mp4"): [CANNOT.format(5, "audio", "pcm_s24le", "mp4"), PADDED.format(4, "opus"), PADDED.format(6, "mp3")],
    ("sounds.mp4", "mkv"): [*PRIMED, PADDED.format(2, "ac3"), PADDED.format(5, "mp3")],
    ("sounds.mkv", "webm"): [CANNOT.format(n, "audio", codec, "webm") for n, codec in
                             ((1, "aac"), (2, "ac3"), (3, "flac"), (5, "pcm_s24le"), (6, "mp3"))],
    ("sounds.ts", "mkv"): [STARTS_AT_ZERO, REWRAPPED.format("aac")],
    ("sounds.ts", "mp4"): [STARTS_AT_ZERO, REWRAPPED.format("aac")],
    ("subtitles.ts", "ts"): [STARTS_AT_ZERO, REWRAPPED.format("dvb_subtitle")],
    ("subtitles.mkv", "mp4"): [CANNOT.format(n, "subtitle", codec, "mp4") for n, codec in
                               ((1, "subrip"), (2, "ass"), (3, "hdmv_pgs_subtitle"))],
    ("subtitles.mkv", "webm"): [CANNOT.format(n, "subtitle", codec, "webm") for n, codec in
                                ((1, "subrip"), (2, "ass"), (3, "hdmv_pgs_subtitle"), (4, "dvd_subtitle"))],
    ("subtitles.webm", "mp4"): [CANNOT.format(2, "subtitle", "webvtt", "mp4"), PADDED.format(1, "opus")],
    ("data.ts", "mkv"): [STARTS_AT_ZERO, CANNOT.format(1, "data", "bin_data", "matroska")],
    **{(name, "mkv"): PRIMED for name in ("vfr.mp4", "odd_time_base.mp4", "late_picture.mp4", "cover.mp4")},
    ("sound_before_zero.mkv", "mkv"): [r"times: all shifted by 0\.450 s"],  # its clock starts at zero
    ("stereo.mkv", "mp4"): [r"picture: tag stereo_mode .* became None"],  # the description says it as well
    ("timecode.mkv", "mp4"): [r"(picture|file): tag timecode .*"],  # in a track of its own
    ("broadcast.mxf", "mp4"): [CANNOT.format(1, "audio", "pcm_s16le", "mp4"), r"(picture|file): tag timecode .*",
                               r"(picture|file): tag .* became None", r"note: .*mp4 has no place for: tag .*uid.*"],
    ("late_picture.mp4", "flv"): PRIMED,
    ("b_frames.mp4", "ts"): [REWRAPPED.format("aac"), r"times: all shifted by 0\.021 s", PADDED.format(1, "aac")],
    ("chapters.mp4", "ts"): [
        REWRAPPED.format("aac"), REWRAPPED.format("aac").replace("1", "2", 1), r"times: all shifted by 0\.021 s",
        PADDED.format(r"\d", "aac"), CANNOT.format(3, "subtitle", "mov_text", "mpegts"), *LITTLE_METADATA,
        r"note: .*mpegts has no place for: tag .*, 2 of 2 chapters, stream 0's language jpn, stream 1's mark comment"],
    ("chapters.mkv", "flv"): [
        CANNOT.format(2, "audio", "aac", "flv"), CANNOT.format(3, "subtitle", "subrip", "flv"), *LITTLE_METADATA,
        r"note: .*flv has no place for: 2 of 2 chapters, stream 0's language jpn, stream 1's language deu, .*"],
    ("interlaced_tff.mkv", "mkv"): TOP_FIRST,
    ("interlaced_bff.mkv", "mkv"): BOTTOM_FIRST,
    ("interlaced.mpg", "mkv"): [STARTS_AT_ZERO, *TOP_FIRST],
    ("interlaced_prores.mov", "mov"): TOP_FIRST,
    **{(f"turned_{turn}.mp4", "mkv"): TURNED_BY_90 for turn in ("90", "270", "transpose")},
    **{(f"turned_{turn}.mp4", "mkv"): TURNED for turn in ("180", "hflip", "vflip")},
}


def expected(name, extension):
    starts_anywhere = name.split(".")[1] in ("ts", "mpg")
    return EXPECTED.get((name, extension), [STARTS_AT_ZERO] if starts_anywhere else [])


def outcome(run, folder, name, extension):
    source, target = folder / name, folder / f"{name}.{extension}"
    done = run("upscale", source, "-o", target, "--preset", "ultrafast", "--threads", 1, "--model", MODEL)
    if done.returncode != 0:
        return [f"exit status {done.returncode}: {done.stderr}"]
    notes = [line for line in done.stderr.splitlines() if line.startswith("note: ") and not CHOICE.search(line)]
    return [*clip_compare.differences(source, target, done.stderr), *notes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips")
    make_clips.make_all(path)
    return path


@pytest.fixture(scope="module")
def outcomes(request, run, folder):
    """What became of each clip that this run of the tests asks for; as many at a time as there are cores."""
    chosen = {item.callspec.params["case"] for item in request.session.items if item.module is request.module and
              "case" in getattr(getattr(item, "callspec", None), "params", {})}
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    futures = {case: pool.submit(outcome, run, folder, *case) for case in CASES if case in chosen}
    yield futures
    pool.shutdown(cancel_futures=True)


def captions(path):
    """The letters of the closed captions, in the order of the frames, which has no B-frames here."""
    stream = clip_tools.ffmpeg("-i", path, "-map", "0:v:0", "-c", "copy", "-f", "data", "-")
    return re.findall(rb"GA94\x03\x41.\xfc(..)\xff", stream, re.DOTALL)


@pytest.mark.parametrize("name", ["captions_h264.mp4", "captions_hevc.mp4", "captions_mpeg2.ts"])
def test_closed_captions(run, folder, tmp_path, name):
    letters = captions(folder / name)
    assert len(letters) == 10 and bytes(code & 0x7F for code in b"".join(letters)) == clip_bytes.CAPTION_TEXT
    for codec, extension in ((None, "mkv"), ("hevc", "mp4")):
        target = tmp_path / f"out.{extension}"
        done = run("upscale", folder / name, "-o", target, "--preset", "ultrafast", "--model", MODEL,
                   *(("--codec", codec) if codec else ()))
        assert done.returncode == 0, done.stderr
        lost = re.search(r"note: .*the closed captions of 10 frames are lost: libx265", done.stderr)
        assert bool(lost) == (codec == "hevc")
        assert captions(target) == ([] if lost else letters)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_is_kept_or_named(outcomes, case):
    found, patterns = outcomes[case].result(), expected(*case)
    unexpected = [line for line in found if not any(re.fullmatch(pattern, line) for pattern in patterns)]
    absent = [pattern for pattern in patterns if not any(re.fullmatch(pattern, line) for line in found)]
    assert (unexpected, absent) == ([], [])


# Of the real films beside the checkout, a moment from their middle; "-c copy" leaves a late start and an edit list.
FILMS = ["bunny_640x360_24fps.mp4", "crystal_640x360_30fps.mp4", "cars_426x238_vfr_noaudio.mp4"]
# Untagged and small they are BT.601 by their size, which the larger picture must say. A cut between B-frames ends in an
# edit list; the output ends with its last frame.
FILMS_DIFFER = {
    "mp4": [r"picture: color_space None became smpte170m", r"times: picture lasts 0\.4\d+ s, then 0\.5\d+ s"],
    "mkv": [r"picture: color_space None became smpte170m", r"times: all shifted by 0\.0\d+ s",
            r"stream 1 \(aac\): [0-9.]+ s can be heard, then [0-9.]+ s"],
}


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
@pytest.mark.parametrize("name", FILMS)
def test_films(run, shared, tmp_path, name, extension):
    source = tmp_path / name
    clip_tools.ffmpeg("-i", shared / "video" / name, "-c", "copy", "-t", "0.4", source)
    found = outcome(run, tmp_path, name, extension)
    assert [line for line in found if not any(re.fullmatch(p, line) for p in FILMS_DIFFER[extension])] == []


@pytest.mark.parametrize("name", FILMS)
def test_moments_of_films(run, shared, tmp_path, name):
    """Frames and sound of a range, counted and timed against the whole film."""
    source, target = shared / "video" / name, tmp_path / "out.mkv"
    times = clip_tools.decoded_times(source)
    times = [t - times[0] for t in times]  # ranges count from the file's beginning
    start = math.floor(next(t for t in times if t >= 3) * 10**6)  # in microseconds; on a frame
    end = start + 350000
    done = run("upscale", source, "-ss", f"{start / 10**6:.6f}", "-t", "0.35", "-o", target, "--preset", "ultrafast",
               "--model", MODEL)
    assert done.returncode == 0 and "note:" not in done.stderr, done.stderr
    wanted = [t for t in times if start <= t * 10**6 < end]
    made = clip_tools.decoded_times(target)
    assert len(made) == len(wanted) and len(wanted) >= 3
    shift = made[0] - wanted[0]
    assert all(abs(a - b - shift) < 0.0011 for a, b in zip(made, wanted))
    assert len(clip_tools.streams(target)) == len(clip_tools.streams(source))
