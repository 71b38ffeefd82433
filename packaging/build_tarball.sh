#!/bin/sh
# A tarball that runs without installation: the program and every shared library that it needs, but for the C
# library's own.
#
#   packaging/build_tarball.sh [BUILD-FOLDER [OUTPUT-FOLDER]]      (default: build dist)
#
# libpipersr is linked into the program. libvips and FFmpeg cannot be linked statically from the distribution's
# packages, so they travel along, found by $ORIGIN. It needs the C library of the system it was made on, or a
# newer one. SBOM.spdx.json names every package that is inside, licenses/ has their licences.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-build}" && pwd)
mkdir -p "${2:-dist}"
output=$(cd "${2:-dist}" && pwd)
version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$root/meson.build")
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
export SOURCE_DATE_EPOCH
name=pipersr-$version-linux-$(uname -m)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/$name
meson install -C "$build" --no-rebuild --quiet --destdir "$work/installed" >/dev/null
prefix=$(dirname "$(dirname "$(find "$work/installed" -type f -name pipersr -path '*/bin/*')")")
mkdir -p "$tree/bin" "$tree/lib" "$tree/licenses"
cp "$prefix/bin/pipersr" "$tree/bin"
cp -r "$prefix/share" "$tree/share"
cp "$root/README.md" "$root/LICENSE" "$root/CHANGELOG.md" "$tree"

# What belongs to the C library must be the system's: it and the kernel and its name services are one.
ldd "$tree/bin/pipersr" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' |
    grep -vE '/(libc|libm|libdl|libpthread|librt|libresolv|libmvec|libnss_[a-z]*|ld-linux[^/]*)\.so' |
    sort >"$work/libraries"
while read -r library; do
    cp -L "$library" "$tree/lib"
done <"$work/libraries"
chmod 755 "$tree"/lib/*
strip --strip-unneeded "$tree/bin/pipersr" "$tree"/lib/*
patchelf --set-rpath "\$ORIGIN/../lib" "$tree/bin/pipersr"
for library in "$tree"/lib/*; do
    patchelf --set-rpath "\$ORIGIN" "$library"
done

"${PYTHON:-python3}" "$root/packaging/sbom.py" --licenses "$tree/licenses" "$work/libraries" >"$tree/SBOM.spdx.json"
LD_LIBRARY_PATH='' "$tree/bin/pipersr" info >/dev/null
# -T2, not -T0: with one thread xz would write other bytes.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$work" -cf - "$name" |
    xz -T2 -6 >"$output/$name.tar.xz.part"
mv "$output/$name.tar.xz.part" "$output/$name.tar.xz"
ls "$output/$name.tar.xz"
