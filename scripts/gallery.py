#!/usr/bin/env python3
"""Makes docs/gallery.md and docs/gallery/*.png: details of photos, enlarged by bicubic interpolation and by pipersr.

    python3 scripts/gallery.py --program build/pipersr --photos ../shared/train/hr

A photo is halved by MATLAB's bicubic (training/resize.py) and doubled again, and a detail is shown beside the
original's. Only photos that training holds back (training/photos.py), and whose licence lets them be passed on. Nothing
is written before all of it is made. --video-model adds a frame of a clip compressed by x264, which needs ffmpeg;
--x4-model a detail of a photo that is made four times as wide and high.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]

try:
    import numpy
    from PIL import Image
except ImportError:
    sys.exit(f"gallery: {sys.executable} has no Pillow or no numpy: scripts/setup.sh installs them for /usr/bin/python3")

sys.path.insert(0, str(ROOT / "training"))
import photos
import resize
import video_clips

SCALE = 2
ZOOM = 2  # a pixel of the original is shown as a square of so many
DETAIL_PX = 104  # side of a detail in the original, even; four of them enlarged are as wide as a page
VIDEO_DETAIL_PX = 80
CRF, PRESET, B_FRAMES = 28, "medium", 2
VIDEO_FRAMES, VIDEO_SHOWN, VIDEO_PX, PAN_PX = 12, 7, (640, 448), (4, 2)  # PAN_PX: x, y from frame to frame
Y_WEIGHTS = numpy.array([65.481, 128.553, 24.966]) / 255  # of R, G, B; ITU-R BT.601, limited range


@dataclasses.dataclass(frozen=True)
class Detail:
    name: str
    photo: str  # file name without its ending
    x: int  # left and top in the photo, even
    y: int
    title: str
    note: str = ""


DETAILS = [
    Detail("lettering", "kodak_0008", 656, 272, "Lettering on a house"),
    Detail("facade", "deepin_0002", 456, 288, "A facade"),
    Detail("lights", "budgie_0004", 564, 596, "Tubes of light on a bridge"),
    Detail("wheel", "kodak_0005", 446, 342, "Spokes"),
    Detail("leaves", "xubuntu_0002", 442, 56, "Leaves against the sky"),
    Detail("shore", "kodak_0016", 466, 178, "Palms and water"),
    Detail(
        "roof", "kodak_0008", 198, 112, "Where it fails: rows of tiles",
        "The rows of tiles are finer than the small picture can hold. What is left of them there runs aslant, and the "
        "network takes it for what it sees: rows come out in the wrong direction or as specks, and so does the snow.",
    ),
]
VIDEO_DETAIL = Detail("video", "kodak_0005", 366, 6, "A frame of compressed video")  # x, y in the frame's window
VIDEO_START = (16, 0)  # where the first window lies in the photo
X4_DETAIL = Detail("four-times", "kodak_0008", 656, 272, "Four times as wide and high")

KODAK = (
    "of the Kodak Lossless True Color Image Suite, from GitHub MohamedBakrAli/Kodak-Lossless-True-Color-Image-Suite; "
    '"released by the Eastman Kodak Company for unrestricted usage"'
)
CREDITS = {
    "kodak_0005": f"Photo: number 05 {KODAK}.",
    "kodak_0008": f"Photo: number 08 {KODAK}.",
    "kodak_0016": f"Photo: number 16 {KODAK}.",
    "deepin_0002": "Photo: Joshua Coleman on [Unsplash](https://unsplash.com/photos/KzPefInJW58), from GitHub "
    "linuxdeepin/deepin-wallpapers; [Unsplash License](https://unsplash.com/license).",
    "budgie_0004": "Photo: high-trestle-trail.jpg of GitHub BuddiesOfBudgie/budgie-backgrounds; "
    "[CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/).",
    "xubuntu_0002": "Photo: Kinkaku Ji by Elizabeth K. Joseph, from GitHub Xubuntu/xubuntu-community-artwork; "
    "[CC BY 3.0](https://creativecommons.org/licenses/by/3.0/).",
}

HEAD = """# Gallery

<!-- Made by scripts/gallery.py: change that, not this. -->

Each row is a detail of a photo: the input, whose pixels are shown as squares; the input doubled by bicubic
interpolation, and by `pipersr`; and the original, from which the input was made by MATLAB's bicubic. Pixels
of all but the input are shown as squares of {zoom}x{zoom}. The figures are PSNR on Y over the detail shown.

The photos are among those that [training/photos.py](../training/photos.py) holds back from training.
Model: {model}. Computed in fp32.

To make this page again:

    {command}
"""
LICENCES = """
## Licences

The photos are not under the licence of the code: theirs stand below the pictures, and hold for every panel made
from them. Changed here: cut, made smaller and larger as described; all but Kodak's had been made smaller before.
"""
COMMAND = "python3 scripts/gallery.py --program build/pipersr --photos ../shared/train/hr"


def fail(message):
    sys.exit(f"gallery: {message}")


def call(*command):
    """Standard output of a command that must succeed."""
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        fail(f"{command[0]}: cannot be run: {error.strerror}")
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
        fail(f"{command[0]} {command[1]} ended with exit status {done.returncode}: {last_line}")
    return done.stdout


def model_options(model):
    return ["--model", model] if model else []


def describe_model(program, model):
    """What `pipersr info` says of the model: a dictionary with name and training."""
    about = json.loads(call(program, "info", "--json", *model_options(model)))["model"]
    return {"name": about.get("name") or pathlib.Path(model).name, "training": about.get("training") or ""}


class Enlarger:
    """Enlarges pictures by the program, in files of a folder of its own."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def __call__(self, low, model, scale=SCALE):
        small, large = self.folder / "small.png", self.folder / "large.png"
        Image.fromarray(low).save(small, compress_level=1)
        options = ["--precision", "fp32", "--scale", scale, "--force", "--quiet", *model_options(model)]
        call(self.program, "upscale", small, "-o", large, *options)
        return photos.decode(large.read_bytes())


def bicubic(low, scale=SCALE):
    return resize.resize(low, scale * low.shape[0], scale * low.shape[1], scale)


def psnr_y(picture, original):
    """Of uint8 [h][w][3]."""
    error = (picture.astype(float) - original) @ Y_WEIGHTS
    return 10 * numpy.log10(255**2 / max(numpy.mean(error**2), 1e-10))


def window(picture, x, y, side):
    return picture[y : y + side, x : x + side]


def squares(picture, side):
    return picture.repeat(side, axis=0).repeat(side, axis=1)


def find_photo(folder, stem, scale=SCALE):
    """The pixels of a photo in `folder`, cropped to multiples of the scale."""
    if not photos.is_validation(stem):
        fail(f"{stem} is not held back from training: choose one for which photos.is_validation() is true")
    paths = [path for path in sorted(folder.glob(stem + ".*")) if path.suffix.lower() in photos.SUFFIXES]
    if not paths:
        fail(f"{folder} has no photo {stem}: --photos names the folder of the training photos")
    try:
        picture = photos.decode(paths[0].read_bytes())
    except (OSError, ValueError) as error:
        fail(f"{paths[0]}: cannot be read: {error}")
    return resize.crop_to_multiple(picture, scale)


def save_panels(detail, side, low, high, enlarged, folder, scale=SCALE):
    """Saves the panels of a detail and returns its section of the page.

    `enlarged` has pairs of a column's title and a picture as large as `high`.
    """
    x, y = detail.x, detail.y
    if min(high.shape[0] - y, high.shape[1] - x) < side:
        fail(f"{detail.photo} has {high.shape[1]}x{high.shape[0]} pixels: no room for '{detail.name}' at {x}, {y}")
    original = window(high, x, y, side)
    small = window(low, x // scale, y // scale, side // scale)
    columns = [("input", squares(small, scale * ZOOM), f"{side // scale}x{side // scale} pixels")]
    for title, picture in enlarged:
        shown = window(picture, x, y, side)
        columns.append((title, squares(shown, ZOOM), f"{psnr_y(shown, original):.2f} dB"))
    columns.append(("original", squares(original, ZOOM), f"{side}x{side} pixels"))

    pictures = []
    for title, panel, _ in columns:
        name = f"{detail.name}-{title.lower().replace(' ', '-')}.png"
        Image.fromarray(panel).save(folder / name, optimize=True)
        pictures.append(f"![{detail.title}, {title}](gallery/{name})")
    rows = [[title for title, _, _ in columns], [":---:"] * len(columns), pictures, [text for _, _, text in columns]]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    note = f"{detail.note}\n\n" if detail.note else ""
    return f"\n## {detail.title}\n\n{note}{table}\n\n*{CREDITS[detail.photo]}*\n"


def photo_section(detail, high, low, doubled, folder):
    enlarged = [("bicubic", bicubic(low)), ("PiperSR", doubled)]
    return save_panels(detail, DETAIL_PX, low, high, enlarged, folder)


def video_section(options, enlarge, folder):
    """A frame from the middle of a pan over a photo, compressed."""
    if not shutil.which("ffmpeg"):
        fail("ffmpeg is absent: --video-model needs it, with libx264")
    picture = find_photo(options.photos, VIDEO_DETAIL.photo)
    places = [tuple(start + n * step for start, step in zip(VIDEO_START, PAN_PX)) for n in range(VIDEO_FRAMES)]
    width, height = VIDEO_PX
    small = video_clips.windows(picture, places, width // SCALE, height // SCALE)
    low = video_clips.compress(small, CRF, PRESET, B_FRAMES)[VIDEO_SHOWN]
    x, y = places[VIDEO_SHOWN]
    high = numpy.ascontiguousarray(picture[y : y + height, x : x + width])
    enlarged = [
        ("bicubic", bicubic(low)),
        ("PiperSR", enlarge(low, options.model)),
        ("PiperSR video", enlarge(low, options.video_model)),
    ]
    note = (
        f"A pan over a photo, halved, then compressed by x264 at CRF {CRF}: frame {VIDEO_SHOWN + 1} of {VIDEO_FRAMES}, "
        f"once by the model of the photos above, once by one for video: "
        f"{describe_model(options.program, options.video_model)['name']}."
    )
    return save_panels(dataclasses.replace(VIDEO_DETAIL, note=note), VIDEO_DETAIL_PX, low, high, enlarged, folder)


def x4_section(options, enlarge, folder):
    """A photo made four times as wide and high: by two passes, and by one."""
    scale = SCALE * SCALE
    high = find_photo(options.photos, X4_DETAIL.photo, scale)
    low = resize.shrink(high, scale)
    twice = enlarge(enlarge(low, options.model), options.model)
    name = describe_model(options.program, options.x4_model)["name"]
    enlarged = [
        ("bicubic", bicubic(low, scale)),
        ("PiperSR twice", twice),
        ("PiperSR x4", enlarge(low, options.x4_model, scale)),
    ]
    note = f"From a quarter of the original's width and height, in two passes of the model of the photos above and in one of {name}."
    return save_panels(dataclasses.replace(X4_DETAIL, note=note), DETAIL_PX, low, high, enlarged, folder, scale)


def make(options, folder):
    """The pictures into `folder`; returns the text of the page."""
    model = describe_model(options.program, options.model)
    enlarge = Enlarger(options.program, options.work)
    sections, made = [], {}
    for detail in options.details:
        if detail.photo not in made:
            high = find_photo(options.photos, detail.photo)
            low = resize.shrink(high, SCALE)
            made[detail.photo] = high, low, enlarge(low, options.model)
        sections.append(photo_section(detail, *made[detail.photo], folder))
    command = COMMAND + (" --model MODEL" if options.model else "")
    if options.video_model:
        sections.append(video_section(options, enlarge, folder))
        command += " --video-model VIDEO_MODEL"
    if options.x4_model:
        sections.append(x4_section(options, enlarge, folder))
        command += " --x4-model X4_MODEL"
    about = model["name"] + (f" ({model['training']})" if model["training"] else "")
    return HEAD.format(zoom=ZOOM, model=about, command=command) + "".join(sections) + LICENCES


def put_in_place(made, page, out):
    """The finished pictures and the page to out/gallery/ and out/gallery.md; pictures of earlier runs go."""
    pictures = out / "gallery"
    pictures.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in made.iterdir()}
    for name in sorted(names):
        os.replace(made / name, pictures / name)
    for path in pictures.glob("*.png"):
        if path.name not in names:
            path.unlink()
    text = made / "gallery.md"
    text.write_text(page)
    os.replace(text, out / "gallery.md")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "pipersr", help="build/pipersr")
    parser.add_argument("--photos", type=pathlib.Path, default=ROOT.parent / "shared/train/hr", help="their folder")
    parser.add_argument("--model", type=pathlib.Path, help="weights instead of the built-in ones")
    parser.add_argument("--video-model", type=pathlib.Path, help="weights for video: adds a frame of a clip")
    parser.add_argument("--x4-model", type=pathlib.Path, help="weights of scale 4: adds a detail four times as wide")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs", help="gets gallery.md and gallery/ (docs)")
    names = [detail.name for detail in DETAILS]
    parser.add_argument("--only", choices=names, action="append", help="only this detail; may be repeated")
    options = parser.parse_args()
    options.details = [detail for detail in DETAILS if not options.only or detail.name in options.only]
    return options


def main():
    options = parse_arguments()
    if not options.program.is_file():
        fail(f"{options.program} is absent: run make, or name the program with --program")
    options.program = options.program.resolve()  # so that a name without a folder is not sought on PATH
    if not options.photos.is_dir():
        fail(f"{options.photos} is absent: name the folder of the training photos with --photos")
    for model in (options.model, options.video_model, options.x4_model):
        if model and not model.is_file():
            fail(f"{model}: there is no such model file")
    try:
        # Beside the results, so that they can be renamed into place.
        with tempfile.TemporaryDirectory(prefix=".gallery-", dir=options.out.resolve().parent) as folder:
            options.work, made = pathlib.Path(folder), pathlib.Path(folder) / "made"
            made.mkdir()
            page = make(options, made)
            n_bytes = sum(path.stat().st_size for path in made.iterdir())
            n_pictures = len(list(made.iterdir()))
            put_in_place(made, page, options.out)
    except OSError as error:
        fail(f"{error.filename or options.out}: {error.strerror or error}")
    print(f"{options.out / 'gallery.md'}: {n_pictures} pictures, {n_bytes / 1000:,.0f} kB")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
