#!/bin/sh
# Makes the Python package's source distribution and from that its wheel, of what is committed.
#
# usage: scripts/wheel.sh FOLDER [SOURCE]
#   FOLDER   where the two files go
#   SOURCE   the root of another checkout
# Needs the environment .venv, which scripts/setup.sh --tests makes; nothing is downloaded.
#
# The wheel is for CPython 3.9 and later (stable ABI) and for Linux with the C library of this machine or a newer
# one: the manylinux tag that auditwheel finds.
set -eu

folder=${1:?usage: scripts/wheel.sh FOLDER [SOURCE]}
root=$(cd "$(dirname "$0")/.." && pwd)
source=${2:-$root}
PATH=$root/.venv/bin:$PATH # meson too, as Debian 12's is too old
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python -m build --no-isolation --outdir "$work" "$source" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
# Named after the interpreter that built it, but Py_LIMITED_API is that of 3.9 (python/meson.build).
wheel=$(echo "$work"/*.whl)
if [ "$(uname -s)" = Linux ]; then
    python -m wheel tags --remove --python-tag cp39 "$wheel" >"$work/log"
    python -m auditwheel repair --wheel-dir "$folder" "$work"/*.whl >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        exit 1
    }
    mv "$work"/*.tar.gz "$folder"
else
    mv "$work"/*.whl "$work"/*.tar.gz "$folder"
fi
