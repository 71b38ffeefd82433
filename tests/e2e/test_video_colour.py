"""Colours of planar video, which the library itself converts, and of all other video, by libswscale."""

import numpy
import pytest

import clip_tools as clips

# 75 % bars: white, yellow, cyan, green, magenta, red, blue, black; R, G, B.
BARS = 0.75 * numpy.array(
    [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0)], float
)
LUMA_SHARES = {"smpte170m": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020nc": (0.2627, 0.0593)}
BAR_PX, HEIGHT_PX = 48, 56
SURROUND_PX = 18  # input pixels beside an edge that may change: 14 by the network, some by chroma filters


def bar_codes(matrix, colour_range, bits):
    """Y, Cb, Cr codes of each bar, by ITU-T H.273."""
    kr, kb = LUMA_SHARES[matrix]
    luma = BARS @ (kr, 1 - kr - kb, kb)
    cb, cr = (BARS[:, 2] - luma) / (2 - 2 * kb), (BARS[:, 0] - luma) / (2 - 2 * kr)
    unit, top = 2 ** (bits - 8), 2**bits - 1
    full = colour_range == "pc"
    codes = [luma * (top if full else 219 * unit) + (0 if full else 16 * unit)]
    codes += [chroma * (top if full else 224 * unit) + 128 * unit for chroma in (cb, cr)]
    return numpy.floor(numpy.array(codes) + 0.5).clip(0, top)


def write_raw(path, planes, pix_fmt, *output_options):
    """A lossless clip from arrays of codes of shape (frame, row, column)."""
    sample = "<u2" if "10" in pix_fmt else "u1"
    raw = path.with_suffix(".yuv")
    frames = zip(*(plane.astype(sample) for plane in planes))
    raw.write_bytes(b"".join(plane.tobytes() for frame in frames for plane in frame))
    _, rows, columns = planes[0].shape
    clips.ffmpeg("-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", f"{columns}x{rows}", "-r", 10, "-i", raw,
                 "-c:v", "ffv1", *output_options, path)
    assert clips.video(path)["pix_fmt"] == pix_fmt
    return path


def upscale(run, source, target, *options):
    """In fp32, whose own errors are the smallest: these tests are about conversions."""
    done = run("upscale", source, "-o", target, "--force", "--codec", "ffv1", "--precision", "fp32", *options)
    assert done.returncode == 0, done.stderr
    return target


def upscale_by_libswscale(run, source, target, *tags):
    """The same samples with opaque alpha, which the library does not take with planes."""
    pix_fmt = clips.video(source)["pix_fmt"].replace("yuv", "yuva")
    planes = clips.planes(source, 3)
    alpha = numpy.full_like(planes[0], 1023 if "10" in pix_fmt else 255)
    with_alpha = write_raw(target.with_suffix(".alpha.mkv"), [*planes, alpha], pix_fmt, *tags)
    upscale(run, with_alpha, target)
    assert clips.video(target)["pix_fmt"] == pix_fmt
    return target


def bar_means(path):
    """Of each plane the mean of each bar, away from its edges."""
    means = []
    for plane in clips.planes(path):
        bar = plane.shape[2] // len(BARS)
        edge = SURROUND_PX * bar // BAR_PX
        inside = plane[0, edge : plane.shape[1] - edge].reshape(-1, len(BARS), bar)
        means.append(inside[:, :, edge : bar - edge].mean((0, 2)))
    return numpy.array(means)


BAR_CASES = [
    *((pix_fmt, matrix, colour_range) for pix_fmt in ("yuv420p", "yuv420p10le")
      for matrix in ("smpte170m", "bt709", "bt2020nc") for colour_range in ("tv", "pc")),
    *((pix_fmt, matrix, colour_range) for pix_fmt in ("yuv422p", "yuv444p", "yuv422p10le", "yuv444p10le")
      for matrix, colour_range in (("smpte170m", "pc"), ("bt709", "tv"))),
]


@pytest.mark.parametrize("pix_fmt,matrix,colour_range", BAR_CASES)
def test_colour_bars(run, tmp_path, pix_fmt, matrix, colour_range):
    """The network itself moves a flat colour by up to 0.9 of an 8-bit code; the conversions do not."""
    bits = 10 if "10" in pix_fmt else 8
    codes = bar_codes(matrix, colour_range, bits)
    luma = numpy.repeat(codes[0], BAR_PX)[None, None].repeat(HEIGHT_PX, 1)
    across, down = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}[pix_fmt[3:6]]
    chroma = [numpy.repeat(c, BAR_PX // across)[None, None].repeat(HEIGHT_PX // down, 1) for c in codes[1:]]
    tags = ("-colorspace", matrix, "-color_range", colour_range)
    source = write_raw(tmp_path / "in.mkv", [luma, *chroma], pix_fmt, *tags)
    target = upscale(run, source, tmp_path / "out.mkv")
    assert clips.video(target)["pix_fmt"] == pix_fmt
    means = bar_means(target)
    other = bar_means(upscale_by_libswscale(run, source, tmp_path / "other.mkv", *tags))
    print("BAR", abs(means - codes).max(), abs(means - other).max())
    assert abs(means - codes).max() <= 2 ** (bits - 8)
    assert abs(means - other).max() <= 1


@pytest.mark.parametrize("pix_fmt,bits", [("bgr0", 8), ("gbrp10le", 10)])
def test_colour_bars_of_rgb(run, tmp_path, pix_fmt, bits):
    """Away from the edges; the channels of each pixel, or one plane for each."""
    codes = numpy.floor(BARS * (2**bits - 1) + 0.5)  # R, G, B of each bar
    picture = codes.repeat(BAR_PX, 0)[None].repeat(HEIGHT_PX, 0)
    in_planes = pix_fmt == "gbrp10le"
    stored = picture[..., [1, 2, 0]].transpose(2, 0, 1) if in_planes else numpy.dstack([picture[..., ::-1], picture[..., :1]])
    raw, source, target = tmp_path / "in.raw", tmp_path / "in.mkv", tmp_path / "out.mkv"
    raw.write_bytes(stored.astype("<u2" if in_planes else "u1").tobytes())
    clips.ffmpeg("-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", f"{picture.shape[1]}x{HEIGHT_PX}", "-i", raw, "-c:v", "ffv1", source)
    upscale(run, source, target)
    assert clips.video(target)["pix_fmt"] == pix_fmt
    data = numpy.frombuffer(clips.ffmpeg("-i", target, "-f", "rawvideo", "-"), "<u2" if in_planes else "u1").astype(int)
    height, width = 2 * HEIGHT_PX, 2 * picture.shape[1]
    made = data.reshape(3, height, width)[[2, 0, 1]].transpose(1, 2, 0) if in_planes else data.reshape(height, width, 4)[..., 2::-1]
    edge = 2 * SURROUND_PX
    bars = made[edge:-edge].reshape(height - 2 * edge, len(BARS), 2 * BAR_PX, 3)[:, :, edge:-edge]
    assert abs(bars.mean((0, 2)) - codes).max() <= 2 ** (bits - 8)


def psnr(path, other):
    """Over all samples of 4:2:0 frames, of 8 bits."""
    squares = [((a - b) ** 2).ravel() for a, b in zip(clips.planes(path, 3), clips.planes(other, 3))]
    return 10 * numpy.log10(255**2 / numpy.concatenate(squares).mean())


@pytest.mark.parametrize("location", ["left", "center", "topleft"])
def test_both_ways_agree(run, tmp_path, samples, location):
    photo, tags = tmp_path / "photo.mkv", ("-colorspace", "bt709", "-color_range", "tv", "-chroma_sample_location", location)
    clips.ffmpeg("-i", samples / "crystal.mp4", "-frames:v", 3, "-vf", "crop=151:99:40:30:exact=1", "-pix_fmt", "yuv420p", "-c:v", "ffv1", photo)
    source = write_raw(tmp_path / "in.mkv", clips.planes(photo, 3), "yuv420p", *tags)
    target = upscale(run, source, tmp_path / "out.mkv")
    other = upscale_by_libswscale(run, source, tmp_path / "other.mkv", *tags)
    facts = clips.video(target)
    assert (facts["width"], facts["height"]) == (302, 198)
    print("PSNR", clips.video(source).get("chroma_location"), psnr(target, other))
    assert psnr(target, other) >= 45


def test_samples_that_change_in_mid_stream(run, tmp_path):
    """Frames unlike the first are made like it."""
    parts = [
        clips.flat_clip(tmp_path / f"{pix_fmt}.ts", [scale * c for c in (120, 105, 155)], "-colorspace", "bt709",
                        pix_fmt=pix_fmt, size="64x48")
        for pix_fmt, scale in (("yuv420p", 1), ("yuv444p10le", 4), ("yuv420p", 1))
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    target = upscale(run, joined, tmp_path / "out.mkv")
    planes = clips.planes(target, 6)
    assert planes[0].shape == (6, 96, 128)
    for plane, code in zip(planes, (120, 105, 155)):
        assert abs(plane[:, 16:-16, 16:-16] - code).max() <= 1


@pytest.mark.parametrize("pix_fmt", ["yuv422p10le", "gray"])
def test_two_passes_of_planes(run, tmp_path, pix_fmt):
    """Odd sizes; the middle keeps its code."""
    source, flat = tmp_path / "in.mkv", {"yuv422p10le": (480, 420, 620), "gray": (120,)}[pix_fmt]
    shapes = [(1, 23, 37), (1, 23, 19), (1, 23, 19)]
    write_raw(source, [numpy.full(shape, code) for shape, code in zip(shapes, flat)], pix_fmt, "-colorspace", "bt709")
    target = upscale(run, source, tmp_path / "out.mkv", "--scale", "4")
    facts = clips.video(target)
    assert (facts["width"], facts["height"], facts["pix_fmt"]) == (148, 92, pix_fmt)
    data = clips.ffmpeg("-i", target, "-f", "rawvideo", "-")
    luma = numpy.frombuffer(data, "<u2" if "10" in pix_fmt else "u1")[: 148 * 92].reshape(92, 148).astype(int)
    assert abs(luma[30:-30, 30:-30] - flat[0]).max() <= (8 if "10" in pix_fmt else 2)
