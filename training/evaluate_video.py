#!/usr/bin/env python3
"""Measures models on compressed video: clips made smaller, encoded by x264, and enlarged by the C program.

    python3 training/evaluate_video.py --program build/pipersr --models models/pipersr-x2.safetensors NEW ... \\
        --photos ../shared/train/hr --clips ../shared/video/*.mp4

Originals are pans over photos that are held back from training (photos.py), along paths that training never uses, and
the first frames of the video files named. Each is halved (bicubic), encoded at CRF 23, 28 and 33, enlarged, and
compared with the original on Y: PSNR over all frames, SSIM (ffmpeg's filter), flicker (mean of |change from
frame to frame - the original's change|, code values), and VMAF-NEG where ffmpeg has libvmaf. Bicubic is always among
the models. The last lines are means over the clips. Needs the ffmpeg program with libx264, not PyTorch.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy

import panning
import photos

WIDTH, HEIGHT = 640, 480  # of pans, high resolution; smaller where the photo is
BICUBIC = "bicubic"


def call(*command, data=None):
    done = subprocess.run([str(part) for part in command], input=data, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()[-400:]}")
    return done


def ffmpeg(*arguments, data=None):
    return call("ffmpeg", "-hide_banner", "-nostdin", "-y", *arguments, data=data)


def has_vmaf():
    return b"libvmaf" in ffmpeg("-filters").stdout


# -------------------------------------------------------------------------------------- originals


def pan(path, out, n_frames):
    """A clip of windows over a photo; False if the photo is too small."""
    picture = photos.decode(path.read_bytes())
    width, height = min(WIDTH, picture.shape[1] // 4 * 4), min(HEIGHT, picture.shape[0] // 4 * 4)
    if min(width, height) < 160:
        return False
    seed = [20260323, *path.stem.encode()]
    room = numpy.array([picture.shape[1] - width, picture.shape[0] - height])
    places = panning.path(numpy.random.default_rng(seed), n_frames, room)
    frames = numpy.stack([picture[y : y + height, x : x + width] for x, y in places])
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", 25, "-i", "-"]
    to_yuv = "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_inp,format=yuv420p"
    ffmpeg(*raw, "-vf", to_yuv, "-strict", -1, out, data=frames.tobytes())
    return True


def beginning(path, out, n_frames):
    """The first frames of a video file, cropped to multiples of 4."""
    crop = "crop=trunc(iw/4)*4:trunc(ih/4)*4:0:0,format=yuv420p"
    ffmpeg("-i", path, "-an", "-sn", "-vf", crop, "-frames:v", n_frames, "-strict", -1, out)


# -------------------------------------------------------------------------------------- measuring


def luma(path, n_px):
    data = ffmpeg("-i", path, "-vf", "extractplanes=y", "-f", "rawvideo", "-").stdout
    return numpy.frombuffer(data, numpy.uint8).reshape(-1, n_px).astype(numpy.int16)


def size_of(path):
    what = ["-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0"]
    width, height = call("ffprobe", "-v", "error", *what, path).stdout.decode().strip().split(",")[:2]
    return int(width), int(height)


def compare(made, original, vmaf):
    """{measure: value} of two clips of the same size and number of frames."""
    n_px = numpy.prod(size_of(original))
    a, b = luma(made, n_px), luma(original, n_px)
    if a.shape != b.shape:
        raise SystemExit(f"{made} has {len(a)} frames, the original {len(b)}")
    mean_square = numpy.mean((a - b).astype(float) ** 2)
    found = {"psnr_y": 10 * numpy.log10(255**2 / max(mean_square, 1e-10))}
    log = ffmpeg("-i", made, "-i", original, "-lavfi", "[0:v][1:v]ssim", "-f", "null", "-").stderr.decode()
    found["ssim_y"] = float(re.search(r"SSIM Y:([0-9.]+)", log).group(1))
    found["flicker"] = float(numpy.abs(numpy.diff(a, axis=0) - numpy.diff(b, axis=0)).mean())
    if vmaf:
        filter_text = "[0:v][1:v]libvmaf=model=version=vmaf_v0.6.1neg"
        log = ffmpeg("-i", made, "-i", original, "-lavfi", filter_text, "-f", "null", "-").stderr.decode()
        found["vmaf_neg"] = float(re.search(r"VMAF score: ([0-9.]+)", log).group(1))
    return found


def enlarge(model, low, out, options):
    if model == BICUBIC:
        scale = "scale=2*iw:2*ih:flags=bicubic+accurate_rnd"
        ffmpeg("-i", low, "-vf", scale, "-pix_fmt", "yuv420p", "-strict", -1, out)
    else:
        call(options.program, "upscale", low, "-o", out, "--model", model, "--precision", options.precision)


def measure_clip(name, original, folder, options, vmaf):
    """Yields (crf, model, measures)."""
    half = "scale=iw/2:ih/2:flags=bicubic+accurate_rnd"
    for crf in options.crf:
        low, made = folder / "low.mp4", folder / "made.y4m"
        ffmpeg("-i", original, "-vf", half, "-c:v", "libx264", "-preset", "medium", "-crf", crf, low)
        for model in [BICUBIC, *options.models]:
            made.unlink(missing_ok=True)
            enlarge(model, low, made, options)
            found = compare(made, original, vmaf)
            label = pathlib.Path(model).stem
            print(f"{name:24} CRF {crf} {label:24} " + text(found), flush=True)
            yield crf, label, found


def text(found):
    digits = {"psnr_y": 3, "vmaf_neg": 2}
    return "  ".join(f"{name} {value:.{digits.get(name, 4)}f}" for name, value in found.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/pipersr")
    parser.add_argument("--models", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--photos", type=pathlib.Path, help="folder of photos, of which those held back are used")
    parser.add_argument("--clips", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--frames", type=int, default=24, help="of each clip (24)")
    parser.add_argument("--pans", type=int, default=8, help="pans at most (8)")
    parser.add_argument("--crf", type=int, nargs="+", default=[23, 28, 33])
    options = parser.parse_args()
    vmaf = has_vmaf()
    results = {}
    with tempfile.TemporaryDirectory(prefix="pipersr-video-") as folder:
        folder, n_pans = pathlib.Path(folder), 0
        original = folder / "original.y4m"
        every = photos.photos_in(options.photos) if options.photos else []
        sources = [path for path in every if photos.is_validation(path.name)]
        for source in [*sources, *options.clips]:
            if source in sources:
                if n_pans >= options.pans or not pan(source, original, options.frames):
                    continue
                n_pans += 1
            else:
                beginning(source, original, options.frames)
            for crf, label, found in measure_clip(source.stem, original, folder, options, vmaf):
                results.setdefault((crf, label), []).append(found)
    if not results:
        raise SystemExit("nothing to measure: name --photos or --clips")
    for (crf, label), values in results.items():
        means = {name: numpy.mean([value[name] for value in values]) for name in values[0]}
        print(f"mean of {len(values):<16} CRF {crf} {label:24} " + text(means))


if __name__ == "__main__":
    sys.exit(main())
