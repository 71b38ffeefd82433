"""Colours, depth, shape and orientation of the picture."""

import subprocess

import numpy
import pytest

import clip_tools as clips

FAST = ("--preset", "ultrafast", "--force")

# Inside the RGB cube for BT.601 and BT.709, and far enough from grey that a wrong matrix or range
# moves them by more than the tolerance.
CODES = (120, 105, 155)


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, "--force", *options)
    assert done.returncode == 0, done.stderr
    return target


def middle(plane):
    rows, columns = plane.shape[1] // 4, plane.shape[2] // 4
    return plane[:, rows:-rows, columns:-columns]


def check_codes(path, codes, tolerance):
    for name, plane, code in zip("YUV", clips.planes(path), codes):
        worst = abs(middle(plane) - code).max()
        assert worst <= tolerance, f"{name} is off by {worst}"


@pytest.mark.parametrize("colour_range", ["tv", "pc"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc"])
def test_code_values_stay(run, tmp_path, matrix, colour_range):
    source = clips.flat_clip(tmp_path / "in.mkv", CODES, "-colorspace", matrix, "-color_range", colour_range)
    target = upscale(run, source, tmp_path / "out.mkv", "--codec", "ffv1")
    check_codes(target, CODES, 1)
    facts = clips.video(target)
    assert (facts["color_space"], facts["color_range"]) == (matrix, colour_range)


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p10le"])
def test_ten_bits_stay_ten(run, tmp_path, pix_fmt):
    codes = [4 * c + 1 for c in CODES]
    source = clips.flat_clip(tmp_path / "in.mkv", codes, "-colorspace", "bt709", pix_fmt=pix_fmt)
    target = upscale(run, source, tmp_path / "out.mkv", "--crf", "0", *FAST)
    assert clips.video(target)["pix_fmt"] == pix_fmt
    check_codes(target, codes, 4)


def test_ten_bit_ramp_has_more_than_256_levels(run, tmp_path):
    source = tmp_path / "in.mkv"
    ramp = numpy.tile(numpy.linspace(100, 900, 320).astype("<u2"), (16, 1))
    grey = numpy.full((16, 320), 512, "<u2")
    (tmp_path / "in.yuv").write_bytes(ramp.tobytes() + 2 * grey.tobytes())
    clips.ffmpeg("-f", "rawvideo", "-pix_fmt", "yuv444p10le", "-s", "320x16", "-i", tmp_path / "in.yuv", "-c:v", "ffv1", source)
    target = upscale(run, source, tmp_path / "out.mkv", "--codec", "ffv1")
    assert clips.video(target)["pix_fmt"] == "yuv444p10le"
    assert len(numpy.unique(clips.planes(target)[0])) > 300


@pytest.mark.parametrize("pix_fmt", ["yuv422p", "yuv444p"])
def test_chroma_subsampling_stays(run, tmp_path, pix_fmt):
    source = clips.flat_clip(tmp_path / "in.mkv", CODES, pix_fmt=pix_fmt)
    target = upscale(run, source, tmp_path / "out.mp4", *FAST)
    assert clips.video(target)["pix_fmt"] == pix_fmt


TAGS = ["color_range", "color_space", "color_transfer", "color_primaries", "chroma_location"]


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm"])
def test_colour_description_is_written(run, tmp_path, extension):
    source = clips.make_clip(
        tmp_path / "in.mkv", "-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084",
        "-color_range", "tv", "-chroma_sample_location", "topleft", "-pix_fmt", "yuv420p10le", "-x264-params",
        "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:chromaloc=2", size="32x32", seconds=0.2)
    target = upscale(run, source, tmp_path / f"out.{extension}", *FAST)
    old, new = clips.video(source), clips.video(target)
    assert old["color_transfer"] == "smpte2084" and old["chroma_location"] == "topleft"
    assert new["pix_fmt"] == "yuv420p10le"
    assert [new.get(tag) for tag in TAGS] == [old[tag] for tag in TAGS]


def test_untagged_stays_untagged_below_high_definition(run, tmp_path):
    source = clips.make_clip(tmp_path / "in.mp4", size="64x48", seconds=0.2)
    target = upscale(run, source, tmp_path / "out.mp4", *FAST)
    assert clips.video(target).get("color_space", "unknown") == "unknown"


def test_untagged_is_tagged_when_players_would_guess_anew(run, tmp_path):
    """Players take untagged pictures for BT.601 when small, BT.709 when large."""
    source = clips.flat_clip(tmp_path / "in.mkv", CODES, size="640x16", n_frames=1)
    assert clips.video(source).get("color_space", "unknown") == "unknown"
    target = upscale(run, source, tmp_path / "out.mkv", "--codec", "ffv1")
    assert clips.video(target)["color_space"] == "smpte170m"
    check_codes(target, CODES, 1)


def test_mastering_display_is_kept(run, tmp_path):
    source = tmp_path / "in.mp4"
    master = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    clips.ffmpeg(*clips.picture("64x64", 10, 0.2), "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le",
                 "-x265-params", f"log-level=none:hdr10=1:repeat-headers=1:master-display={master}:max-cll=1000,400", source)
    target = upscale(run, source, tmp_path / "out.mp4", *FAST)
    new = {s["side_data_type"]: s for s in clips.video(target)["side_data_list"]}
    assert new["Mastering display metadata"]["max_luminance"] == "10000000/10000"
    assert new["Content light level metadata"]["max_content"] == 1000


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_stays_in_mp4(run, tmp_path, degrees):
    plain = clips.make_clip(tmp_path / "plain.mp4", size="64x32", seconds=0.2)
    source = tmp_path / "in.mp4"
    clips.ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", f"rotate={degrees}", source)
    target = upscale(run, source, tmp_path / "out.mp4", *FAST)
    old, new = clips.video(source), clips.video(target)
    assert (new["width"], new["height"]) == (128, 64)
    assert new["side_data_list"][0]["rotation"] == old["side_data_list"][0]["rotation"] != 0


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied_for_containers_without_it(run, tmp_path, degrees):
    plain = clips.make_clip(tmp_path / "plain.mp4", "-aspect", "8:3", size="64x32", seconds=0.2)
    source = tmp_path / "in.mp4"
    clips.ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", f"rotate={degrees}", source)
    turned = upscale(run, source, tmp_path / "out.mkv", *FAST, "--crf", "5")
    facts = clips.video(turned)
    upright = degrees != 180
    assert (facts["width"], facts["height"]) == ((64, 128) if upright else (128, 64))
    assert facts["sample_aspect_ratio"] == ("3:4" if upright else "4:3")
    kept = upscale(run, source, tmp_path / "out.mp4", *FAST, "--crf", "5")
    seen = clips.ffmpeg("-i", kept, "-frames:v", 1, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    seen = numpy.frombuffer(seen, "u1").reshape(facts["height"], facts["width"], 3).astype(int)
    assert abs(seen - clips.rgb(turned)).mean() < 6


@pytest.mark.parametrize("extension", ["mp4", "mkv", "mov"])
def test_sample_aspect_ratio(run, tmp_path, extension):
    source = clips.make_clip(tmp_path / "in.mp4", "-vf", "setsar=12/11", size="48x32", seconds=0.2)
    target = upscale(run, source, tmp_path / f"out.{extension}", *FAST)
    assert clips.video(target)["sample_aspect_ratio"] == "12:11"


def test_odd_size(run, tmp_path):
    source = tmp_path / "in.mkv"
    clips.ffmpeg(*clips.picture("48x32", 10, 0.3), "-vf", "scale=43:25", "-pix_fmt", "yuv420p", "-c:v", "ffv1", source)
    target = upscale(run, source, tmp_path / "out.mp4", *FAST)
    facts = clips.video(target)
    assert (facts["width"], facts["height"], facts["pix_fmt"]) == (86, 50, "yuv420p")
    assert len(clips.decoded_times(target)) == 3


def test_picture_is_the_right_one(run, tmp_path):
    """Against ffmpeg's bicubic enlargement: nothing mirrored, swapped or shifted by a pixel."""
    source = clips.make_clip(tmp_path / "in.mkv", "-qp", "0", "-colorspace", "smpte170m", size="96x64", seconds=0.1)
    target = upscale(run, source, tmp_path / "out.mkv", "--codec", "ffv1")
    bicubic = tmp_path / "bicubic.mkv"
    clips.ffmpeg("-i", source, "-vf", "scale=192:128:flags=bicubic", "-c:v", "ffv1", bicubic)
    right = abs(clips.planes(target)[0] - clips.planes(bicubic)[0]).mean()
    shifted = abs(clips.planes(target)[0][:, :, 1:] - clips.planes(bicubic)[0][:, :, :-1]).mean()
    assert right < 5 and right < shifted
    for plane in (1, 2):
        assert abs(clips.planes(target)[plane] - clips.planes(bicubic)[plane]).mean() < 5


def test_transparency_is_kept(run, tmp_path):
    source = tmp_path / "in.mkv"
    clips.ffmpeg(*clips.picture("32x32", 10, 0.2), "-vf", "format=yuva420p,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)'"
                 ":a='if(gt(X,15),255,0)'", "-c:v", "ffv1", source)
    target = upscale(run, source, tmp_path / "out.mkv", "--codec", "ffv1")
    assert clips.video(target)["pix_fmt"] == "yuva420p"
    alpha = numpy.frombuffer(clips.ffmpeg("-i", target, "-frames:v", 1, "-vf", "alphaextract", "-f", "rawvideo", "-pix_fmt", "gray", "-"), "u1")
    alpha = alpha.reshape(64, 64).astype(int)
    assert alpha[:, :24].max() <= 2 and alpha[:, 40:].min() >= 253
    done = run("upscale", source, "-o", tmp_path / "out.mp4", *FAST)
    assert done.returncode == 0 and "transparency" in done.stderr


def test_two_passes(run, tmp_path):
    source = clips.make_clip(tmp_path / "in.mp4", size="32x24", seconds=0.5, sound=True)
    target = upscale(run, source, tmp_path / "out.mp4", *FAST, "--scale", "4")
    facts = clips.video(target)
    assert (facts["width"], facts["height"]) == (128, 96)
    assert clips.decoded_times(target) == clips.decoded_times(source)


def test_y4m_pipe(run, program, tmp_path):
    source = clips.make_clip(tmp_path / "in.mp4", "-vf", "setsar=4/3", "-color_range", "pc", size="48x32", rate=25, seconds=0.4, sound=True)
    target = tmp_path / "piped.mkv"
    pipe = subprocess.Popen([program, "upscale", source, "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    subprocess.run(["ffmpeg", "-v", "error", "-i", "-", "-c:v", "ffv1", target], stdin=pipe.stdout, check=True)
    pipe.stdout.close()
    message = pipe.stderr.read().decode()
    assert pipe.wait() == 0, message
    assert len([line for line in message.splitlines() if line.startswith("note:")]) == 1
    facts = clips.video(target)
    assert (facts["width"], facts["height"]) == (96, 64)
    assert (facts["r_frame_rate"], facts["sample_aspect_ratio"], facts["color_range"]) == ("25/1", "4:3", "pc")
    direct = upscale(run, source, tmp_path / "direct.mkv", "--codec", "ffv1")
    for a, b in zip(clips.planes(target, 10), clips.planes(direct, 10)):
        assert a.shape[0] == 10 and (a == b).all()


def test_y4m_of_variable_frame_rate_says_so(run, tmp_path):
    source = tmp_path / "in.mkv"
    clips.ffmpeg(*clips.picture("32x32", 50, 0.3), "-vf", "setpts='(N*N+N)/2/50/TB'", "-fps_mode", "passthrough",
                 "-c:v", "libx264", "-enc_time_base", "1/1000", source)
    done = run("upscale", source, "-o", "-")
    assert done.returncode == 0, done.stderr
    assert "timing" in done.stderr
    assert done.stdout.count(b"FRAME\n") >= len(clips.frame_times(source)) > 5


def test_y4m_ten_bits(run, tmp_path):
    codes = [4 * c + 1 for c in CODES]
    source = clips.flat_clip(tmp_path / "in.mkv", codes, "-colorspace", "smpte170m", pix_fmt="yuv420p10le")
    done = run("upscale", source, "-o", "-")
    assert done.returncode == 0, done.stderr
    target = tmp_path / "out.y4m"
    target.write_bytes(done.stdout)
    assert clips.video(target)["pix_fmt"] == "yuv420p10le"
    check_codes(target, codes, 4)


def test_pipe_in_and_out(run, tmp_path):
    source = clips.make_clip(tmp_path / "in.mkv", size="32x32", seconds=0.3, sound=True)
    done = run("upscale", "-", "-o", "-", "--format", "mkv", *FAST, input=source.read_bytes())
    assert done.returncode == 0, done.stderr
    target = tmp_path / "out.mkv"
    target.write_bytes(done.stdout)
    assert clips.frame_times(target) == clips.frame_times(source)
    assert clips.packet_md5(target, "a:0") == clips.packet_md5(source, "a:0")
