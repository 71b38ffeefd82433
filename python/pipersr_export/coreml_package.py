# SPDX-License-Identifier: MIT
"""A model as a Core ML package (.mlpackage): an ML program in 16-bit floats. Needs coremltools.

Input "x" [1, 3, H, W] and output "y" [1, 3, scale H, scale W] are RGB in 0..1, 32-bit floats; the
output is not clamped: whoever makes pixels of it does that anyway, and the Neural Engine runs one
operation less.

The operations are those that the Neural Engine runs without leaving it: cast, conv, silu, add,
pixel_shuffle; for 6 blocks 30 of them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import tempfile
import uuid

# Largest side of a package that takes any size. Core ML wants a limit to plan memory by.
MAX_SIDE_PX = 4096
# What a package of any size is tuned for.
USUAL_SIZE_PX = 640, 360


class MissingPackage(Exception):
    """coremltools is not there. The text says what to do."""


def _import_coremltools():
    # On anything but macOS it warns of each library that it lacks for running packages.
    logging.disable(logging.WARNING)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            import coremltools
    except ImportError as error:
        raise MissingPackage(f"a Core ML package needs coremltools ({error}): pip install coremltools") from error
    finally:
        logging.disable(logging.NOTSET)
    return coremltools


def _program(coremltools, model, shape):
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil.mil import types

    def conv(name, source, conv):
        weight, bias = conv.weight.astype("f2"), conv.bias.astype("f2")
        return mb.conv(x=source, weight=weight, bias=bias, pad_type="custom", pad=[1, 1, 1, 1], name=name)

    @mb.program(
        input_specs=[mb.TensorSpec(shape=shape, dtype=types.fp32)], opset_version=coremltools.target.macOS13
    )
    def program(x):
        h = h0 = conv("head", mb.cast(x=x, dtype="fp16", name="x_16"), model.head)
        for n, (conv1, conv2) in enumerate(model.blocks):
            a = conv(f"body_{n}_conv1", h, conv1)
            b = conv(f"body_{n}_conv2", mb.silu(x=a, name=f"body_{n}_silu"), conv2)
            h = mb.add(x=h, y=b, name=f"body_{n}_add")
        y = conv("tail", mb.add(x=h, y=h0, name="long_skip"), model.tail)
        y = mb.pixel_shuffle(x=y, upscale_factor=model.scale, name="shuffle")
        return mb.cast(x=y, dtype="fp32", name="y")

    return program


def _describe(package, model, size):
    package.author = "PiperSR"
    package.license = model.about.get("licence", "")
    package.short_description = (
        f"{model.name}: super-resolution, {model.scale} times the width and height. "
        + model.about.get("description", "")
    )
    package.version = model.about["version"]
    which = f"{size[0]} wide, {size[1]} high" if size else f"any size up to {MAX_SIDE_PX}"
    package.input_description["x"] = f"RGB in 0..1, [1, 3, height, width], {which}"
    package.output_description["y"] = (
        f"RGB, [1, 3, {model.scale} height, {model.scale} width], to be clamped to 0..1"
    )
    package.user_defined_metadata.update(
        scale=str(model.scale), colour_order="RGB", value_range="0..1", training=model.about.get("training", "")
    )
    # The day of the export would make two exports of one model differ.
    del package.user_defined_metadata["com.github.apple.coremltools.conversion_date"]


def _make_repeatable(coremltools, folder, model):
    """Two exports of a model are the same bytes: no names drawn by lot, maps in one order. Files are for all
    to read, not for their owner alone."""
    specification = folder / "Data" / "com.apple.CoreML" / "model.mlmodel"
    message = coremltools.proto.Model_pb2.Model.FromString(specification.read_bytes())
    specification.write_bytes(message.SerializeToString(deterministic=True))
    manifest = folder / "Manifest.json"
    content = json.loads(manifest.read_text())
    entries, names = {}, {}
    for old, entry in sorted(content["itemInfoEntries"].items(), key=lambda item: item[1]["path"]):
        names[old] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"pipersr:{model.name}:{entry['path']}")).upper()
        entries[names[old]] = entry
    content["itemInfoEntries"] = entries
    content["rootModelIdentifier"] = names[content["rootModelIdentifier"]]
    manifest.write_text(json.dumps(content, indent=4, sort_keys=True) + "\n")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder.chmod(0o755)


def write(model, path, size=None, replace=False):
    """Writes the folder `path`. Raises OSError and MissingPackage.

    size: (width_px, height_px), or None for a package that takes any size up to MAX_SIDE_PX.
    replace: a package that is at `path` makes way, once the new one is whole.
    """
    path = pathlib.Path(path)
    if os.path.lexists(path) and not (replace and (path / "Manifest.json").is_file()):
        raise FileExistsError(0, "it exists and is no Core ML package" if replace else "it exists")
    coremltools = _import_coremltools()
    from coremltools.converters.mil.mil import get_new_symbol

    inputs = None
    shape = (1, 3, size[1], size[0]) if size else (1, 3, get_new_symbol(), get_new_symbol())
    if not size:
        width, height = (coremltools.RangeDim(1, MAX_SIDE_PX, side) for side in USUAL_SIZE_PX)
        inputs = [coremltools.TensorType(name="x", shape=coremltools.Shape((1, 3, height, width)))]
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # its progress bars
            package = coremltools.convert(
                _program(coremltools, model, shape),
                inputs=inputs,
                convert_to="mlprogram",
                minimum_deployment_target=coremltools.target.macOS13,
                compute_units=coremltools.ComputeUnit.CPU_AND_NE,
                skip_model_load=True,
            )
    except RuntimeError as error:
        # What its writer of weights, which is not Python's, says of a full disk.
        raise OSError(0, f"coremltools: {error} Is there room in {tempfile.gettempdir()}?") from error
    _describe(package, model, size)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        made = pathlib.Path(folder, "made.mlpackage")
        package.save(str(made))
        _make_repeatable(coremltools, made, model)
        old = pathlib.Path(folder, "replaced")
        try:
            if replace and path.exists():
                path.rename(old)
            made.rename(path)
        except BaseException:  # Ctrl-C too: with the folder the old one would be gone
            if old.exists() and not path.exists():
                old.rename(path)
            raise
