"""Makes test pictures and looks at results, independently of the program's own libraries' bindings."""

import json
import re
import struct
import subprocess
import zlib

import numpy as np


def scene(width, height, channels=3, bits=8):
    """A picture with smooth areas, edges and colour: height x width x channels."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [
        0.5 + 0.45 * np.sin(x / 5.3 + y / 11.0),
        0.1 + 0.8 * y / max(1, height - 1),
        0.15 + 0.7 * x / max(1, width - 1),
    ]
    planes[0][(x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 4) ** 2] = 0.9
    if channels < 3:
        planes = [sum(planes) / 3]
    if channels in (2, 4):
        planes.append(np.clip(1.5 - np.hypot(x - width / 2, y - height / 2) / (width / 3), 0, 1))
    top = 2**bits - 1
    return np.rint(np.stack(planes, -1) * top).astype(np.uint8 if bits == 8 else np.uint16)


# ------------------------------------------------------------------------------------- PNG writer


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, pixels, icc=None, dpi=None):
    """8- and 16-bit PNG of 1 to 4 channels (Pillow writes no 16-bit colour)."""
    height, width, channels = pixels.shape
    bits = pixels.dtype.itemsize * 8
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    data = b"\x89PNG\r\n\x1a\n"
    data += _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    if icc:
        data += _chunk(b"iCCP", b"profile\0\0" + zlib.compress(icc))
    if dpi:
        per_metre = round(dpi / 0.0254)
        data += _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1))
    rows = pixels.astype(pixels.dtype.newbyteorder(">"))
    raw = b"".join(b"\0" + rows[y].tobytes() for y in range(height))
    data += _chunk(b"IDAT", zlib.compress(raw)) + _chunk(b"IEND", b"")
    path.write_bytes(data)
    return path


# ----------------------------------------------------------------------------------------- readers


def header(path):
    """(width, height, bands, sample format) as libvips' own tool sees the file, all pages."""
    option = "[n=-1]" if path.suffix in (".gif", ".webp", ".tif") else ""
    text = subprocess.run(
        ["vipsheader", str(path) + option], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r": (\d+)x(\d+) (\w+), (\d+) bands?", text)
    return int(found[1]), int(found[2]), int(found[4]), found[3]


def field(path, name):
    """One header field as text, or None."""
    option = "[n=-1]" if path.suffix in (".gif", ".webp", ".tif") else ""
    done = subprocess.run(
        ["vipsheader", "-f", name, str(path) + option], capture_output=True, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else None


def pixels(path):
    """All samples of a file, pages below each other: height x width x bands."""
    width, height, bands, kind = header(path)
    option = "[n=-1]" if path.suffix in (".gif", ".webp", ".tif") else ""
    raw = path.with_name(path.name + ".raw")
    subprocess.run(
        ["vips", "rawsave", str(path) + option, str(raw)], check=True, stderr=subprocess.DEVNULL
    )
    dtype = {"uchar": np.uint8, "ushort": np.uint16}[kind]
    samples = np.frombuffer(raw.read_bytes(), dtype).reshape(height, width, bands)
    raw.unlink()
    return samples


def vips(*arguments):
    subprocess.run(["vips", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)


def exif(path, *options):
    """exiftool's view of a file: {"Group:Tag": value}."""
    text = subprocess.run(
        ["exiftool", "-j", "-n", "-G1", *options, str(path)], check=True, capture_output=True
    ).stdout
    return json.loads(text)[0]


def set_tags(path, *tags):
    """Writes tags with exiftool: "-Make=Test", "-Orientation#=6", ..."""
    subprocess.run(
        ["exiftool", "-q", "-q", "-overwrite_original", *tags, str(path)], check=True
    )


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    top = 255 if a.dtype == np.uint8 else 65535
    return np.inf if error == 0 else 10 * np.log10(top**2 / error)


# ---------------------------------------------------------------------------------------- profiles


def srgb_profile():
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def p3_profile(folder):
    """The Display P3 profile that comes with libvips."""
    from PIL import Image

    plain, wide = folder / "plain_for_p3.png", folder / "p3.png"
    Image.new("RGB", (4, 4)).save(plain)
    vips("icc_transform", plain, wide, "p3", "--input-profile", "srgb")
    return Image.open(wide).info["icc_profile"]


def gray_profile(gamma=1.8):
    """A small gray ICC profile with one gamma value."""

    def tagged(kind, data):
        data = kind + b"\0\0\0\0" + data
        return data + b"\0" * (-len(data) % 4)

    name = b"Test gray\0"
    tags = {
        b"desc": tagged(b"desc", struct.pack(">I", len(name)) + name + b"\0" * 78),
        b"cprt": tagged(b"text", b"none\0"),
        b"wtpt": tagged(b"XYZ ", struct.pack(">iii", 63190, 65536, 54061)),
        b"kTRC": tagged(b"curv", struct.pack(">IH", 1, round(gamma * 256))),
    }
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for kind, data in tags.items():
        table += kind + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"test", 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp"
    head += b"\0" * 28 + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body
