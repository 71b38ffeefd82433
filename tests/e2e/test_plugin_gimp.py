"""plugins/gimp: the procedure in a real GIMP without a screen."""

import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

import picture_tools
from conftest import ROOT

BUILD = pathlib.Path(os.environ.get("PIPERSR_BUILD", ROOT / "build"))
PLUGIN = BUILD / "plugins" / "gimp-pipersr"
OPTIONS = ["--model", "pipersr-x2-fast", "--precision", "fp32"]
CALL = '(plug-in-pipersr-upscale RUN-NONINTERACTIVE image layer "pipersr-x2-fast" "fp32")'

pytestmark = pytest.mark.skipif(
    not PLUGIN.is_file() or not shutil.which("gimp-console-2.10"), reason="GIMP is not there"
)


@pytest.fixture(scope="module")
def gimp(tmp_path_factory):
    """gimp(*batches of Script-Fu) -> what it printed. Knows only our plug-in and what reads and writes PNG files."""
    home = tmp_path_factory.mktemp("gimp")
    (home / "plug-ins" / "gimp-pipersr").mkdir(parents=True)
    (home / "plug-ins" / "gimp-pipersr" / "gimp-pipersr").symlink_to(PLUGIN)
    ask = ["pkg-config", "--variable=gimplibdir", "gimp-2.0"]
    folder = pathlib.Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip(), "plug-ins")
    for name in ("file-png", "script-fu"):
        (home / "plug-ins" / name).symlink_to(folder / name)
    (home / "gimprc").write_text('(plug-in-path "${gimp_dir}/plug-ins")\n')

    def call(*batches):
        commands = [part for batch in batches for part in ("-b", batch)]
        done = subprocess.run(
            ["gimp-console-2.10", "-i", "-d", "-f", *commands, "-b", "(gimp-quit 0)"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
            env=dict(os.environ, GIMP2_DIRECTORY=str(home), LC_ALL="C.UTF-8"),
        )
        return done.stdout + done.stderr

    return call


def opened(path, *lines):
    """A batch of lines that run with `image` and its top `layer` at hand; `say` prints a text."""
    return "\n".join(
        [f'(let* ((image (car (gimp-file-load RUN-NONINTERACTIVE "{path}" "in")))',
         "(layer (car (gimp-image-get-active-layer image))) (say gimp-message))", *lines, "(gimp-image-delete image))"]
    )


def save(path, drawable="(car (gimp-image-get-active-layer image))", which="image"):
    return f'(file-png-save2 RUN-NONINTERACTIVE {which} {drawable} "{path}" "out" 0 6 0 0 0 1 0 0 1)'


def test_the_programs_own_pixels(gimp, run, tmp_path):
    kinds = [(1, 8), (3, 8), (4, 8), (2, 16), (3, 16)]
    for channels, bits in kinds:
        # Wider than GEGL's tiles, higher than two bands, and odd.
        picture = picture_tools.scene(151, 173, channels, bits)
        if channels in (2, 4):
            picture[40:100, 30:90, -1] = 0
        picture_tools.write_png(tmp_path / f"in{channels}{bits}.png", picture)
    said = gimp(*(opened(tmp_path / f"in{c}{b}.png", CALL, save(tmp_path / f"out{c}{b}.png")) for c, b in kinds))
    for channels, bits in kinds:
        source, made = tmp_path / f"in{channels}{bits}.png", tmp_path / f"out{channels}{bits}.png"
        assert made.is_file(), said
        assert run("upscale", "--force", source, "-o", tmp_path / "expected.png", *OPTIONS).returncode == 0
        found, expected = picture_tools.pixels(made), picture_tools.pixels(tmp_path / "expected.png")
        assert found.dtype == expected.dtype and found.shape == expected.shape == (346, 302, channels)
        if channels in (2, 4):
            # PNG's writer has its own mind about colours that nobody sees.
            assert np.array_equal(found[..., -1], expected[..., -1])
            assert np.array_equal(found[found[..., -1] > 0], expected[expected[..., -1] > 0])
        else:
            assert np.array_equal(found, expected)


def test_layers_masks_and_selection(gimp, run, tmp_path):
    """All of the image is scaled; the selection does not keep pixels from being replaced; locks hold."""
    picture = picture_tools.scene(64, 48)
    picture_tools.write_png(tmp_path / "in.png", picture, dpi=300)
    picture_tools.write_png(tmp_path / "part.png", picture[7:17, 5:25])
    said = gimp(opened(
        tmp_path / "in.png",
        "(let* ((group (car (gimp-layer-group-new image))) (second (car (gimp-layer-copy layer FALSE)))",
        "  (show (lambda () (say (apply string-append \"facts\" (map (lambda (n) (string-append \" \" (number->string n)))",
        "    (append (gimp-image-width image) (gimp-image-height image)",
        "      (gimp-drawable-width second) (gimp-drawable-height second)",
        "      (gimp-drawable-offsets second) (gimp-drawable-width (car (gimp-layer-get-mask second)))",
        "      (cdr (gimp-selection-bounds image)) (gimp-image-get-resolution image)",
        "      (gimp-item-get-lock-content group))))))))",
        "(gimp-image-insert-layer image group 0 0) (gimp-image-insert-layer image second group 0)",
        "(gimp-layer-resize second 20 10 -5 -7) (gimp-layer-add-mask second (car (gimp-layer-create-mask second 0)))",
        "(gimp-item-set-lock-content group TRUE)",
        "(gimp-image-select-rectangle image CHANNEL-OP-REPLACE 10 8 20 16)",
        f"(show) {CALL} (show)",
        "(gimp-selection-none image)",
        save(tmp_path / "layer.png", "layer"), save(tmp_path / "second.png", "second"), ")",
    ))
    facts = [[round(float(n)) for n in line.split()[2:]] for line in said.splitlines() if ": facts" in line]
    before = [64, 48, 20, 10, 5, 7, 20, 10, 8, 30, 24, 300, 300, 1]
    after = [2 * n for n in before[:-3]] + before[-3:]
    assert facts[0] == before and len(facts) == 2, said
    # The selection's edge is softened as by Image > Scale Image.
    assert all(abs(found - wanted) <= (7 <= i < 11) for i, (found, wanted) in enumerate(zip(facts[1], after))), said
    for source, made in (("in", "layer"), ("part", "second")):
        assert run("upscale", "--force", tmp_path / f"{source}.png", "-o", tmp_path / "expected.png", *OPTIONS).returncode == 0
        assert np.array_equal(
            picture_tools.pixels(tmp_path / f"{made}.png")[..., :3], picture_tools.pixels(tmp_path / "expected.png")
        )


def test_float_images_stay_float(gimp, run, tmp_path):
    """Linear light is given to the network with its gamma: as 16 bits, but for rounding."""
    picture_tools.write_png(tmp_path / "in.png", picture_tools.scene(64, 48, 3, 16))
    said = gimp(opened(
        tmp_path / "in.png", "(gimp-image-convert-precision image PRECISION-FLOAT-LINEAR)", CALL,
        "(say (number->string (car (gimp-image-get-precision image))))",
        "(gimp-image-convert-precision image PRECISION-U16-GAMMA)", save(tmp_path / "out.png"),
    ))
    assert "600" in said
    assert run("upscale", tmp_path / "in.png", "-o", tmp_path / "expected.png", *OPTIONS).returncode == 0
    found, expected = picture_tools.pixels(tmp_path / "out.png"), picture_tools.pixels(tmp_path / "expected.png")
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 2


def test_what_cannot_be_done_is_said(gimp, tmp_path):
    picture_tools.write_png(tmp_path / "in.png", picture_tools.scene(16, 16))
    indexed = '(gimp-image-convert-indexed image CONVERT-DITHER-NONE CONVERT-PALETTE-GENERATE 8 FALSE FALSE "")'
    cases = {
        "indexed colours": (indexed, CALL),
        "nothing": (CALL.replace("pipersr-x2-fast", "nothing"),),
        "precision is": (CALL.replace("fp32", "fp8"),),
        "floating selection": ("(gimp-edit-copy layer) (gimp-edit-paste layer FALSE)", CALL),
    }
    said = gimp(*(opened(tmp_path / "in.png", *lines, '(say "went on")') for lines in cases.values()))
    for words in cases:
        assert words in said
    assert "went on" not in said
