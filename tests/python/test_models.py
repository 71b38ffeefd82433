"""Models and the machine."""

import pipersr
import pytest


def test_the_built_in_models_are_listed():
    found = pipersr.models()
    assert [each.name for each in found][:1] == ["pipersr-x2"]
    assert [each.default for each in found].count(True) == 1 == [each.default_for_videos for each in found].count(True)
    first = found[0]
    assert (first.scale, first.channels, first.blocks, first.parameters) == (2, 64, 6, 451852)
    assert first.default and first.licence == "MIT" and "int8" in first.precisions
    assert all(each.description and each.size_bytes > 10_000 for each in found)


def test_a_model_from_a_file_from_bytes_and_by_name(root, tmp_path, monkeypatch):
    path = root / "models" / "pipersr-x2-fast.safetensors"
    expected = pipersr.Model("pipersr-x2-fast").info
    assert pipersr.Model(path).info == pipersr.Model(str(path)).info == expected
    assert pipersr.Model.from_bytes(path.read_bytes()).info == expected
    # A name that no built-in model has is a file of the current folder.
    (tmp_path / "mine").write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert pipersr.Model("mine").info == expected
    assert "x2, 32 channels" in repr(pipersr.Model("mine"))


def test_damaged_models_are_refused(root, tmp_path):
    whole = (root / "models" / "pipersr-x2-fast.safetensors").read_bytes()
    for data in (b"", b"nonsense", whole[:1000], whole[:-4], whole[:8] + b"\0" * 200 + whole[208:]):
        with pytest.raises(pipersr.InputError):
            pipersr.Model.from_bytes(data)
    with pytest.raises(pipersr.InputError, match="absent"):
        pipersr.Model(tmp_path / "absent.safetensors")


def test_models_of_other_scales(root):
    from picture_makers import scene

    with pipersr.Upscaler(model=root / "tests" / "golden" / "x3-c16.safetensors") as upscaler:
        assert upscaler.scale == 3
        assert upscaler.upscale(scene(10, 12)).size == (36, 30)
        assert upscaler.upscale(scene(10, 12), scale=9).size == (108, 90)


def test_videos_have_a_model_of_their_own():
    with pipersr.Upscaler(use="video") as upscaler:
        assert upscaler.model.info.name == next(each.name for each in pipersr.models() if each.default_for_videos)
    with pytest.raises(pipersr.ArgumentError, match="photo or video"):
        pipersr.Upscaler(use="films")


def test_the_upscaler_says_what_it_uses():
    with pipersr.Upscaler(precision="fp32", threads=3, isa="c") as upscaler:
        assert (upscaler.precision, upscaler.threads, upscaler.isa, upscaler.scale) == ("fp32", 3, "c", 2)
        assert "fp32" in repr(upscaler)


def test_what_runs_is_chosen_at_run_time(monkeypatch):
    assert pipersr.cpu().threads >= 1 and pipersr.cpu().isa
    monkeypatch.setenv("PIPERSR_CPU", "c")
    with pipersr.Upscaler(precision="fp32") as upscaler:
        assert upscaler.isa == "c"


def test_auto_precision_comes_with_a_reason():
    precision, reason = pipersr.auto_precision(pipersr.Model("pipersr-x2"))
    with pipersr.Upscaler() as upscaler:
        assert upscaler.precision == precision
    assert reason
