"""Small clips made by the ffmpeg program, and questions about clips answered by ffprobe."""

import fractions
import json
import subprocess

import numpy

SIZE = "64x48"


def ffmpeg(*arguments):
    """Runs ffmpeg, which overwrites its output; returns its standard output as bytes."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def picture(size=SIZE, rate=10, seconds=1.0, source="testsrc2"):
    """Input options for a synthetic picture."""
    return ["-f", "lavfi", "-i", f"{source}=size={size}:rate={rate}:duration={seconds}"]


def tone(seconds=1.0, frequency=440):
    return ["-f", "lavfi", "-i", f"sine=frequency={frequency}:sample_rate=48000:duration={seconds}"]


def make_clip(path, *output_options, size=SIZE, rate=10, seconds=1.0, sound=False):
    """A clip with B-frames, and with a sound if asked for; output_options may override the rest."""
    inputs = picture(size, rate, seconds) + (tone(seconds) if sound else [])
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p"]
    ffmpeg(*inputs, *codec, "-c:a", "aac", *output_options, path)
    return path


def flat_clip(path, codes, *output_options, pix_fmt="yuv420p", size="32x24", n_frames=2):
    """A lossless clip in which every pixel has the given Y, U, V codes."""
    width, height = map(int, size.split("x"))
    sample = "<u2" if "10" in pix_fmt or "12" in pix_fmt else "u1"
    x_shift, y_shift = {"yuv420": (1, 1), "yuv422": (1, 0), "yuv444": (0, 0)}[pix_fmt[:6]]
    luma = numpy.full(width * height, codes[0], sample)
    chroma = [numpy.full((width >> x_shift) * (height >> y_shift), c, sample) for c in codes[1:]]
    data = b"".join(plane.tobytes() for plane in (luma, *chroma)) * n_frames
    raw = path.with_suffix(".yuv")
    raw.write_bytes(data)
    ffmpeg("-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", size, "-r", 10, "-i", raw,
           "-c:v", "libx264", "-qp", 0, *output_options, path)
    return path


def probe(path, *what):
    command = ["ffprobe", "-v", "error", "-of", "json", *what, str(path)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def streams(path, kind=None):
    found = probe(path, "-show_streams")["streams"]
    return [s for s in found if kind in (None, s["codec_type"])]


def video(path):
    return streams(path, "video")[0]


def frame_times(path, stream="v:0"):
    """Presentation times of all frames of a stream in seconds, exactly, in order."""
    found = probe(path, "-select_streams", stream, "-show_entries", "packet=pts:stream=time_base")
    base = fractions.Fraction(found["streams"][0]["time_base"])
    return sorted(packet["pts"] * base for packet in found["packets"])


def decoded_times(path):
    """Like frame_times(), but of the frames that a decoder gives."""
    found = probe(path, "-select_streams", "v:0", "-show_frames",
                  "-show_entries", "frame=pts:stream=time_base")
    base = fractions.Fraction(found["streams"][0]["time_base"])
    return [frame["pts"] * base for frame in found["frames"]]


def packet_md5(path, stream):
    """Of the payload of all packets of a stream, as they are."""
    return ffmpeg("-i", path, "-map", f"0:{stream}", "-c", "copy", "-f", "md5", "-").decode().strip()


def packet_list(path, stream):
    """Payload checksum, presentation time and size of each packet."""
    found = probe(path, "-select_streams", stream, "-show_data_hash", "md5",
                  "-show_entries", "packet=pts_time,size,data_hash")
    return [(p.get("pts_time"), p["size"], p["data_hash"]) for p in found["packets"]]


def planes(path, n_frames=1):
    """The decoded samples of the first frames: arrays Y, U, V of shape (frame, row, column); no alpha."""
    facts = video(path)
    width, height, pix_fmt = facts["width"], facts["height"], facts["pix_fmt"].replace("yuvj", "yuv")
    sample = "<u2" if "10" in pix_fmt or "12" in pix_fmt else "u1"
    data = ffmpeg("-noautorotate", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough",
                  "-frames:v", n_frames, "-f", "rawvideo", "-")
    samples = numpy.frombuffer(data, sample)
    x_shift, y_shift = {"yuv420": (1, 1), "yuv422": (1, 0), "yuv444": (0, 0)}[pix_fmt.replace("yuva", "yuv")[:6]]
    chroma_shape = (-(-height >> y_shift), -(-width >> x_shift))
    shapes = [(height, width), chroma_shape, chroma_shape] + [(height, width)] * ("yuva" in pix_fmt)
    per_frame = sum(rows * columns for rows, columns in shapes)
    frames = samples.reshape(-1, per_frame)
    result, start = [], 0
    for rows, columns in shapes:
        end = start + rows * columns
        result.append(frames[:, start:end].reshape(-1, rows, columns).astype(int))
        start = end
    return result[:3]


def rgb(path, *filters):
    """The first frame as RGB, as ffmpeg converts and turns it."""
    facts = video(path)
    data = ffmpeg("-i", path, "-map", "0:v:0", "-frames:v", 1, *filters,
                  "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    width, height = facts["width"], facts["height"]
    if len(data) != width * height * 3:
        raise AssertionError(f"{path}: {len(data)} bytes of RGB for {width}x{height}")
    return numpy.frombuffer(data, "u1").reshape(height, width, 3).astype(int)
