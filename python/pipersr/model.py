"""Models: the built-in ones, and those in files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, Optional, Union

from pipersr._native import ffi, lib
from pipersr.errors import InputError, check, text

Use = Literal["photo", "video"]

USES: dict[str, int] = {"photo": lib.PIPERSR_USE_PHOTO, "video": lib.PIPERSR_USE_VIDEO}


@dataclass(frozen=True)
class ModelInfo:
    """What a model is."""

    name: str
    description: str  #: one line on what it is for, or ""
    licence: str
    training: str  #: one line on where the weights come from, or ""
    scale: int  #: output width / input width
    channels: int
    blocks: int
    radius_px: int  #: input pixels on each side that an output pixel depends on
    parameters: int
    macs_per_px: int  #: multiply-accumulates for each input pixel
    precisions: tuple[str, ...]  #: what it has the numbers for


class Model:
    """A network and its weights; never changes, may be used by any number of Upscalers and threads.

    ``Model("pipersr-x2-fast")`` is a built-in one, ``Model("mine.safetensors")`` one in a file: a value with
    a "/" in it or that ends in ".safetensors" is a file, and so is a name that no built-in model has.
    """

    def __init__(self, source: Union[str, os.PathLike[str]]) -> None:
        built_in = ffi.NULL
        if isinstance(source, str) and not _is_path(source):
            built_in = lib.pipersr_model_find_built_in(source.encode())
            if built_in == ffi.NULL and not os.path.exists(source):
                names = ", ".join(text(each.name) for each in _built_in_models())
                raise InputError(f"no file and no built-in model '{source}'; there are: {names}")
        if built_in != ffi.NULL:
            self._pointer = _load_built_in(built_in)
        else:
            path = os.fspath(source)
            self._pointer = _load(lambda *places: lib.pipersr_model_load_file(os.fsencode(path), *places), path)

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """A model file that is in memory."""
        self = cls.__new__(cls)
        self._pointer = _load(lambda *places: lib.pipersr_model_load_memory(data, len(data), *places), "the model")
        return self

    @property
    def info(self) -> ModelInfo:
        return _info(self._pointer)

    def __repr__(self) -> str:
        info = self.info
        return f"<pipersr.Model {info.name}: x{info.scale}, {info.channels} channels, {info.blocks} blocks>"


@dataclass(frozen=True)
class BuiltInModel(ModelInfo):
    """A model that the library carries."""

    size_bytes: int
    default: bool  #: what photos get, and videos unless another is theirs
    default_for_videos: bool


def models() -> list[BuiltInModel]:
    """The built-in models, the default one first."""
    found = []
    for each in _built_in_models():
        info = _info(_load_built_in(each))
        found.append(
            BuiltInModel(
                **vars(info),
                size_bytes=each.size_bytes,
                default=each == lib.pipersr_model_built_in_for(lib.PIPERSR_USE_PHOTO),
                default_for_videos=each == lib.pipersr_model_built_in_for(lib.PIPERSR_USE_VIDEO),
            )
        )
    return found


def built_in_bytes(name: str) -> Optional[bytes]:
    """The file of a built-in model; None where the name is another's, as ``Model`` reads it."""
    each = ffi.NULL if _is_path(name) else lib.pipersr_model_find_built_in(name.encode())
    return None if each == ffi.NULL else bytes(ffi.buffer(each.data, each.size_bytes))


def choose(model: Union[None, str, os.PathLike[str], Model], use: str, scale: Optional[int] = None) -> Model:
    """What a parameter ``model`` means; None is the built-in model for this use and scale."""
    if isinstance(model, Model):
        return model
    if model is None:
        # A scale that no uint32_t holds is refused by whoever runs the model.
        wanted = scale if scale is not None and 0 <= scale < 1 << 32 else 0
        model = text(lib.pipersr_model_built_in_at(USES[use], wanted).name)
    return Model(model)


def _is_path(value: str) -> bool:
    return "/" in value or value.endswith(".safetensors")


def _built_in_models() -> list[Any]:
    found: list[Any] = []
    while (each := lib.pipersr_model_built_in(len(found))) != ffi.NULL:
        found.append(each)
    return found


def _load(loader: Any, name: str) -> Any:
    pointer = ffi.new("pipersr_model **")
    error = ffi.new("pipersr_error *")
    check(loader(pointer, error), error.message, name)
    return ffi.gc(pointer[0], lib.pipersr_model_free)


def _load_built_in(each: Any) -> Any:
    return _load(
        lambda *places: lib.pipersr_model_load_memory(each.data, each.size_bytes, *places), text(each.name)
    )


def _info(pointer: Any) -> ModelInfo:
    info = ffi.new("pipersr_model_info *")
    lib.pipersr_model_get_info(pointer, info)
    return ModelInfo(
        name=text(info.name),
        description=text(info.description),
        licence=text(info.licence),
        training=text(info.training),
        scale=info.scale,
        channels=info.channels,
        blocks=info.blocks,
        radius_px=info.radius_px,
        parameters=info.parameters,
        macs_per_px=info.macs_per_px,
        # Any weights run in fp32 and, rounded, in bf16; int8 needs codings.
        precisions=("fp32", "bf16", "int8") if info.has_int8 else ("fp32", "bf16"),
    )
