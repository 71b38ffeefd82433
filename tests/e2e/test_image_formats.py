"""Every picture format: size, channels and depth of what comes out."""

import numpy as np
import pytest
from PIL import Image

from picture_tools import header, pixels, psnr, scene, vips, write_png

W, H = 48, 31


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, *options)
    assert done.returncode == 0, done.stderr
    return done


def enlarged(image):
    """Bicubic, by Pillow: what the result must resemble."""
    size = (image.shape[1] * 2, image.shape[0] * 2)
    return np.asarray(Image.fromarray(image).resize(size, Image.BICUBIC))


def can_write(suffix, tmp_path):
    """Does the installed libvips encode this format at all?"""
    probe = tmp_path / "probe.png"
    Image.new("RGB", (16, 16)).save(probe)
    try:
        vips("copy", probe, tmp_path / f"probe{suffix}")
    except Exception:
        return False
    return True


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_keeps_channels_and_depth(run, tmp_path, channels, bits):
    image = scene(W, H, channels, bits)
    source, target = write_png(tmp_path / "in.png", image), tmp_path / "out.png"
    upscale(run, source, target)
    kind = "uchar" if bits == 8 else "ushort"
    assert header(target) == (2 * W, 2 * H, channels, kind)
    coarse = (pixels(target) >> (bits - 8)).astype(np.uint8)
    colours = channels if channels in (1, 3) else channels - 1
    small = np.squeeze((image >> (bits - 8)).astype(np.uint8)[:, :, :colours])
    assert psnr(np.squeeze(coarse[:, :, :colours]), enlarged(small)) > 25


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_are_real(run, tmp_path, suffix):
    ramp = np.repeat(np.linspace(20000, 24000, 64).astype(np.uint16)[None, :, None], 24, 0)
    source = write_png(tmp_path / "in.png", np.repeat(ramp, 3, 2))
    target = tmp_path / f"out{suffix}"
    upscale(run, source, target)
    result = pixels(target)
    assert result.dtype == np.uint16
    assert len(np.unique(result)) > 100  # 16 levels of 8 bits lie in this range
    assert abs(int(result.mean()) - 22000) < 300


def test_palette_and_one_bit_png(run, tmp_path):
    image = Image.fromarray(scene(W, H))
    image.convert("P", palette=Image.ADAPTIVE).save(tmp_path / "palette.png")
    image.convert("1").save(tmp_path / "one.png")
    upscale(run, tmp_path / "palette.png", tmp_path / "palette_2x.png")
    upscale(run, tmp_path / "one.png", tmp_path / "one_2x.png")
    assert header(tmp_path / "palette_2x.png") == (2 * W, 2 * H, 3, "uchar")
    assert header(tmp_path / "one_2x.png") == (2 * W, 2 * H, 1, "uchar")
    one = pixels(tmp_path / "one_2x.png")
    assert one.min() < 30 and one.max() > 225


def test_palette_png_with_transparency(run, tmp_path):
    image = Image.fromarray(scene(W, H)).convert("P", palette=Image.ADAPTIVE)
    image.save(tmp_path / "in.png", transparency=image.getpixel((0, 0)))
    upscale(run, tmp_path / "in.png", tmp_path / "out.png")
    assert header(tmp_path / "out.png") == (2 * W, 2 * H, 4, "uchar")


def test_interlaced_png_equals_plain(run, tmp_path):
    write_png(tmp_path / "plain.png", scene(W, H))
    vips("pngsave", tmp_path / "plain.png", tmp_path / "laced.png", "--interlace")
    assert (tmp_path / "laced.png").read_bytes()[28] == 1
    for name in ("plain", "laced"):
        upscale(run, tmp_path / f"{name}.png", tmp_path / f"{name}_2x.png")
    assert np.array_equal(pixels(tmp_path / "plain_2x.png"), pixels(tmp_path / "laced_2x.png"))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg(run, tmp_path, mode, progressive):
    image = Image.fromarray(scene(W, H)).convert(mode)
    image.save(tmp_path / "in.jpg", quality=95, progressive=progressive)
    upscale(run, tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert header(tmp_path / "out.jpg") == (2 * W, 2 * H, len(mode), "uchar")
    assert psnr(np.squeeze(pixels(tmp_path / "out.jpg")), enlarged(np.asarray(image))) > 25


def test_jpeg_quality_is_obeyed(run, tmp_path):
    write_png(tmp_path / "in.png", scene(96, 64))
    upscale(run, tmp_path / "in.png", tmp_path / "low.jpg", "--quality", "30")
    upscale(run, tmp_path / "in.png", tmp_path / "default.jpg")
    upscale(run, tmp_path / "in.png", tmp_path / "high.jpg", "--quality", "100")
    sizes = [(tmp_path / f"{n}.jpg").stat().st_size for n in ("low", "default", "high")]
    assert sizes[0] < 0.7 * sizes[1] and sizes[1] < 0.7 * sizes[2]


def test_cmyk_jpeg_becomes_srgb(run, tmp_path):
    write_png(tmp_path / "rgb.png", scene(W, H))
    cmyk = tmp_path / "cmyk.jpg"
    vips("icc_transform", tmp_path / "rgb.png", f"{cmyk}[Q=98]", "cmyk", "--input-profile", "srgb")
    assert Image.open(cmyk).mode == "CMYK"
    reference = tmp_path / "reference.png"
    vips("icc_transform", cmyk, reference, "srgb", "--embedded")
    done = upscale(run, cmyk, tmp_path / "out.jpg")
    assert "CMYK" in done.stderr
    assert header(tmp_path / "out.jpg") == (2 * W, 2 * H, 3, "uchar")
    assert psnr(pixels(tmp_path / "out.jpg"), enlarged(pixels(reference))) > 25
    # The CMYK profile no longer fits.
    profile = Image.open(tmp_path / "out.jpg").info.get("icc_profile")
    assert profile is None or profile[16:20] == b"RGB "


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_webp(run, tmp_path, mode):
    image = Image.fromarray(scene(W, H, len(mode) if mode != "L" else 3))
    image.convert(mode).save(tmp_path / "in.webp", quality=95)
    upscale(run, tmp_path / "in.webp", tmp_path / "out.webp")
    assert header(tmp_path / "out.webp") == (2 * W, 2 * H, 4 if mode == "RGBA" else 3, "uchar")


def test_lossless_webp_equals_png(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    upscale(run, source, tmp_path / "out.webp", "--lossless")
    upscale(run, source, tmp_path / "out.png")
    assert np.array_equal(pixels(tmp_path / "out.webp"), pixels(tmp_path / "out.png"))


def test_gray_goes_to_webp_as_colour(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H, 1))
    upscale(run, source, tmp_path / "out.webp", "--lossless")
    result = pixels(tmp_path / "out.webp")
    assert result.shape == (2 * H, 2 * W, 3)
    assert np.array_equal(result[:, :, 0], result[:, :, 1])
    assert np.array_equal(result[:, :, 0], result[:, :, 2])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_equals_png(run, tmp_path, channels, bits):
    source = write_png(tmp_path / "in.png", scene(W, H, channels, bits))
    vips("copy", source, tmp_path / "in.tif")
    upscale(run, source, tmp_path / "out.png")
    upscale(run, tmp_path / "in.tif", tmp_path / "out.tif")
    expected, result = pixels(tmp_path / "out.png"), pixels(tmp_path / "out.tif")
    assert result.dtype == expected.dtype and np.array_equal(result, expected)


@pytest.mark.parametrize("options", ["[compression=lzw]", "[tile]", "[compression=jpeg,Q=95]"])
def test_tiff_layouts(run, tmp_path, options):
    write_png(tmp_path / "in.png", scene(160, 140))
    vips("copy", tmp_path / "in.png", f"{tmp_path / 'in.tif'}{options}")
    upscale(run, tmp_path / "in.tif", tmp_path / "out.tif")
    assert header(tmp_path / "out.tif") == (320, 280, 3, "uchar")


def test_float_tiff(run, tmp_path):
    linear = np.linspace(0, 1, 48, dtype=np.float32)
    rows = np.repeat(np.repeat(linear[None, :, None], 24, 0), 3, 2)
    raw = tmp_path / "in.raw"
    raw.write_bytes(rows.tobytes())
    vips("rawload", raw, tmp_path / "plain.v", 48, 24, 3, "--format", "float")
    vips("copy", tmp_path / "plain.v", tmp_path / "in.tif", "--interpretation", "scrgb")
    done = upscale(run, tmp_path / "in.tif", tmp_path / "out.png")
    assert "floating-point" in done.stderr
    result = pixels(tmp_path / "out.png")
    assert result.dtype == np.uint16 and result.shape == (48, 96, 3)
    # Linear 0.5 is 0.735 in sRGB's code.
    middle = result[20:28, 46:50].mean() / 65535
    assert abs(middle - 0.735) < 0.02
    assert result.max() > 64500 and result.min() < 1500


def test_lab_tiff_becomes_srgb(run, tmp_path):
    write_png(tmp_path / "rgb.png", scene(W, H))
    vips("colourspace", tmp_path / "rgb.png", tmp_path / "in.tif", "lab")
    upscale(run, tmp_path / "in.tif", tmp_path / "out.png")
    result = pixels(tmp_path / "out.png")
    assert result.shape == (2 * H, 2 * W, 3)
    assert psnr((result >> 8 if result.dtype == np.uint16 else result).astype(np.uint8),
                enlarged(scene(W, H))) > 25


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_avif_and_heic(run, tmp_path, suffix):
    if not can_write(suffix, tmp_path):
        pytest.skip(f"this libvips writes no {suffix}")
    image = scene(64, 48)
    write_png(tmp_path / "rgb.png", image)
    vips("copy", tmp_path / "rgb.png", f"{tmp_path / 'in'}{suffix}[Q=95]")
    upscale(run, tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    assert header(tmp_path / f"out{suffix}") == (128, 96, 3, "uchar")
    assert psnr(pixels(tmp_path / f"out{suffix}"), enlarged(image)) > 25
    head = (tmp_path / f"out{suffix}").read_bytes()[8:12]
    assert head == (b"avif" if suffix == ".avif" else b"heic")


def test_avif_keeps_alpha(run, tmp_path):
    if not can_write(".avif", tmp_path):
        pytest.skip("this libvips writes no AVIF")
    source = write_png(tmp_path / "in.png", scene(64, 48, 4))
    upscale(run, source, tmp_path / "out.avif")
    result = pixels(tmp_path / "out.avif")
    assert result.shape == (96, 128, 4)
    assert result[:, :, 3].min() < 5 and result[:, :, 3].max() > 250


def test_avif_keeps_more_than_8_bits(run, tmp_path):
    if not can_write(".avif", tmp_path):
        pytest.skip("this libvips writes no AVIF")
    ramp = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16)[None, :, None], 48, 0)
    source = write_png(tmp_path / "in.png", np.repeat(ramp, 3, 2))
    done = upscale(run, source, tmp_path / "out.avif", "--quality", "95")
    assert "bits per sample" in done.stderr  # 16 do not fit
    assert header(tmp_path / "out.avif") == (128, 96, 3, "ushort")
    # ... and on: a white of 12 bits is the white of 16 bits again.
    upscale(run, tmp_path / "out.avif", tmp_path / "again.png")
    again = pixels(tmp_path / "again.png")
    assert again.dtype == np.uint16 and again.max() > 65300
    assert len(np.unique(again)) > 256


def test_16_bits_to_jpeg_are_rounded(run, tmp_path):
    # Nearer to 128 than to 129; by a shift of rounded bits all would be 129. The network adds some tenths, more at the edges.
    flat = np.full((24, 32, 3), 128 * 257 + 60, np.uint16)
    source = write_png(tmp_path / "in.png", flat)
    write_png(tmp_path / "in8.png", np.full((24, 32, 3), 128, np.uint8))
    options = ["--quality", "100", "--precision", "fp32"]
    done = upscale(run, source, tmp_path / "out.jpg", *options)
    upscale(run, tmp_path / "in8.png", tmp_path / "out8.jpg", *options)
    assert "16 bits" in done.stderr
    result, narrow = pixels(tmp_path / "out.jpg"), pixels(tmp_path / "out8.jpg")
    assert result.dtype == np.uint8
    assert np.abs(result.astype(int) - narrow.astype(int)).mean() < 0.3


def test_format_option_beats_extension(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    upscale(run, source, tmp_path / "out.bin", "--format", "webp")
    data = (tmp_path / "out.bin").read_bytes()
    assert data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def test_content_decides_not_the_name(run, tmp_path):
    Image.fromarray(scene(W, H)).save(tmp_path / "lie.png", format="JPEG")
    upscale(run, tmp_path / "lie.png", tmp_path / "out.png")
    assert header(tmp_path / "out.png")[:2] == (2 * W, 2 * H)


@pytest.mark.parametrize("width, height", [(1, 1), (1, 40), (40, 1), (2, 3), (7, 5), (17, 33)])
def test_odd_sizes(run, tmp_path, width, height):
    source = write_png(tmp_path / "in.png", scene(width, height))
    upscale(run, source, tmp_path / "out.png")
    assert header(tmp_path / "out.png") == (2 * width, 2 * height, 3, "uchar")


@pytest.mark.parametrize(
    "width, suffix, limit", [(8200, "webp", "16383"), (32800, "jpg", "655"), (8200, "avif", "16384")]
)
def test_too_wide_for_the_format_is_refused_early(run, tmp_path, width, suffix, limit):
    if suffix == "avif" and not can_write(".avif", tmp_path):
        pytest.skip("this libvips writes no AVIF")
    source = write_png(tmp_path / "in.png", np.zeros((2, width, 3), np.uint8))
    done = run("upscale", source, "-o", tmp_path / f"out.{suffix}")
    assert done.returncode == 4
    assert limit in done.stderr and "PNG" in done.stderr
    assert not (tmp_path / f"out.{suffix}").exists()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_lossless_avif_and_heic_are_off_by_one_at_most(run, tmp_path, suffix):
    if not can_write(suffix, tmp_path):
        pytest.skip(f"this libvips writes no {suffix}")
    source = write_png(tmp_path / "in.png", scene(W, H))
    upscale(run, source, tmp_path / "out.png")
    done = upscale(run, source, tmp_path / f"out{suffix}", "--lossless")
    assert "rounding" in done.stderr
    difference = pixels(tmp_path / f"out{suffix}").astype(int) - pixels(tmp_path / "out.png")
    assert np.abs(difference).max() <= 1


def test_jpeg_says_that_it_is_never_lossless(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    done = upscale(run, source, tmp_path / "out.jpg", "--lossless")
    assert "cannot be lossless" in done.stderr
