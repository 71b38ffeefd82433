"""Damaged and unsuitable videos: a clear line, the right exit status, nothing left over."""

import os
import resource
import signal
import subprocess
import time

import pytest

import clip_tools as clips

INTERNAL, INPUT, UNSUPPORTED, OUTPUT, USAGE = 1, 3, 4, 5, 2


def refused(run, tmp_path, source, status, *words, target="out.mp4", options=(), **how):
    """The program fails with the status; its one line has the words; no output, nor a part of one."""
    before = set(tmp_path.iterdir())
    done = run("upscale", source, "-o", tmp_path / target, *options, **how)
    assert done.returncode == status, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]
    assert set(tmp_path.iterdir()) == before


@pytest.fixture
def clip(tmp_path):
    return clips.make_clip(tmp_path / "in.mp4", size="64x48", rate=10, seconds=2, sound=True)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_without_index(run, tmp_path, clip, share):
    data = clip.read_bytes()
    assert data.find(b"moov") > 0.9 * share * len(data)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: min(int(share * len(data)), data.find(b"moov") - 10)])
    refused(run, tmp_path, cut, INPUT, "cut.mp4", "moov" if share > 0.1 else "cut.mp4")


def test_truncated_behind_index(run, tmp_path, clip):
    whole, cut, target = tmp_path / "whole.mp4", tmp_path / "cut.mp4", tmp_path / "out.mp4"
    clips.ffmpeg("-i", clip, "-c", "copy", "-movflags", "+faststart", whole)
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 3 // 5])
    done = run("upscale", cut, "-o", target, "--preset", "ultrafast")
    assert done.returncode == 0, done.stderr
    assert "incomplete" in done.stderr
    assert 3 <= len(clips.decoded_times(target)) < 20


def test_damaged_packets_are_counted(run, tmp_path, clip):
    bad, target = tmp_path / "bad.mkv", tmp_path / "out.mp4"
    clips.ffmpeg("-i", clip, "-c", "copy", "-bsf:v", "noise=amount=if(between(n\\,5\\,8)\\,1\\,0)", bad)
    expected = len(clips.decoded_times(bad))
    assert 10 < expected < 20
    done = run("upscale", bad, "-o", target, "--preset", "ultrafast")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("note:") and "damaged packet" in line]
    assert len(clips.decoded_times(target)) == expected
    assert clips.packet_md5(target, "a:0") == clips.packet_md5(clip, "a:0")


def test_no_frame_can_be_decoded(run, tmp_path, clip):
    bad = tmp_path / "bad.mkv"
    clips.ffmpeg("-i", clip, "-c", "copy", "-bsf:v", "noise=amount=1", bad)
    refused(run, tmp_path, bad, INPUT, "bad.mkv")


def declare_size(clip, path, width, height):
    """The same MP4 with another size in its sample description; the bitstream keeps its own."""
    data = bytearray(clip.read_bytes())
    at = data.index(b"avc1", data.index(b"stsd")) + 28
    assert data[at : at + 4] == (64).to_bytes(2, "big") + (48).to_bytes(2, "big")
    data[at : at + 4] = width.to_bytes(2, "big") + height.to_bytes(2, "big")
    path.write_bytes(data)
    return path


def limit_memory():
    # The address sanitizer reserves terabytes; what it thinks too much to allocate it reports itself.
    if "ASAN_OPTIONS" in os.environ:
        return
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))


def test_size_bombs(run, tmp_path, clip):
    """A few bytes that promise gigapixels: refused by the header, before memory is asked for."""
    bomb = declare_size(clip, tmp_path / "bomb.mp4", 65535, 65535)
    refused(run, tmp_path, bomb, UNSUPPORTED, "65535x65535", "too large", "--max-pixels", preexec_fn=limit_memory)
    refused(run, tmp_path, declare_size(clip, bomb, 65535, 2000), UNSUPPORTED, "65535x2000", preexec_fn=limit_memory)
    y4m = tmp_path / "bomb.y4m"
    y4m.write_bytes(b"YUV4MPEG2 W65535 H65535 F25:1 Ip A1:1 C420\nFRAME\n" + bytes(1000))
    refused(run, tmp_path, y4m, INPUT, "65535x65535", preexec_fn=limit_memory)
    y4m.write_bytes(b"YUV4MPEG2 W16000 H16000 F25:1 Ip A1:1 C420\nFRAME\n" + bytes(1000))
    refused(run, tmp_path, y4m, UNSUPPORTED, "16000x16000", "too large", preexec_fn=limit_memory)


def test_max_pixels(run, tmp_path, clip):
    refused(run, tmp_path, clip, UNSUPPORTED, "64x48", "at most 3071 pixels", options=("--max-pixels", "3071"))
    done = run("upscale", clip, "-o", tmp_path / "out.mp4", "--max-pixels", "3072", "-t", "0.1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_zero_frames(run, tmp_path, extension):
    empty = tmp_path / f"empty.{extension}"
    clips.ffmpeg(*clips.picture(), "-t", 0, "-c:v", "libx264", "-pix_fmt", "yuv420p", empty)
    refused(run, tmp_path, empty, INPUT, empty.name)


def test_sound_only(run, tmp_path):
    sound = tmp_path / "sound.mp4"
    clips.ffmpeg(*clips.tone(0.5), "-c:a", "aac", sound)
    refused(run, tmp_path, sound, UNSUPPORTED, "no video stream")


@pytest.mark.parametrize("options,words", [
    (["--codec", "h265x"], ["h265x"]),
    (["--codec", "aac"], ["aac"]),
    (["--preset", "warp"], ["warp"]),
    (["--codec", "av1", "--preset", "warp"], ["warp"]),
    (["--codec", "ffv1", "--crf", "20"], ["crf"]),
    (["--crf", "60"], ["60"]),
])
def test_unusable_encoder_options(run, tmp_path, clip, options, words):
    refused(run, tmp_path, clip, UNSUPPORTED, *words, target="out.mkv", options=options)


def test_codec_that_the_container_cannot_hold(run, tmp_path, clip):
    refused(run, tmp_path, clip, UNSUPPORTED, "webm", "h264", target="out.webm", options=["--codec", "h264"])


def test_playlists_are_refused(run, tmp_path, clip):
    for name, text in {
        "list.mkv": f"ffconcat version 1.0\nfile {clip.name}\n",
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{clip.name}\n#EXT-X-ENDLIST\n",
    }.items():
        (tmp_path / name).write_text(text)
        before = set(tmp_path.iterdir())
        done = run("upscale", tmp_path / name, "-o", tmp_path / "out.mp4")
        assert done.returncode in (INPUT, UNSUPPORTED), done.stderr
        assert set(tmp_path.iterdir()) == before


def test_names_are_not_urls(run, tmp_path, clip):
    odd = tmp_path / "concat:a|b %d.mp4"
    clip.rename(odd)
    done = run("upscale", odd, "-o", tmp_path / "http:out%d.mp4", "--preset", "ultrafast", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "http:out%d.mp4").is_file()


def test_changing_size_is_refused(run, tmp_path):
    parts = [clips.make_clip(tmp_path / f"{size}.ts", size=size, seconds=0.4) for size in ("32x32", "48x48")]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    refused(run, tmp_path, joined, UNSUPPORTED, "32x32", "48x48")


def test_frames_that_the_encoder_drops(run, tmp_path, clip):
    """An encoder that may leave frames out to keep to a rate is no reason to have fewer."""
    starved = "b=1k:minrate=1k:maxrate=1k:bufsize=1k:deadline=realtime:drop-threshold=99:crf=-1:cpu-used=8"
    refused(run, tmp_path, clip, INTERNAL, "of 20", "incomplete", target="out.mkv",
            options=["--codec", "libvpx-vp9", "--encoder-opts", starved])


def test_giant_frames(run, tmp_path):
    """What headers say is not believed at any price."""
    clip = tmp_path / "in.mov"
    clips.ffmpeg(*clips.picture("32x32", 10, 0.2), "-c:v", "qtrle", clip)
    data = bytearray(clip.read_bytes())
    size = data.index(b"rle ", data.index(b"stsd")) + 28
    data[size:size + 4] = (8200).to_bytes(2, "big") * 2
    clip.write_bytes(data)
    refused(run, tmp_path, clip, UNSUPPORTED, "8200x8200", "too large", "67108864")
    drawn = tmp_path / "in.y4m"
    drawn.write_bytes(b"YUV4MPEG2 W20000 H4000 F25:1 C420jpeg\nFRAME\n" + bytes(1000))
    refused(run, tmp_path, drawn, UNSUPPORTED, "20000x4000", "too large")


def test_closed_pipe(program, tmp_path, clip):
    pipe = subprocess.Popen([program, "upscale", clip, "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert pipe.stdout.read(100).startswith(b"YUV4MPEG2 ")
    pipe.stdout.close()
    message = pipe.stderr.read().decode()
    assert pipe.wait(timeout=60) == OUTPUT, message
    assert "closed" in message


def test_full_disk(run, tmp_path, clip):
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        done = run("upscale", clip, "-o", small / "out.mkv", "--codec", "ffv1")
        assert done.returncode == OUTPUT, done.stderr
        assert "No space left" in done.stderr
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_interruption(program, tmp_path):
    clip = clips.make_clip(tmp_path / "in.mp4", size="640x480", rate=30, seconds=10)
    running = subprocess.Popen([program, "upscale", clip, "-o", tmp_path / "out.mp4"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.5)
    assert running.poll() is None, "finished before it could be interrupted"
    sent = time.monotonic()
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)
    assert running.returncode == 128 + signal.SIGINT or running.returncode == -signal.SIGINT
    assert time.monotonic() - sent < 5
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
