"""What travels beside the picture arrives as it was."""

import pytest

import clip_tools as clips

FAST = ("--preset", "ultrafast", "--force")
SUBTITLES = "1\n00:00:00,100 --> 00:00:00,400\nOne\n\n2\n00:00:00,500 --> 00:00:00,800\nTwo & three\n"
METADATA = """;FFMETADATA1
title=A title
artist=Someone
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


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, *FAST, *options)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def rich(tmp_path):
    """make(extension): a clip with two sounds, subtitles, chapters, titles and languages."""
    (tmp_path / "s.srt").write_text(SUBTITLES)
    (tmp_path / "m.txt").write_text(METADATA)

    def make(extension):
        path = tmp_path / f"rich.{extension}"
        clips.ffmpeg(
            *clips.picture("32x32", 10, 1), *clips.tone(1, 440), *clips.tone(1, 880),
            "-i", tmp_path / "s.srt", "-i", tmp_path / "m.txt",
            "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map_metadata", "4", "-map_chapters", "4",
            "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-c:s", "mov_text" if extension == "mp4" else "srt",
            "-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra",
            "-disposition:a:0", "0", "-disposition:a:1", "default", path)
        return path

    return make


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_everything_is_kept(run, tmp_path, rich, extension):
    source, target = rich(extension), tmp_path / f"out.{extension}"
    done = upscale(run, source, target)
    assert "dropped" not in done.stderr
    old, new = clips.streams(source), clips.streams(target)
    kinds = [s["codec_type"] for s in new if s["codec_type"] != "data"]
    assert kinds == [s["codec_type"] for s in old if s["codec_type"] != "data"]
    for stream in ("a:0", "a:1", "s:0"):
        assert clips.packet_md5(target, stream) == clips.packet_md5(source, stream)
        assert clips.packet_list(target, stream) == clips.packet_list(source, stream)
    for a, b in zip(clips.streams(source, "audio"), clips.streams(target, "audio")):
        assert b["tags"]["language"] == a["tags"]["language"]
        assert b["disposition"] == a["disposition"]
    chapters = clips.probe(target, "-show_chapters")["chapters"]
    assert [(c["start_time"], c["end_time"], c["tags"]["title"]) for c in chapters] == [
        ("0.000000", "0.400000", "First"), ("0.400000", "1.000000", "Second")]
    tags = {k.lower(): v for k, v in clips.probe(target, "-show_format")["format"]["tags"].items()}
    assert (tags["title"], tags["artist"]) == ("A title", "Someone")


def test_strip(run, tmp_path, rich):
    target = tmp_path / "out.mp4"
    upscale(run, rich("mp4"), target, "--strip")
    tags = clips.probe(target, "-show_format")["format"]["tags"]
    assert "title" not in tags and "artist" not in tags
    assert clips.packet_md5(target, "a:1") == clips.packet_md5(tmp_path / "rich.mp4", "a:1")


def test_what_the_container_cannot_hold_is_named(run, tmp_path, rich):
    source, target = rich("mkv"), tmp_path / "out.mp4"
    done = upscale(run, source, target)
    notes = [line for line in done.stderr.splitlines() if "dropped" in line]
    assert len(notes) == 1 and "subrip" in notes[0] and "mp4" in notes[0]
    assert [s["codec_type"] for s in clips.streams(target)][:3] == ["video", "audio", "audio"]
    assert clips.packet_md5(target, "a:0") == clips.packet_md5(source, "a:0")


def test_webm_takes_opus_but_not_aac(run, tmp_path):
    source = clips.make_clip(tmp_path / "in.mkv", "-c:a", "libopus", size="32x32", seconds=0.5, sound=True)
    target = tmp_path / "out.webm"
    assert "dropped" not in upscale(run, source, target).stderr
    assert clips.packet_md5(target, "a:0") == clips.packet_md5(source, "a:0")
    source = clips.make_clip(tmp_path / "in.mp4", size="32x32", seconds=0.5, sound=True)
    done = upscale(run, source, target)
    assert "aac" in done.stderr and "webm" in done.stderr
    assert [s["codec_type"] for s in clips.streams(target)] == ["video"]


def test_attachment(run, tmp_path):
    font = tmp_path / "font.ttf"
    font.write_bytes(bytes(range(256)) * 9)
    source = clips.make_clip(tmp_path / "in.mkv", "-attach", font, "-metadata:s:t", "mimetype=application/x-truetype-font",
                             size="32x32", seconds=0.3)
    target = tmp_path / "out.mkv"
    upscale(run, source, target, "--strip")
    saved = tmp_path / "saved.ttf"
    clips.ffmpeg("-dump_attachment:t:0", saved, "-i", target, "-f", "null", "-")
    assert saved.read_bytes() == font.read_bytes()
    assert clips.streams(target, "attachment")[0]["tags"]["filename"] == "font.ttf"


@pytest.fixture
def covered(tmp_path):
    """A clip in MP4 with a cover picture, and the cover's bytes."""
    cover = tmp_path / "cover.jpg"
    clips.ffmpeg(*clips.picture("40x40", 1, 1, "mandelbrot").copy()[:-1], "mandelbrot=size=40x40", "-frames:v", 1, cover)
    plain = clips.make_clip(tmp_path / "plain.mp4", size="32x32", seconds=0.5, sound=True)
    source = tmp_path / "covered.mp4"
    clips.ffmpeg("-i", plain, "-i", cover, "-map", 0, "-map", 1, "-c", "copy", "-disposition:v:1", "attached_pic", source)
    return source, cover.read_bytes()


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_cover(run, tmp_path, covered, extension):
    source, cover = covered
    target = tmp_path / f"out.{extension}"
    upscale(run, source, target)
    videos = clips.streams(target, "video")
    assert [(v["width"], v["disposition"]["attached_pic"]) for v in videos] == [(64, 0), (40, 1)]
    assert clips.ffmpeg("-i", target, "-map", "0:v:1", "-c", "copy", "-f", "image2pipe", "-") == cover
    assert clips.packet_md5(target, "a:0") == clips.packet_md5(source, "a:0")


def test_second_video_stream_is_copied(run, tmp_path):
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    clips.ffmpeg(*clips.picture("32x24", 10, 0.5), *clips.picture("64x48", 10, 0.5), "-map", 0, "-map", 1,
                 "-c:v", "libx264", "-pix_fmt", "yuv420p", source)
    upscale(run, source, target)
    assert [v["width"] for v in clips.streams(target, "video")] == [32, 128]
    assert clips.packet_md5(target, "v:0") == clips.packet_md5(source, "v:0")


def test_no_sound(run, tmp_path):
    target = tmp_path / "out.mp4"
    upscale(run, clips.make_clip(tmp_path / "in.mp4", size="32x32", seconds=0.3), target)
    assert [s["codec_type"] for s in clips.streams(target)] == ["video"]


def test_sound_long_before_and_after_the_picture(run, tmp_path):
    """The order of packets in the output does not depend on how the input was interleaved."""
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    clips.ffmpeg(*clips.tone(30), "-itsoffset", 12, *clips.picture("32x32", 10, 0.5), "-map", "1:v", "-map", "0:a",
                 "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", source)
    upscale(run, source, target)
    assert clips.packet_list(target, "a:0") == clips.packet_list(source, "a:0")
    assert clips.frame_times(target) == clips.frame_times(source)
