"""What is built: the wheel and the source distribution."""

import email
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

import pipersr
import pytest

MAX_BYTES = 5_000_000


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size < MAX_BYTES


def test_one_wheel_is_for_every_python_from_3_9(wheel, metadata):
    assert re.fullmatch(r"pipersr-[0-9.]+-cp39-abi3-manylinux_2_[0-9]+_\w+\.whl", wheel.name)
    assert metadata["Requires-Python"] == ">=3.9"


def test_auditwheel_agrees_with_the_platform_tag(wheel):
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(wheel)], capture_output=True, text=True, check=True
    )
    said = re.search(r'platform tag: "(manylinux_\w+)"', " ".join(done.stdout.split()))
    assert said and wheel.stem.endswith(said[1])


def test_it_needs_pillow_and_cffi_and_no_more(metadata):
    needed = {
        re.match(r"[\w-]+", each)[0].lower() for each in metadata.get_all("Requires-Dist") if "extra ==" not in each
    }
    assert needed == {"cffi", "pillow"}


def test_it_has_the_library_inside_and_nothing_else(names):
    assert {name.split("/")[0].split("-")[0] for name in names} == {"pipersr", "pipersr_export"}
    assert [name for name in names if ".so" in name] == ["pipersr/_native.abi3.so"]
    assert "pipersr/py.typed" in names


def test_only_the_modules_entry_is_exported(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        module = archive.extract("pipersr/_native.abi3.so", tmp_path)
    done = subprocess.run(["nm", "-D", "--defined-only", module], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["PyInit__native"]


def test_the_version_is_that_of_meson_build(root, metadata):
    (version,) = re.findall(r"^  version: '(.+)'", (root / "meson.build").read_text(), re.MULTILINE)
    assert pipersr.__version__ == version == metadata["Version"]


def test_every_module_is_listed_in_the_build_file(root, names):
    modules = {path.name for path in (root / "python/pipersr").iterdir() if path.suffix in (".py", ".pyi", ".typed")}
    inside = {name.partition("/")[2] for name in names if name.startswith("pipersr/")} - {""}
    assert inside == modules | {"_native.abi3.so"}


def test_the_source_distribution_has_what_the_wheel_is_made_of(wheel, root):
    # The wheel was built from it, so it is complete; here: that it is no copy of a working folder.
    (archive,) = wheel.parent.glob("pipersr-*.tar.gz")
    with tarfile.open(archive) as file:
        inside = {name.partition("/")[2] for name in file.getnames()}
    assert {"pyproject.toml", "meson.build", "LICENSE", "include/pipersr.h", "PKG-INFO"} <= inside
    assert not any(name.split("/")[0] in (".git", ".venv", "build", "demo") for name in inside)


def test_what_is_tested_is_what_is_installed(root):
    assert root not in pathlib.Path(pipersr.__file__).resolve().parents
