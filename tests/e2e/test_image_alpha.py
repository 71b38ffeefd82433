"""Transparency: kept exactly where it is simple, and without halos where it is not."""

import numpy as np
import pytest
from PIL import Image

from picture_tools import header, pixels, psnr, scene, write_png


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, *options)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [2, 4])
def test_opaque_stays_opaque(run, tmp_path, channels, bits):
    image = scene(40, 30, channels, bits)
    image[:, :, -1] = 2**bits - 1
    upscale(run, write_png(tmp_path / "in.png", image), tmp_path / "out.png")
    alpha = pixels(tmp_path / "out.png")[:, :, -1]
    assert alpha.min() == 2**bits - 1


def test_opaque_colour_equals_rgb(run, tmp_path):
    """An alpha channel without effect must not change the colours."""
    image = scene(40, 30)
    opaque = np.dstack([image, np.full((30, 40), 255, np.uint8)])
    upscale(run, write_png(tmp_path / "rgb.png", image), tmp_path / "rgb_2x.png")
    upscale(run, write_png(tmp_path / "rgba.png", opaque), tmp_path / "rgba_2x.png")
    colours = pixels(tmp_path / "rgba_2x.png")[:, :, :3]
    assert np.array_equal(colours, pixels(tmp_path / "rgb_2x.png"))


def cut_out(width, height):
    """A disc of one colour on nothing."""
    y, x = np.mgrid[0:height, 0:width]
    inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2
    image = np.zeros((height, width, 4), np.uint8)
    image[inside] = (200, 60, 40, 255)
    return image, inside


# bf16 rounds what whole tiles hold, also what cancels out in an output that does not look so far.
@pytest.mark.parametrize("precision, most", [("fp32", 0), ("int8", 0), ("bf16", 1)])
def test_hidden_colour_has_no_effect(run, tmp_path, precision, most):
    image, inside = cut_out(60, 48)
    if run("upscale", write_png(tmp_path / "in.png", image), "-o", "-", "--precision", precision).returncode == 4:
        pytest.skip(f"this CPU has no {precision}")
    results = []
    for name, hidden in (("black", (0, 0, 0)), ("green", (0, 255, 0)), ("noise", None)):
        variant = image.copy()
        noise = np.random.default_rng(1).integers(0, 256, (48, 60, 3), np.uint8)
        variant[~inside, :3] = noise[~inside] if hidden is None else hidden
        source = write_png(tmp_path / f"{name}.png", variant)
        upscale(run, source, tmp_path / f"{name}_2x.png", "--precision", precision)
        results.append(pixels(tmp_path / f"{name}_2x.png").astype(int))
    for other in results[1:]:
        assert np.array_equal(results[0][:, :, 3], other[:, :, 3])
        visible = results[0][:, :, 3] > 0
        assert np.abs(results[0][visible] - other[visible]).max() <= most


def test_no_halo(run, tmp_path):
    image, _ = cut_out(60, 48)  # black under the transparent part
    upscale(run, write_png(tmp_path / "in.png", image), tmp_path / "out.png")
    result = pixels(tmp_path / "out.png").astype(int)
    edge = result[(result[:, :, 3] > 0)][:, :3]
    assert np.abs(edge - (200, 60, 40)).max() <= 12


def test_bands_leave_no_trace(run, tmp_path):
    """Rows are processed in bands; holes across their borders must be filled as if there were none.
    A picture of repeated content must come out repeated."""
    period = 16
    tile = np.zeros((period, 40, 4), np.uint8)
    tile[:, :, 3] = 255
    tile[:, :, :3] = scene(40, period)
    tile[4:12, 10:30] = (0, 255, 0, 0)
    image = np.concatenate([tile] * 14)
    upscale(run, write_png(tmp_path / "in.png", image), tmp_path / "out.png")
    result = pixels(tmp_path / "out.png")
    step, margin = 2 * period, 3 * 2 * period  # the network and the filling see 30 rows
    middle = result[margin:-margin]
    for top in range(step, len(middle) - step + 1, step):
        assert np.array_equal(middle[top : top + step], middle[:step])


def test_jpeg_target_is_laid_onto_white(run, tmp_path):
    image, _ = cut_out(60, 48)
    source = write_png(tmp_path / "in.png", image)
    done = upscale(run, source, tmp_path / "out.jpg", "--quality", "100")
    assert "transparency" in done.stderr and "white" in done.stderr
    assert header(tmp_path / "out.jpg") == (120, 96, 3, "uchar")
    result = pixels(tmp_path / "out.jpg").astype(int)
    assert result[:10, :10].min() >= 250
    assert np.abs(result[44:52, 56:64] - (200, 60, 40)).max() <= 8


def test_alpha_follows_bicubic(run, tmp_path):
    image = scene(48, 40, 4)
    upscale(run, write_png(tmp_path / "in.png", image), tmp_path / "out.png")
    alpha = pixels(tmp_path / "out.png")[:, :, 3]
    expected = np.asarray(Image.fromarray(image[:, :, 3]).resize((96, 80), Image.BICUBIC))
    assert psnr(alpha, expected) > 35
