#!/bin/sh
# Installs what building and testing need, from the Debian or Ubuntu archive.
#
# Looks first: when nothing is missing it ends at once, without network and without root.
# usage: scripts/setup.sh [--training] [--tests] [--list]
#   --training   PyTorch as well, for training/ and its tests: large, and nothing else needs it
#   --tests      a Python environment, .venv, with what tests/requirements.txt names
#   --list       prints the packages and installs nothing
set -eu

# One package a line, so that a change is a readable diff.
packages='
gcc
gcc-aarch64-linux-gnu
clang
clang-format
libclang-rt-14-dev
llvm
libc6-dev
libc6-dev-arm64-cross
qemu-user
meson
ninja-build
pkg-config
libvips-dev
libvips-tools
ffmpeg
libavcodec-dev
libavfilter-dev
libavformat-dev
libavutil-dev
libswscale-dev
libjansson-dev
libmicrohttpd-dev
libgnutls28-dev
libsqlite3-dev
libseccomp-dev
libgstreamer1.0-dev
libgstreamer-plugins-base1.0-dev
gstreamer1.0-tools
gstreamer1.0-plugins-base
gstreamer1.0-plugins-good
gstreamer1.0-plugins-bad
gstreamer1.0-plugins-ugly
gstreamer1.0-libav
gimp
libgimp2.0-dev
chromium
curl
dpkg-dev
debhelper
fakeroot
lintian
systemd
patchelf
zsh
fish
libimage-exiftool-perl
imagemagick
python3
python3-dev
python3-numpy
python3-pil
python3-pytest
python3-pytest-xdist
python3-venv
'

fail() {
    echo "setup: $*" >&2
    exit 1
}

tests=no
while [ $# -gt 0 ]; do
    case $1 in
    # Without OpenBLAS Debian's PyTorch multiplies matrices by the reference BLAS, dozens of times slower.
    --training) packages="$packages python3-torch libopenblas0-pthread" ;;
    --tests) tests=yes ;;
    --list)
        echo $packages
        exit 0
        ;;
    *) fail "unknown option '$1'" ;;
    esac
    shift
done

vapoursynth=81
# The host of plugins/vapoursynth, which Debian lacks. Its package is for newer Pythons than Debian's, so
# it is only unpacked: the tests need the core and its headers. Elsewhere than on x86-64 they are skipped.
add_vapoursynth() {
    [ "$(uname -m)" = x86_64 ] || return 0
    "$root/.venv/bin/pip" download -q --disable-pip-version-check --no-deps --only-binary :all: \
        --python-version 3.12 --platform manylinux_2_28_x86_64 -d "$root/.venv/vapoursynth" vapoursynth==$vapoursynth &&
        "$python" -m zipfile -e "$root"/.venv/vapoursynth/vapoursynth-"$vapoursynth"-*.whl "$root/.venv/vapoursynth" ||
        fail 'the package vapoursynth could not be fetched'
}

# Made anew when the list changes. It appears whole or not at all: its stamp is written last.
make_python_environment() {
    root=$(cd "$(dirname "$0")/.." && pwd)
    wanted="$(cksum <"$root/tests/requirements.txt"), VapourSynth $vapoursynth"
    if [ "$(cat "$root/.venv/made-of" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    echo 'setup: making .venv for the tests'
    rm -rf "$root/.venv"
    "$python" -m venv "$root/.venv" &&
        "$root/.venv/bin/pip" install -q --disable-pip-version-check --retries 5 \
            -r "$root/tests/requirements.txt" ||
        fail 'the Python packages of tests/requirements.txt could not be installed'
    add_vapoursynth
    echo "$wanted" >"$root/.venv/made-of"
}
python=$(test -x /usr/bin/python3 && echo /usr/bin/python3 || echo python3)

if ! command -v dpkg-query >/dev/null 2>&1; then
    # Another kind of system: nothing to install from, so only say what the build will miss.
    for tool in cc meson ninja pkg-config; do
        command -v "$tool" >/dev/null 2>&1 ||
            fail "no apt here and '$tool' is missing: install the counterparts of:" $packages
    done
    [ $tests = no ] || make_python_environment
    exit 0
fi

# A name may stand for a virtual package (pkg-config, provided by pkgconf), hence Provides.
installed=$(dpkg-query -W -f '${db:Status-Abbrev}|${Package}, ${Provides}\n' |
    sed -n 's/^.i *|//p' | tr ',' '\n' | sed 's/(.*//; s/ //g')
missing=$(for package in $packages; do
    printf '%s\n' "$package"
done | grep -vxF "$installed" || true)
if [ -z "$missing" ]; then
    [ $tests = no ] || make_python_environment
    exit 0
fi
missing=$(echo $missing)

if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=sudo
else
    fail "not root and no sudo: ask an administrator to run: apt-get install $missing"
fi

echo "setup: installing $missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -q -o Acquire::Retries=3 update >/dev/null ||
    fail "apt-get update failed: is the network up? Still missing: $missing"
# --no-install-recommends: half the packages for the same result.
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
    -o Acquire::Retries=3 install --no-install-recommends $missing >/dev/null ||
    fail "apt-get could not install: $missing"
[ $tests = no ] || make_python_environment
echo "setup: done"
