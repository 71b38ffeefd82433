#!/bin/sh
# The Python package's suite on several interpreters, each in an environment of its own with the newest Pillow, cffi
# and NumPy that pip finds for it. Needs the network.
#
# usage: tests/long/python_versions.sh WHEEL PYTHON...
#   WHEEL    made by scripts/wheel.sh; its source distribution lies beside it
#   PYTHON   interpreters, such as ~/.pyenv/versions/*/bin/python
# Left out are the tests of the wheel's own shape, of types and of the documents, which make test runs.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
wheel=$(realpath "${1:?usage: tests/long/python_versions.sh WHEEL PYTHON...}")
shift
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
        cd "$root"
        PIPERSR_WHEEL=$wheel "$python" -m pytest -q --tb=short -p no:cacheprovider --ignore tests/python/test_wheel.py \
            --ignore tests/python/test_typing.py --ignore tests/python/test_docs.py --deselect \
            tests/python/test_command.py::test_export_writes_what_onnx_can_check tests/python
    ) || failed=$((failed + 1))
done
echo "$failed interpreters failed"
[ "$failed" -eq 0 ]
