"""HDR: what describes it is kept, or its loss is refused."""

import struct

import pytest

import clip_tools as clips

UNSUPPORTED = 4
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
TAGS = ["color_range", "color_space", "color_transfer", "color_primaries"]


def hdr_clip(path, transfer="smpte2084", extra=":hdr10=1:repeat-headers=1:master-display=" + DISPLAY + ":max-cll=1000,400"):
    clips.ffmpeg(*clips.picture("64x64", 10, 0.3), "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le",
                 "-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-color_range", "tv",
                 "-x265-params", "log-level=none" + extra, path)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return hdr_clip(tmp_path_factory.mktemp("hdr") / "in.mp4")


def side_data(path, *options):
    """Of the first frame, and where a decoder does not give it, of the stream."""
    frame = clips.probe(path, "-select_streams", "v:0", "-show_frames", "-read_intervals", "%+#1", *options)["frames"][0]
    found = clips.video(path).get("side_data_list", []) + frame.get("side_data_list", [])
    return {entry["side_data_type"]: entry for entry in found}


def number(text):
    top, bottom = text.split("/")
    return int(top) / int(bottom)


@pytest.mark.parametrize("codec,extension,in_bitstream", [
    (None, "mp4", True), (None, "mkv", True), ("hevc", "ts", True), ("av1", "mkv", True), ("h264", "mp4", False),
    ("vp9", "webm", False), ("prores", "mov", False),
])
def test_hdr10_is_kept(run, tmp_path, clip, codec, extension, in_bitstream):
    target = tmp_path / f"out.{extension}"
    done = run("upscale", clip, "-o", target, *(["--codec", codec] if codec else []))
    assert done.returncode == 0, done.stderr
    assert [clips.video(target).get(tag) for tag in TAGS] == [clips.video(clip).get(tag) for tag in TAGS]
    sources = [target]
    if in_bitstream:
        # Through raw packets, so that only what the encoder wrote is left.
        raw = tmp_path / ("raw.hevc" if codec != "av1" else "raw.obu")
        clips.ffmpeg("-i", target, "-map", "0:v", "-c", "copy", raw)
        sources.append(raw)
    for path in sources:
        found = side_data(path)
        display, light = found["Mastering display metadata"], found["Content light level metadata"]
        for key, value in {"red_x": 0.68, "green_y": 0.69, "white_point_x": 0.3127, "max_luminance": 1000, "min_luminance": 0.005}.items():
            assert number(display[key]) == pytest.approx(value, rel=0.002)
        assert (light["max_content"], light["max_average"]) == (1000, 400)


def test_hlg_is_kept(run, tmp_path):
    source, target = hdr_clip(tmp_path / "in.mp4", "arib-std-b67", ""), tmp_path / "out.mkv"
    assert run("upscale", source, "-o", target).returncode == 0
    assert [clips.video(target).get(tag) for tag in TAGS] == [clips.video(source).get(tag) for tag in TAGS]
    assert clips.video(target)["pix_fmt"] == "yuv420p10le"


def refused(run, source, target, *options, word):
    done = run("upscale", source, "-o", target, *options)
    assert done.returncode == UNSUPPORTED, done.stderr
    assert f"--allow-lossy {word}" in done.stderr.splitlines()[-1]
    again = run("upscale", source, "-o", target, *options, "--allow-lossy", word)
    assert again.returncode == 0, again.stderr
    assert "note:" in again.stderr


def test_y4m_has_no_words_for_it(run, clip):
    refused(run, clip, "-", word="hdr")


def test_eight_bits(run, tmp_path, clip):
    refused(run, clip, tmp_path / "out.mkv", "--codec", "mpeg4", word="depth")
    assert run("upscale", clip, "-o", tmp_path / "named.mp4", "--codec", "h264", "--pix-fmt", "yuv420p").returncode == 0


def hdr10plus_sei():
    """A prefix SEI message of ST 2094-40, application version 1, one window, no curves."""
    bits = "{:08b}{:08b}".format(4, 1) + "01" + "{:027b}".format(400) + "0"
    bits += "{:017b}".format(1000) * 3 + "{:017b}".format(500) + "0000" + "{:010b}".format(0) + "0" + "0" + "0"
    bits += "0" * (-len(bits) % 8)
    payload = bytes([0xB5, 0x00, 0x3C, 0x00, 0x01]) + bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
    body = bytes([4, len(payload)]) + payload + b"\x80"
    for triple in (b"\0\0\0", b"\0\0\1", b"\0\0\2", b"\0\0\3"):
        body = body.replace(triple, b"\0\0\3" + triple[2:])
    return b"\0\0\0\1" + bytes([39 << 1, 1]) + body


def test_hdr10plus(run, tmp_path, clip):
    raw, marked, source = tmp_path / "in.hevc", tmp_path / "marked.hevc", tmp_path / "in.mkv"
    clips.ffmpeg("-i", clip, "-c", "copy", "-bsf:v", "hevc_mp4toannexb", raw)
    data, result, position = raw.read_bytes(), b"", 0
    while (found := data.find(b"\0\0\1", position)) >= 0:  # before each slice
        kind = data[found + 3] >> 1 & 63
        result += data[position:found] + (hdr10plus_sei() if kind < 32 else b"") + b"\0\0\1"
        position = found + 3
    marked.write_bytes(result + data[position:])
    clips.ffmpeg("-i", marked, "-c", "copy", "-bsf:v", "setts=pts=N*100:dts=N*100:time_base=1/1000", source)
    assert any("2094-40" in name for name in side_data(source))
    refused(run, source, tmp_path / "out.mkv", word="hdr10plus")
    assert not any("2094-40" in name for name in side_data(tmp_path / "out.mkv"))


def add_dolby_vision(data, profile):
    """An MP4 file, its index at the end, with a configuration box of Dolby Vision."""
    flags = profile << 9 | 1 << 3 | 1 << 2 | 1  # level 1, with an RPU and a base layer
    payload = bytes([1, 0]) + struct.pack(">H", flags) + bytes([0x10 if profile == 8 else 0]) + bytes(19)
    box = struct.pack(">I", 8 + len(payload)) + (b"dvvC" if profile > 7 else b"dvcC") + payload
    at = data.index(b"hvcC") - 4
    end = at + struct.unpack(">I", data[at:at + 4])[0]
    data = bytearray(data)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hev1"):
        start = data.index(name, data.index(b"moov")) - 4
        size = struct.unpack(">I", data[start:start + 4])[0]
        data[start:start + 4] = struct.pack(">I", size + len(box))
    return bytes(data[:end]) + box + bytes(data[end:])


@pytest.mark.parametrize("profile", [5, 8])
def test_dolby_vision(run, tmp_path, clip, profile):
    source = tmp_path / "in.mp4"
    source.write_bytes(add_dolby_vision(clip.read_bytes(), profile))
    assert side_data(source)["DOVI configuration record"]["dv_profile"] == profile
    if profile == 8:
        refused(run, source, tmp_path / "out.mkv", word="dolby-vision")
    else:
        done = run("upscale", source, "-o", tmp_path / "out.mkv", "--allow-lossy", "dolby-vision")
        assert done.returncode == UNSUPPORTED and "profile 5" in done.stderr
