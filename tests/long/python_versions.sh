#!/bin/sh
# The Python package's suite on several interpreters, each in an environment of its own with the newest Pillow, cffi
# and NumPy that pip finds for it. Needs the network, and the program: build/pipersr or $PIPERSR.
#
# usage: tests/long/python_versions.sh WHEEL PYTHON...
#   WHEEL    made by scripts/wheel.sh; its source distribution lies beside it
#   PYTHON   interpreters, such as ~/.pyenv/versions/*/bin/python
# Left out are the tests of the wheel's own shape, of types, of the manual and of exports, which make test runs.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
wheel=$(realpath "${1:?usage: tests/long/python_versions.sh WHEEL PYTHON...}")
shift
[ -x "${PIPERSR:-$root/build/pipersr}" ] || {
    echo 'python_versions: no build/pipersr: make builds it' >&2
    exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
for interpreter in "$@"; do
    rm -rf "$work/environment"
    "$interpreter" -m venv "$work/environment"
    python=$work/environment/bin/python
    "$python" -m pip install -q --disable-pip-version-check "$wheel[numpy]" pytest
    "$python" -c 'import sys, platform, PIL, cffi, numpy
print("==", platform.python_implementation(), platform.python_version(), "Pillow", PIL.__version__, "cffi", cffi.__version__, "NumPy", numpy.__version__)'
    (
        cd "$root/tests/python"
        PIPERSR_WHEEL=$wheel "$python" -m pytest -q --tb=short -p no:cacheprovider test_upscale.py test_arrays.py \
            test_photo_files.py test_threads.py test_models.py test_video.py test_command.py -k 'not onnx'
    ) || failed=$((failed + 1))
done
echo "$failed interpreters failed"
[ "$failed" -eq 0 ]
