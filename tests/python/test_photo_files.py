"""What a photo's file says beside its pixels is kept, and a file appears whole or not at all."""

import io
import os

import numpy
import pipersr
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from picture_makers import scene

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
ORIENTATION, MAKE, WIDTH, EXIF_IFD, PIXEL_X, PIXEL_Y, EXPOSURE = 0x112, 0x10F, 0x100, 0x8769, 0xA002, 0xA003, 0x829A


def exif_of(orientation=None):
    exif = Image.Exif()
    exif[MAKE] = "Maker of cameras"
    exif[WIDTH] = 31
    exif.get_ifd(EXIF_IFD).update({PIXEL_X: 31, PIXEL_Y: 24, EXPOSURE: 0.25})
    if orientation:
        exif[ORIENTATION] = orientation
    return exif


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.webp", "photo.tif"])
def test_profile_exif_and_resolution_are_kept(fast, tmp_path, name):
    options = {"quality": 95} if name.endswith(("jpg", "webp")) else {}
    Image.fromarray(scene()).save(tmp_path / name, icc_profile=SRGB, exif=exif_of(), dpi=(300, 300), **options)
    fast.upscale(tmp_path / name).save(tmp_path / f"big_{name}")
    big = Image.open(tmp_path / f"big_{name}")
    assert big.size == (62, 48)
    assert big.info["icc_profile"] == SRGB
    exif = big.getexif()
    assert exif[MAKE] == "Maker of cameras" and exif[WIDTH] == 62
    if not name.endswith("tif"):
        details = exif.get_ifd(EXIF_IFD)
        assert (details[PIXEL_X], details[PIXEL_Y], float(details[EXPOSURE])) == (62, 48, 0.25)
    if not name.endswith("webp"):
        assert [round(float(each)) for each in big.info["dpi"]] == [300, 300]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_files_are_turned_upright_once(fast, tmp_path, orientation):
    Image.fromarray(scene()).save(tmp_path / "photo.png", exif=exif_of(orientation))
    turned = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
        7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda a: a.transpose(1, 0, 2)[::-1],
    }[orientation](scene())
    result = fast.upscale(tmp_path / "photo.png")
    assert numpy.array_equal(result.array, fast.frame(turned))
    result.save(tmp_path / "big.png")
    big = Image.open(tmp_path / "big.png")
    assert big.getexif().get(ORIENTATION, 1) == 1
    assert big.getexif()[MAKE] == "Maker of cameras"


def test_an_image_in_memory_is_taken_as_it_lies(fast, tmp_path):
    Image.fromarray(scene()).save(tmp_path / "photo.png", exif=exif_of(6))
    with Image.open(tmp_path / "photo.png") as image:
        result = fast.upscale(image)
    # Pixels and tag still belong together.
    assert result.size == (62, 48)
    assert result.image.getexif()[ORIENTATION] == 6


def test_the_thumbnail_of_the_small_picture_goes(fast, tmp_path):
    small = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(small, "JPEG")
    exif = exif_of()
    exif.get_ifd(0x0201)
    exif._ifds[1] = {0x0201: 0, 0x0202: len(small.getvalue()), 0x0103: 6}
    Image.fromarray(scene()).save(tmp_path / "photo.jpg", exif=exif)
    fast.upscale(tmp_path / "photo.jpg").save(tmp_path / "big.jpg")
    assert not Image.open(tmp_path / "big.jpg").getexif().get_ifd(1)


def test_xmp_is_kept_and_its_orientation_reset(fast, tmp_path):
    packet = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="6" dc:title="A title"/></x:xmpmeta>'
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet)
    Image.fromarray(scene()).save(tmp_path / "photo.png", pnginfo=text)
    result = fast.upscale(tmp_path / "photo.png")
    for name in ("big.png", "big.webp", "big.tif"):
        result.save(tmp_path / name)
        with Image.open(tmp_path / name) as big:
            found = big.info.get("xmp") or big.info.get("XML:com.adobe.xmp") or big.getexif().get(700)
        found = found.encode() if isinstance(found, str) else found
        assert b"A title" in found and b'Orientation="1"' in found


def test_a_tiffs_layout_does_not_become_anothers_exif(fast, tmp_path):
    Image.fromarray(scene()).save(tmp_path / "photo.tif", exif=exif_of(), compression="tiff_lzw")
    fast.upscale(tmp_path / "photo.tif").save(tmp_path / "big.jpg")
    exif = Image.open(tmp_path / "big.jpg").getexif()
    assert exif[MAKE] == "Maker of cameras"
    assert not {256, 258, 259, 273, 279} & set(exif)


def test_strip_leaves_metadata_out(fast, tmp_path):
    Image.fromarray(scene()).save(tmp_path / "photo.jpg", icc_profile=SRGB, exif=exif_of())
    fast.upscale(tmp_path / "photo.jpg").save(tmp_path / "big.jpg", strip=True)
    big = Image.open(tmp_path / "big.jpg")
    assert "icc_profile" not in big.info and not len(big.getexif())


def test_broken_exif_is_left_out_with_a_warning(fast, tmp_path):
    Image.fromarray(scene()).save(tmp_path / "photo.png", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff12345")
    with pytest.warns(UserWarning):
        result = fast.upscale(tmp_path / "photo.png")
    result.save(tmp_path / "big.png")
    assert Image.open(tmp_path / "big.png").size == (62, 48)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "YCbCr", "HSV", "CMYK"])
def test_images_of_every_mode(fast, mode):
    image = Image.fromarray(scene(channels=4))
    image = image.convert("RGB").convert(mode) if mode in ("1", "L", "P", "RGBX", "YCbCr", "HSV", "CMYK") else (
        image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
    )  # fmt: skip
    result = fast.upscale(image)
    expected = {"1": "L", "L": "L", "LA": "LA", "PA": "RGBA", "RGBA": "RGBA", "RGBa": "RGBA"}.get(mode, "RGB")
    assert result.image.mode == expected and result.image.size == (62, 48)
    back = numpy.asarray(result.image.convert("RGB").resize(image.size, Image.Resampling.BOX)).astype(int)
    wanted = numpy.asarray(image.convert("RGBA").convert("RGB") if mode == "RGBa" else image.convert("RGB"))
    visible = slice(None) if expected in ("L", "RGB") else numpy.asarray(image.convert("RGBA"))[..., 3] > 200
    assert abs(back - wanted)[visible].mean() < (30 if mode == "1" else 6)


def test_transparency_of_palettes_and_keys_becomes_alpha(fast, tmp_path):
    palette = Image.fromarray(scene()).convert("P")
    palette.save(tmp_path / "palette.png", transparency=3)
    assert fast.upscale(tmp_path / "palette.png").image.mode == "RGBA"
    Image.fromarray(scene(channels=0)).save(tmp_path / "gray.png", transparency=100)
    assert fast.upscale(tmp_path / "gray.png").image.mode == "LA"
    Image.fromarray(scene()).save(tmp_path / "colour.png", transparency=(1, 2, 3))
    assert fast.upscale(tmp_path / "colour.png").image.mode == "RGBA"


def test_cmyk_loses_the_profile_that_fits_no_more(fast, tmp_path):
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "print.jpg", icc_profile=LAB)
    fast.upscale(tmp_path / "print.jpg").save(tmp_path / "big.jpg")
    big = Image.open(tmp_path / "big.jpg")
    assert big.mode == "RGB" and "icc_profile" not in big.info


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_gray_of_more_than_8_bits_is_kept(fast, tmp_path, mode):
    array = scene(channels=0, sample="float32" if mode == "F" else "uint16")
    image = Image.fromarray(array.astype("int32") if mode == "I" else array)
    assert image.mode == mode
    result = fast.upscale(image)
    assert numpy.array_equal(result.array, fast.frame(array))
    assert result.image.mode == ("F" if mode == "F" else "I;16")
    assert numpy.array_equal(numpy.asarray(result.image), result.array)
    result.save(tmp_path / "big.png")
    stored = numpy.asarray(Image.open(tmp_path / "big.png")).astype(float)
    assert abs(stored - result.array * (65535.0 if mode == "F" else 1.0)).max() <= 0.5
    result.save(tmp_path / "big.jpg")
    small = numpy.asarray(Image.open(tmp_path / "big.jpg")).astype(float) / 255
    assert abs(small - result.array / (1.0 if mode == "F" else 65535.0)).mean() < 0.02


def test_samples_out_of_range_are_refused(fast):
    with pytest.raises(pipersr.UnsupportedError, match="0 to 65535"):
        fast.upscale(Image.new("I", (4, 4), 70000))
    with pytest.raises(pipersr.UnsupportedError, match="0 to 1"):
        fast.upscale(Image.new("F", (4, 4), 255.0))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("sample", ["uint16", "float32"])
def test_png_of_16_bits_is_what_another_reader_sees(fast, tmp_path, channels, sample):
    result = fast.upscale(scene(70, 40, channels, sample))
    result._metadata.icc_profile, result._metadata.dpi = SRGB, (300, 300)
    result.save(tmp_path / "deep.png")
    # ffmpeg's PNG reader is not ours and not Pillow's.
    import subprocess

    pixel = {1: "gray16le", 2: "ya16le", 3: "rgb48le", 4: "rgba64le"}[channels]
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "deep.png", "-f", "rawvideo", "-pix_fmt", pixel, "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    stored = numpy.frombuffer(raw, "<u2").reshape(140, 80, channels).astype(float)
    wanted = result.array.reshape(140, 80, channels) * (65535.0 if sample == "float32" else 1.0)
    assert abs(stored - wanted).max() <= 0.5
    with Image.open(tmp_path / "deep.png") as again:
        assert again.info["icc_profile"] == SRGB and round(again.info["dpi"][0]) == 300


def test_what_pillow_cannot_keep_is_said(fast, samples, tmp_path):
    with pytest.warns(UserWarning, match="first of 8 frames"):
        fast.upscale("spinner.gif")
    fast.upscale(scene(sample="uint16")).save("deep.png")
    with pytest.warns(UserWarning, match="16 bits as 8"):
        fast.upscale("deep.png")


def test_jpeg_gets_transparency_on_white(fast, tmp_path):
    array = scene(channels=4)
    array[:4, :, 3] = 0
    fast.upscale(array).save(tmp_path / "flat.jpg")
    flat = numpy.asarray(Image.open(tmp_path / "flat.jpg"))
    assert flat.shape == (48, 62, 3) and flat[:4].min() > 240


def test_quality_and_lossless(fast, tmp_path):
    result = fast.upscale(scene(60, 60))
    sizes = []
    for quality in (30, None, 99):
        result.save(tmp_path / "q.jpg", quality=quality)
        sizes.append((tmp_path / "q.jpg").stat().st_size)
    assert sizes == sorted(set(sizes))
    result.save(tmp_path / "exact.webp", lossless=True)
    assert numpy.array_equal(numpy.asarray(Image.open(tmp_path / "exact.webp").convert("RGB")), result.array)
    with pytest.raises(pipersr.ArgumentError, match="1 to 100"):
        result.save(tmp_path / "q.jpg", quality=0)


def test_formats_by_name_and_to_file_objects(fast, tmp_path):
    result = fast.upscale(scene())
    file = io.BytesIO()
    result.save(file, "webp")
    assert Image.open(file).format == "WEBP"
    result.save(tmp_path / "picture.bin", "png")
    assert Image.open(tmp_path / "picture.bin").format == "PNG"
    for target, format in ((tmp_path / "x.nonsense", None), (io.BytesIO(), None), (tmp_path / "x.png", "nonsense")):
        with pytest.raises(pipersr.UnsupportedError, match="cannot write"):
            result.save(target, format)
    assert sorted(os.listdir(tmp_path)) == ["picture.bin"]


def test_nothing_half_written_is_left(fast, tmp_path, monkeypatch):
    (tmp_path / "photo.png").write_bytes(b"the old one")
    result = fast.upscale(scene())

    def fail(*arguments, **options):
        arguments[1].write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space"):
        result.save(tmp_path / "photo.png")
    assert os.listdir(tmp_path) == ["photo.png"]
    assert (tmp_path / "photo.png").read_bytes() == b"the old one"


def test_saving_replaces_keeps_links_and_names_what_it_cannot_write(fast, tmp_path):
    result = fast.upscale(scene())
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to("real.png")
    result.save(tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink() and Image.open(tmp_path / "real.png").size == (62, 48)
    with pytest.raises(FileNotFoundError) as caught:
        result.save(tmp_path / "absent" / "x.png")
    assert caught.value.filename == str(tmp_path / "absent" / "x.png")
    result.save("/dev/null", "PNG")
    assert not os.path.isfile("/dev/null")
