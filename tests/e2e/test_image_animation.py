"""Animations frame by frame, and documents page by page."""

import numpy as np
import pytest
from PIL import Image

from picture_tools import field, header, pixels, scene, vips, write_png

W, H, FRAMES = 40, 28, 4
DELAYS = [70, 120, 200, 50]


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, *options)
    assert done.returncode == 0, done.stderr
    return done


def frames():
    """Frames that differ most where one ends and the next begins."""
    made = []
    for i in range(FRAMES):
        image = scene(W, H)
        image[: H // 2] = np.roll(image, 5 * i, 1)[: H // 2]
        image[-4:] = (255, 255, 255) if i % 2 else (0, 0, 0)
        made.append(Image.fromarray(image))
    return made


def save_animation(path, images, **options):
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=DELAYS, loop=3, **options
    )
    return path


def delays(path):
    return [int(text) for text in field(path, "delay").split()]


@pytest.mark.parametrize("source_suffix", [".webp", ".gif"])
@pytest.mark.parametrize("target_suffix", [".webp", ".gif"])
def test_timing_is_kept(run, tmp_path, source_suffix, target_suffix):
    options = {"lossless": True} if source_suffix == ".webp" else {}
    source = save_animation(tmp_path / f"in{source_suffix}", frames(), **options)
    target = tmp_path / f"out{target_suffix}"
    upscale(run, source, target)
    assert header(target)[:2] == (2 * W, 2 * H * FRAMES)
    assert field(target, "n-pages") == str(FRAMES)
    assert field(target, "page-height") == str(2 * H)
    assert delays(target) == DELAYS
    assert field(target, "loop") == field(source, "loop")
    opened = Image.open(target)
    assert opened.n_frames == FRAMES and opened.size == (2 * W, 2 * H)


@pytest.mark.parametrize("scale", [2, 4])
def test_each_frame_is_its_own_picture(run, tmp_path, scale):
    source = save_animation(tmp_path / "in.webp", frames(), lossless=True)
    upscale(run, source, tmp_path / "out.webp", "--lossless", "--scale", scale)
    result = pixels(tmp_path / "out.webp")[:, :, :3]
    stored = pixels(source)[:, :, :3]
    for i in range(FRAMES):
        write_png(tmp_path / "one.png", np.ascontiguousarray(stored[i * H : (i + 1) * H]))
        upscale(run, tmp_path / "one.png", tmp_path / f"one_{i}.png", "--scale", scale)
        top = scale * H * i
        alone = pixels(tmp_path / f"one_{i}.png")
        assert np.array_equal(result[top : top + scale * H], alone), f"frame {i}"


def test_transparent_animation_in_frames(run, tmp_path):
    """Colour must not be filled in from the neighbouring frame either."""
    images = []
    for i in range(FRAMES):
        image = np.zeros((H, W, 4), np.uint8)
        image[8:20, 10 + i : 25 + i] = (200, 40 * i, 60, 255)
        image[: i + 1] = (0, 0, 255, 255)
        images.append(Image.fromarray(image))
    source = save_animation(tmp_path / "in.webp", images, lossless=True, exact=True)
    upscale(run, source, tmp_path / "out.webp", "--lossless")
    result, stored = pixels(tmp_path / "out.webp"), pixels(source)
    assert result.shape == (2 * H * FRAMES, 2 * W, 4)
    for i in range(FRAMES):
        write_png(tmp_path / "one.png", np.ascontiguousarray(stored[i * H : (i + 1) * H]))
        upscale(run, tmp_path / "one.png", tmp_path / "one_2x.png", "--force")
        alone = pixels(tmp_path / "one_2x.png")
        frame = result[2 * H * i : 2 * H * (i + 1)]
        visible = alone[:, :, 3] > 0
        assert np.array_equal(frame[:, :, 3], alone[:, :, 3])
        assert np.array_equal(frame[visible], alone[visible])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_only_the_first_frame_where_nothing_moves(run, tmp_path, suffix):
    source = save_animation(tmp_path / "in.gif", frames())
    target = tmp_path / f"out{suffix}"
    done = upscale(run, source, target)
    assert f"first of {FRAMES} frames" in done.stderr
    assert header(target)[:2] == (2 * W, 2 * H)


def test_still_gif(run, tmp_path):
    frames()[0].save(tmp_path / "in.gif")
    upscale(run, tmp_path / "in.gif", tmp_path / "out.gif")
    assert header(tmp_path / "out.gif")[:2] == (2 * W, 2 * H)
    assert Image.open(tmp_path / "out.gif").n_frames == 1


def test_animated_gif_with_transparency(run, tmp_path):
    images = []
    for i in range(FRAMES):
        image = np.zeros((H, W, 4), np.uint8)
        image[6 : 20 + i, 10:25] = (200, 60 * i, 60, 255)
        images.append(Image.fromarray(image))
    source = save_animation(tmp_path / "in.gif", images, disposal=2)
    upscale(run, source, tmp_path / "out.gif")
    opened = Image.open(tmp_path / "out.gif")
    assert opened.n_frames == FRAMES
    for i in range(FRAMES):
        opened.seek(i)
        alpha = np.asarray(opened.convert("RGBA"))[:, :, 3]
        assert alpha[0, 0] == 0 and alpha[24, 34] == 255


def test_animation_through_pipes(run, tmp_path):
    source = save_animation(tmp_path / "in.gif", frames())
    done = run("upscale", "-", "-o", "-", "--format", "webp", input=source.read_bytes())
    assert done.returncode == 0, done.stderr
    (tmp_path / "out.webp").write_bytes(done.stdout)
    assert delays(tmp_path / "out.webp") == DELAYS
    assert header(tmp_path / "out.webp")[:2] == (2 * W, 2 * H * FRAMES)


def test_tiff_pages_are_kept(run, tmp_path):
    images = frames()
    images[0].save(tmp_path / "in.tif", save_all=True, append_images=images[1:])
    upscale(run, tmp_path / "in.tif", tmp_path / "out.tif")
    opened = Image.open(tmp_path / "out.tif")
    assert opened.n_frames == FRAMES and opened.size == (2 * W, 2 * H)
    result = pixels(tmp_path / "out.tif")
    images[2].save(tmp_path / "two.png")
    upscale(run, tmp_path / "two.png", tmp_path / "two_2x.png")
    assert np.array_equal(result[4 * H : 6 * H], pixels(tmp_path / "two_2x.png"))


def test_tiff_pages_of_different_sizes(run, tmp_path):
    images = [Image.fromarray(scene(W, H)), Image.fromarray(scene(W + 6, H))]
    images[0].save(tmp_path / "in.tif", save_all=True, append_images=images[1:])
    done = upscale(run, tmp_path / "in.tif", tmp_path / "out.tif")
    assert "first of 2 pages" in done.stderr
    assert Image.open(tmp_path / "out.tif").n_frames == 1


def test_tiff_pages_do_not_become_an_animation(run, tmp_path):
    images = frames()
    images[0].save(tmp_path / "in.tif", save_all=True, append_images=images[1:])
    done = upscale(run, tmp_path / "in.tif", tmp_path / "out.webp")
    assert f"first of {FRAMES} pages" in done.stderr
    assert header(tmp_path / "out.webp")[:2] == (2 * W, 2 * H)


def test_animated_png_says_so(run, tmp_path):
    import struct
    import zlib

    data = write_png(tmp_path / "still.png", scene(W, H)).read_bytes()
    control = struct.pack(">II", 1, 0)
    chunk = b"acTL" + control
    chunk = struct.pack(">I", 8) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "in.png").write_bytes(data[:33] + chunk + data[33:])
    done = upscale(run, tmp_path / "in.png", tmp_path / "out.png")
    assert "animated PNG" in done.stderr


def test_too_many_pixels_in_all_frames(run, tmp_path):
    source = save_animation(tmp_path / "in.gif", frames())
    done = run(
        "upscale", source, "-o", tmp_path / "out.gif", "--max-pixels", str(W * H * (FRAMES - 1))
    )
    assert done.returncode == 4
    assert "limit" in done.stderr
    assert not (tmp_path / "out.gif").exists()


def test_single_page_by_vips_is_no_animation(run, tmp_path):
    """A tall picture without page marks must stay one picture."""
    write_png(tmp_path / "tall.png", scene(16, 160))
    vips("copy", tmp_path / "tall.png", tmp_path / "tall.webp[lossless]")
    upscale(run, tmp_path / "tall.webp", tmp_path / "out.webp")
    assert Image.open(tmp_path / "out.webp").n_frames == 1
