#!/bin/sh
# Everything that a release has, in one folder with checksums. The version is meson.build's alone; CHANGELOG.md
# must have a section of it. Nothing is uploaded and no tag is made.
#
#   packaging/release.sh [OUTPUT-FOLDER]      (default: dist)
set -eu

cd "$(dirname "$0")/.."
version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" meson.build)
output=${1:-dist}
python=${PYTHON:-.venv/bin/python}

fail() {
    echo "release: $*" >&2
    exit 1
}

[ -z "$(git status --porcelain)" ] || fail 'uncommitted changes: a release is a commit'
grep -q "^## $version\b" CHANGELOG.md || fail "CHANGELOG.md has no section $version"
[ -x "$python" ] || fail "no $python: scripts/setup.sh --tests makes it"
[ -f build/build.ninja ] || fail 'no build: make'
rm -rf "$output"
mkdir -p "$output"
output=$(cd "$output" && pwd)

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
ninja -C build >/dev/null
git archive --prefix="pipersr-$version/" HEAD | xz -T0 -9 >"$output/pipersr-$version.tar.xz"
packaging/build_deb.sh "$output" >/dev/null
packaging/build_tarball.sh build "$output" >/dev/null
"$python" -m build --wheel --outdir "$output" . >/dev/null

# Models: our own format, and those of others.
for model in models/*.safetensors; do
    name=$(basename "$model" .safetensors)
    cp "$model" "$output"
    PIPERSR_PYTHON=$python build/pipersr export --model "$model" --format onnx -o "$output/$name.onnx"
    PIPERSR_PYTHON=$python build/pipersr export --model "$model" --format onnx --precision int8 \
        -o "$output/$name-int8.onnx"
    for size in any 640x360 128x128; do
        package=$name-$size.mlpackage
        PIPERSR_PYTHON=$python build/pipersr export --model "$model" --format coreml --size $size \
            -o "$output/$package"
        (cd "$output" && find "$package" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} + &&
            tar --sort=name --owner=0 --group=0 --numeric-owner -czf "$package.tar.gz" "$package")
        rm -rf "${output:?}/$package"
    done
done
ldd build/pipersr | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' | sort >"$output/libraries"
"$python" packaging/sbom.py "$output/libraries" >"$output/pipersr-$version.spdx.json"
rm "$output/libraries"
(cd "$output" && sha256sum -- * >SHA256SUMS)
ls -l "$output"
