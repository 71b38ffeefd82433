"""What a picture says about itself: kept, made true for the new size, or dropped on request."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from picture_tools import (
    exif,
    field,
    gray_profile,
    header,
    p3_profile,
    pixels,
    psnr,
    scene,
    set_tags,
    srgb_profile,
    vips,
    write_png,
)

W, H = 48, 32


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, *options)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def photo(tmp_path):
    """A JPEG as a camera makes it."""
    path, thumbnail = tmp_path / "photo.jpg", tmp_path / "thumbnail.jpg"
    Image.fromarray(scene(W, H)).save(path, quality=95, icc_profile=p3_profile(tmp_path))
    Image.fromarray(scene(16, 12)).save(thumbnail)
    set_tags(
        path,
        "-Make=Pinhole & Co",
        "-Model=No. 7",
        "-DateTimeOriginal=2021:02:03 04:05:06",
        "-ExposureTime=0.004",
        "-GPSLatitude=48.5",
        "-GPSLatitudeRef=N",
        f"-ExifIFD:ExifImageWidth={W}",
        f"-ExifIFD:ExifImageHeight={H}",
        f"-IFD0:ImageWidth={W}",
        f"-IFD0:ImageHeight={H}",
        "-XResolution=240",
        "-YResolution=240",
        "-ResolutionUnit=inches",
        "-JFIF:XResolution=240",
        "-JFIF:YResolution=240",
        "-JFIF:ResolutionUnit=inches",
        "-XMP-dc:Creator=Ada",
        "-XMP-tiff:Orientation=1",
        "-IPTC:Caption-Abstract=a test",
        f"-ThumbnailImage<={thumbnail}",
    )
    assert "IFD1:ThumbnailImage" in exif(path, "-ThumbnailImage")
    return path


def test_jpeg_keeps_what_it_says(run, tmp_path, photo):
    target = tmp_path / "out.jpg"
    upscale(run, photo, target)
    before, after = exif(photo), exif(target)
    for tag in (
        "IFD0:Make",
        "IFD0:Model",
        "ExifIFD:DateTimeOriginal",
        "ExifIFD:ExposureTime",
        "GPS:GPSLatitude",
        "IFD0:XResolution",
        "IFD0:YResolution",
        "IFD0:ResolutionUnit",
        "XMP-dc:Creator",
        "IPTC:Caption-Abstract",
    ):
        assert after.get(tag) == before[tag], tag
    profiles = [Image.open(p).info["icc_profile"] for p in (photo, target)]
    assert profiles[0] == profiles[1]


def test_sizes_are_corrected_and_the_thumbnail_is_dropped(run, tmp_path, photo):
    target = tmp_path / "out.jpg"
    upscale(run, photo, target)
    after = exif(target, "-a")
    assert after["ExifIFD:ExifImageWidth"] == 2 * W
    assert after["ExifIFD:ExifImageHeight"] == 2 * H
    assert after["IFD0:ImageWidth"] == 2 * W
    assert after["IFD0:ImageHeight"] == 2 * H
    assert not [tag for tag in after if tag.startswith("IFD1:") or "Thumbnail" in tag]


def described(path):
    """The tags of a file that are more than the picture's shape."""
    groups = ("IFD", "ExifIFD", "GPS", "XMP", "IPTC", "ICC", "Photoshop")
    return [tag for tag in exif(path) if tag.startswith(groups)]


def test_strip(run, tmp_path, photo):
    target = tmp_path / "out.jpg"
    upscale(run, photo, target, "--strip")
    assert described(target) == []
    assert "icc_profile" not in Image.open(target).info


def test_strip_does_not_shift_colours(run, tmp_path):
    """Without its P3 profile the numbers must be those of sRGB."""
    wide = write_png(tmp_path / "wide.png", scene(W, H), icc=p3_profile(tmp_path))
    vips("icc_transform", wide, tmp_path / "narrow.png", "srgb", "--embedded")
    upscale(run, wide, tmp_path / "out.png", "--strip")
    size = (2 * W, 2 * H)
    narrow = np.asarray(Image.open(tmp_path / "narrow.png").resize(size, Image.BICUBIC))
    unconverted = np.asarray(Image.fromarray(scene(W, H)).resize(size, Image.BICUBIC))
    result = pixels(tmp_path / "out.png")
    assert psnr(result, narrow) > psnr(result, unconverted) + 3
    assert psnr(result, narrow) > 28


def test_strip_leaves_srgb_pixels_alone(run, tmp_path):
    tagged = write_png(tmp_path / "tagged.png", scene(W, H), icc=srgb_profile())
    plain = write_png(tmp_path / "plain.png", scene(W, H))
    upscale(run, tagged, tmp_path / "tagged_2x.png", "--strip")
    upscale(run, plain, tmp_path / "plain_2x.png")
    assert np.array_equal(pixels(tmp_path / "tagged_2x.png"), pixels(tmp_path / "plain_2x.png"))
    assert "icc_profile" not in Image.open(tmp_path / "tagged_2x.png").info


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_profile_is_identical(run, tmp_path, suffix):
    profile = p3_profile(tmp_path)
    source = write_png(tmp_path / "in.png", scene(W, H), icc=profile)
    target = tmp_path / f"out{suffix}"
    upscale(run, source, target)
    if suffix == ".avif":
        vips("copy", target, tmp_path / "avif.png")
        target = tmp_path / "avif.png"
    assert Image.open(target).info["icc_profile"] == profile


def test_profile_does_not_touch_the_pixels(run, tmp_path):
    wide = write_png(tmp_path / "wide.png", scene(W, H), icc=p3_profile(tmp_path))
    plain = write_png(tmp_path / "plain.png", scene(W, H))
    upscale(run, wide, tmp_path / "wide_2x.png")
    upscale(run, plain, tmp_path / "plain_2x.png")
    assert np.array_equal(pixels(tmp_path / "wide_2x.png"), pixels(tmp_path / "plain_2x.png"))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_gray_profile_is_kept(run, tmp_path, suffix):
    profile = gray_profile()
    source = write_png(tmp_path / "in.png", scene(W, H, 1), icc=profile)
    target = tmp_path / f"out{suffix}"
    upscale(run, source, target)
    assert header(target)[2] == 1
    assert Image.open(target).info["icc_profile"] == profile


def test_gray_profile_is_applied_where_the_format_has_no_gray(run, tmp_path):
    dark = write_png(
        tmp_path / "in.png", np.full((H, W, 1), 100, np.uint8), icc=gray_profile(1.0)
    )
    upscale(run, dark, tmp_path / "out.webp", "--lossless")
    result = pixels(tmp_path / "out.webp")
    # Linear 100/255 is 168 in sRGB's code.
    assert abs(result.mean() - 168) < 4
    profile = Image.open(tmp_path / "out.webp").info.get("icc_profile")
    assert profile is None or profile[16:20] == b"RGB "


def test_stripped_gray_stays_gray(run, tmp_path):
    dark = write_png(
        tmp_path / "in.png", np.full((H, W, 1), 100, np.uint8), icc=gray_profile(1.0)
    )
    upscale(run, dark, tmp_path / "out.png", "--strip")
    result = pixels(tmp_path / "out.png")
    assert result.shape == (2 * H, 2 * W, 1) and abs(result.mean() - 168) < 4


def upright_and_turned(tmp_path, suffix, orientation):
    """The same picture twice: upright, and stored turned with a tag that says so."""
    upright = Image.fromarray(scene(W, H))
    to_stored = {
        1: None,
        2: Image.FLIP_LEFT_RIGHT,
        3: Image.ROTATE_180,
        4: Image.FLIP_TOP_BOTTOM,
        5: Image.TRANSPOSE,
        6: Image.ROTATE_90,
        7: Image.TRANSVERSE,
        8: Image.ROTATE_270,
    }[orientation]
    stored = upright if to_stored is None else upright.transpose(to_stored)
    upright.save(tmp_path / f"upright{suffix}")
    stored.save(tmp_path / f"turned{suffix}")
    set_tags(tmp_path / f"turned{suffix}", f"-IFD0:Orientation#={orientation}")
    return tmp_path / f"upright{suffix}", tmp_path / f"turned{suffix}"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(run, tmp_path, suffix, orientation):
    upright, turned = upright_and_turned(tmp_path, suffix, orientation)
    target = tmp_path / f"out{suffix}"
    upscale(run, upright, tmp_path / "expected.png")
    upscale(run, turned, target)
    assert np.array_equal(pixels(target), pixels(tmp_path / "expected.png"))
    assert exif(target).get("IFD0:Orientation", 1) == 1


@pytest.mark.parametrize("target_name", ["out.jpg", "out.webp", "out.avif"])
def test_orientation_of_a_jpeg(run, tmp_path, target_name):
    stored = np.zeros((H, W, 3), np.uint8)
    stored[:, : W // 2] = (220, 30, 30)  # red on the left
    Image.fromarray(stored).save(tmp_path / "in.jpg", quality=95)
    set_tags(
        tmp_path / "in.jpg", "-IFD0:Orientation#=6", "-XMP-tiff:Orientation#=6", "-Make=Test"
    )
    target = tmp_path / target_name
    upscale(run, tmp_path / "in.jpg", target)
    assert header(target)[:2] == (2 * H, 2 * W)
    result = pixels(target).astype(int)
    assert result[: W // 2, :, 0].mean() > 180  # 6: the left side goes on top
    assert result[3 * W // 2 :, :, 0].mean() < 40
    after = exif(target)
    assert after.get("IFD0:Orientation", 1) == 1
    assert after.get("XMP-tiff:Orientation", 1) == 1


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_resolution_is_kept(run, tmp_path, suffix):
    source = write_png(tmp_path / "in.png", scene(W, H), dpi=300)
    target = tmp_path / f"out{suffix}"
    upscale(run, source, target)
    x, y = Image.open(target).info["dpi"]
    assert abs(x - 300) < 0.1 and abs(y - 300) < 0.1


def test_centimetres_stay_centimetres(run, tmp_path):
    Image.fromarray(scene(W, H)).save(tmp_path / "in.tif")
    set_tags(tmp_path / "in.tif", "-XResolution=118", "-YResolution=118", "-ResolutionUnit#=3")
    upscale(run, tmp_path / "in.tif", tmp_path / "out.tif")
    after = exif(tmp_path / "out.tif")
    assert after["IFD0:ResolutionUnit"] == 3
    assert abs(after["IFD0:XResolution"] - 118) < 0.1


def test_missing_resolution_is_not_made_absurd(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    upscale(run, source, tmp_path / "out.png")
    assert 71 < Image.open(tmp_path / "out.png").info["dpi"][0] < 73


def test_no_exif_is_made_up(run, tmp_path):
    Image.fromarray(scene(W, H)).save(tmp_path / "in.jpg")
    upscale(run, tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert described(tmp_path / "out.jpg") == []


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif", ".heic"])
def test_exif_and_xmp_go_into_other_formats(run, tmp_path, photo, suffix):
    target = tmp_path / f"out{suffix}"
    done = run("upscale", photo, "-o", target)
    if done.returncode == 4 and suffix in (".avif", ".heic"):
        pytest.skip(f"this libvips writes no {suffix}")
    assert done.returncode == 0, done.stderr
    after = exif(target)
    assert after["IFD0:Make"] == "Pinhole & Co"
    assert after["ExifIFD:DateTimeOriginal"] == "2021:02:03 04:05:06"
    assert after["ExifIFD:ExifImageWidth"] == 2 * W
    assert after["XMP-dc:Creator"] == "Ada"


def test_png_comments_are_kept(run, tmp_path):
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Title", "Night watch")
    Image.fromarray(scene(W, H)).save(tmp_path / "in.png", pnginfo=text)
    upscale(run, tmp_path / "in.png", tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").text["Title"] == "Night watch"


def test_tiff_says_what_it_cannot_hold(run, tmp_path, photo):
    done = upscale(run, photo, tmp_path / "out.tif")
    assert "EXIF" in done.stderr
    assert exif(tmp_path / "out.tif")["XMP-dc:Creator"] == "Ada"


def test_broken_profile_does_not_stop_the_job(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    image = Image.open(source)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", icc_profile=b"not a profile" * 20)
    (tmp_path / "in.jpg").write_bytes(buffer.getvalue())
    upscale(run, tmp_path / "in.jpg", tmp_path / "out.jpg")
    upscale(run, tmp_path / "in.jpg", tmp_path / "stripped.jpg", "--strip")
    assert header(tmp_path / "stripped.jpg")[:2] == (2 * W, 2 * H)
    assert field(tmp_path / "stripped.jpg", "icc-profile-data") is None


def test_large_turned_picture(run, tmp_path):
    """One whose pixels don't wait in memory while they are turned."""
    image = scene(370, 360, 4, 16)  # 1.07 MB
    upright = write_png(tmp_path / "upright.png", image)
    turned = write_png(tmp_path / "turned.png", np.ascontiguousarray(np.rot90(image)))
    set_tags(turned, "-IFD0:Orientation#=6")
    upscale(run, upright, tmp_path / "expected.png")
    spools = tmp_path / "spools"
    spools.mkdir()
    done = run(
        "upscale", turned, "-o", tmp_path / "out.png", env={**os.environ, "TMPDIR": str(spools)}
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(pixels(tmp_path / "out.png"), pixels(tmp_path / "expected.png"))
    assert list(spools.iterdir()) == []
