"""What `make install` puts down is enough to build against: header, libraries, pkg-config file."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

PIXELS = bytes((7 * i + i // 96) % 256 for i in range(32 * 32 * 3))


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    """Root of a tree into which the build was installed."""
    root = tmp_path_factory.mktemp("installed")
    command = ["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", "--destdir", str(root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return root


@pytest.fixture(scope="module")
def pkg_config(installed):
    """pkg_config(*options) -> list of flags, with paths into the installed tree."""
    (file,) = installed.rglob("pipersr.pc")
    variables = {"PKG_CONFIG_PATH": str(file.parent), "PKG_CONFIG_SYSROOT_DIR": str(installed)}

    def ask(*options):
        command = ["pkg-config", *options, "pipersr"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **variables})
        return done.stdout.split()

    return ask


def find(installed, name):
    (path,) = installed.rglob(name)
    return path


def compile_and_run(root, folder, flags, environment=None):
    program, small, big = folder / "upscale_raw", folder / "small.ppm", folder / "big.ppm"
    compiler = os.environ.get("CC", "cc").split()
    source = root / "examples" / "upscale_raw.c"
    subprocess.run([*compiler, "-std=c11", "-Wall", "-Werror", str(source), "-o", str(program), *flags], check=True)
    small.write_bytes(b"P6 32 32 255\n" + PIXELS)
    subprocess.run([str(program), str(small), str(big)], check=True, env={**os.environ, **(environment or {})})
    header, samples = big.read_bytes().split(b"\n255\n", 1)
    assert header == b"P6\n64 64"
    assert len(samples) == 64 * 64 * 3
    return samples


def test_an_example_links_to_the_shared_and_the_static_library(root, installed, pkg_config, tmp_path):
    library = find(installed, "libpipersr.so").parent
    (tmp_path / "shared").mkdir()
    (tmp_path / "static").mkdir()
    shared = compile_and_run(
        root, tmp_path / "shared", pkg_config("--cflags", "--libs"), {"LD_LIBRARY_PATH": str(library)}
    )
    flags = [flag for flag in pkg_config("--cflags", "--static", "--libs") if flag != "-lpipersr"]
    archive = find(installed, "libpipersr.a")
    static = compile_and_run(root, tmp_path / "static", [str(archive), *flags])
    assert shared == static


def test_plugins_find_the_library(installed, build):
    """Below any prefix; in /usr the system does."""
    asked = subprocess.run(["meson", "introspect", "--buildoptions", str(build)], check=True, capture_output=True, text=True)
    options = {option["name"]: option["value"] for option in json.loads(asked.stdout)}
    plugins = [*installed.rglob("libgstpipersr.so"), *installed.rglob("gimp-pipersr/gimp-pipersr")]
    if not plugins:
        pytest.skip("the plug-ins' hosts are not there")
    expected = [] if options["prefix"] == "/usr" else [f"{options['prefix']}/{options['libdir']}"]
    for plugin in plugins:
        done = subprocess.run(["readelf", "-dW", str(plugin)], check=True, capture_output=True, text=True)
        assert re.findall(r"R(?:UN)?PATH\).*\[(.*)\]", done.stdout) == expected


def test_the_version_is_the_same_everywhere(root, installed, pkg_config, build):
    version = subprocess.run([str(build / "pipersr"), "--version"], check=True, capture_output=True, text=True).stdout
    assert pkg_config("--modversion") == [version.split()[-1]]


def test_one_header_and_the_program_are_installed(installed):
    headers = [path.name for path in installed.rglob("*.h")]
    assert headers == ["pipersr.h"]
    program = find(installed, "bin/pipersr")
    assert os.access(program, os.X_OK)
    text = subprocess.run([str(program), "--help"], check=True, capture_output=True, text=True).stdout
    assert "upscale" in text


def test_manual_page_and_completion_are_installed(installed):
    page = find(installed, "pipersr.1*")
    assert "man1" in page.parts
    if shutil.which("man"):
        done = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == ""
    completions = [path for path in installed.rglob("*") if "bash-completion" in pathlib.PurePath(path).parts]
    assert any(path.is_file() for path in completions)
