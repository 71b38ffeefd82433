"""Parts of clips that the ffmpeg program cannot make: captions, bitmap subtitles, display matrices."""

import re
import struct

CAPTION_TEXT = b"CAPTIONS ARE KEPT ON"


def caption_user_data(n):
    """ATSC A/53 user data of the n-th frame: two letters of CEA-608 captions."""
    letters = CAPTION_TEXT[2 * n % len(CAPTION_TEXT):][:2]
    return b"GA94\x03" + bytes([0x40 | 1, 0xFF, 0xFC]) + bytes(letter | 0x80 for letter in letters) + b"\xFF"


def _sei(payload, header):
    return b"\0\0\0\1" + header + bytes([4, len(payload)]) + payload + b"\x80"


def _before(pattern, data, make):
    """The bytes of `data` with make(n) before the n-th match."""
    parts, end = [], 0
    for n, match in enumerate(re.finditer(pattern, data, re.DOTALL)):
        parts += [data[end:match.start()], make(n)]
        end = match.start()
    return b"".join(parts) + data[end:]


def caption_h264(data):
    """An Annex B stream of one slice a frame and no B-frames, with captions."""
    return _before(rb"\x00?\x00\x00\x01[\x01\x21\x41\x61\x05\x25\x45\x65]", data,
                   lambda n: _sei(b"\xB5\x00\x31" + caption_user_data(n), b"\x06"))


def caption_hevc(data):
    return _before(rb"\x00?\x00\x00\x01[\x00-\x2a]\x01", data,
                   lambda n: _sei(b"\xB5\x00\x31" + caption_user_data(n), b"\x4E\x01"))


def caption_mpeg2(data):
    return _before(rb"\x00\x00\x01\x01", data, lambda n: b"\0\0\1\xB2" + caption_user_data(n))


def bitmap_subtitles(width_px, height_px):
    """A Blu-ray subtitle stream (PGS, .sup): a bar that is shown from 0.2 s to 0.6 s."""
    bar_width, bar_height = 24, 6

    def segment(kind, time_s, payload):
        ticks = int(time_s * 90000)
        return b"PG" + struct.pack(">IIBH", ticks, 0, kind, len(payload)) + payload

    def composition(number, objects):
        return struct.pack(">HHBHBBBB", width_px, height_px, 0x10, number, 0x80, 0, 0, len(objects)) + b"".join(objects)

    window = struct.pack(">BBHHHH", 1, 0, 8, 20, bar_width, bar_height)
    palette = b"\0\0" + bytes([1, 200, 128, 128, 255])
    rows = (bytes([0, 0x80 | bar_width, 1]) + b"\0\0") * bar_height
    bar = struct.pack(">HBB", 0, 0, 0xC0) + (len(rows) + 4).to_bytes(3, "big") + struct.pack(">HH", bar_width, bar_height) + rows
    shown = [struct.pack(">HBBHH", 0, 0, 0, 8, 20)]
    return b"".join([
        segment(0x16, 0.2, composition(0, shown)), segment(0x17, 0.2, window), segment(0x14, 0.2, palette),
        segment(0x15, 0.2, bar), segment(0x80, 0.2, b""),
        segment(0x16, 0.6, composition(1, [])), segment(0x17, 0.6, window), segment(0x80, 0.6, b""),
    ])


MATRICES = {
    "90": (0, 1, -1, 0), "180": (-1, 0, 0, -1), "270": (0, -1, 1, 0),
    "hflip": (-1, 0, 0, 1), "vflip": (1, 0, 0, -1), "transpose": (0, 1, 1, 0),
}


def set_display_matrix(data, turn):
    """An MP4 file whose first track is to be shown turned."""
    start = data.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in MATRICES[turn])
    return data[:start] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[start + 36:]
