#!/bin/sh
# Everything that a release has, in one folder with checksums, made in a fresh clone of the last commit. The version
# is meson.build's alone; CHANGELOG.md must have a section of it. Nothing is uploaded and no tag is made.
#
#   packaging/release.sh [--verify] [OUTPUT-FOLDER]      (default: dist)
#
# The folder is replaced if an earlier release is in it; one of anything else is left alone.
# --verify makes all of it a second time, in a folder of another name, and compares: every file must have the same
# bytes. Needs what scripts/setup.sh --tests installs; 10 minutes on two cores, twice that with --verify.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
verify=no
if [ "${1:-}" = --verify ]; then
    verify=yes
    shift
fi
output=${1:-dist}
python=${PYTHON:-$root/.venv/bin/python}
version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" meson.build)

fail() {
    echo "release: $*" >&2
    exit 1
}

case $output in
-*) fail "unknown option '$output'" ;;
esac
[ ! -e "$output" ] || [ -f "$output/SHA256SUMS" ] || fail "$output is there and is no release: move it away"
[ -z "$(git status --porcelain)" ] || fail 'uncommitted changes: a release is a commit'
grep -q "^## $version\b" CHANGELOG.md || fail "CHANGELOG.md has no section $version"
[ -x "$python" ] || fail "no $python: scripts/setup.sh --tests makes it"

commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
# Paths and habits of whoever makes it stay out.
unset CC CFLAGS LDFLAGS
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Our own format, and those of others; in the clone.
make_models() {
    for model in models/*.safetensors; do
        name=$(basename "$model" .safetensors)
        cp "$model" "$1"
        build/pipersr export --model "$model" --format onnx -o "$1/$name.onnx"
        build/pipersr export --model "$model" --format onnx --precision int8 -o "$1/$name-int8.onnx"
        for size in any 640x360 128x128; do
            package=$name-$size.mlpackage
            build/pipersr export --model "$model" --format coreml --size $size -o "$work/$package"
            tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --mode=go=rX,u+rw \
                -C "$work" -cf - "$package" | gzip -9n >"$1/$package.tar.gz"
            rm -rf "${work:?}/$package"
        done
    done
}

# make_all CLONE FOLDER: in a subshell, as it moves into the clone.
make_all() (
    clone=$1 folder=$2
    mkdir -p "$folder"
    git clone -q "$root" "$clone"
    cd "$clone"
    git checkout -q --detach "$commit"
    meson setup build >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        exit 1
    }
    ninja -C build >"$work/log" 2>&1 || {
        tail -n 40 "$work/log" >&2
        exit 1
    }
    git archive --prefix="pipersr-$version/" HEAD | xz -T2 -9 >"$folder/pipersr-$version-source.tar.xz"
    packaging/build_deb.sh "$folder" >/dev/null
    PYTHON=$python packaging/build_tarball.sh build "$folder" >/dev/null
    # From the environment's folder, as it needs what lies there.
    "$root/scripts/wheel.sh" "$folder" "$clone"
    PIPERSR_PYTHON=$python make_models "$folder"
    ldd build/pipersr | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' | sort >"$work/libraries"
    "$python" packaging/sbom.py "$work/libraries" >"$folder/pipersr-$version.spdx.json"
    (cd "$folder" && LC_ALL=C sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
)

make_all "$work/clone" "$work/made"
if [ $verify = yes ]; then
    make_all "$work/elsewhere/another_clone" "$work/again"
    diff "$work/made/SHA256SUMS" "$work/again/SHA256SUMS" || fail 'two builds differ in the files above'
    echo "release: two builds of $commit, the same bytes"
fi
rm -rf "$output"
mkdir -p "$(dirname "$output")"
mv "$work/made" "$output"
(cd "$output" && sha256sum --quiet -c SHA256SUMS)
ls -l "$output"
