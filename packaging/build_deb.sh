#!/bin/sh
# Debian packages of the tree as it is committed, in one command, without root:
#
#   packaging/build_deb.sh [OUTPUT-FOLDER]      (default: dist)
#
# The same commit gives the same bytes: the only date is the commit's.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:-dist}"
output=$(cd "${1:-dist}" && pwd)
version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$root/meson.build")
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
export SOURCE_DATE_EPOCH
export DEB_BUILD_OPTIONS=noautodbgsym
# The compiler would put its wrapper's path into the packages.
unset CC

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$work/pipersr-$version
git -C "$root" archive --prefix="pipersr-$version/" HEAD | tar -x -C "$work"
mv "$source/packaging/debian" "$source/debian"
# Under its own name debhelper would take it for a Debian changelog.
mv "$source/CHANGELOG.md" "$source/debian/release-notes.md"
cat >"$source/debian/changelog" <<END
pipersr ($version) unstable; urgency=medium

  * See release-notes.md beside this file.

 -- The PiperSR authors <pipersr@pipersr.org>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
for package in pipersr libpipersr0 libpipersr-dev gstreamer1.0-pipersr gimp-pipersr; do
    echo debian/release-notes.md >"$source/debian/$package.docs"
done
(cd "$source" && dpkg-buildpackage --build=binary --no-sign >"$work/log" 2>&1) || {
    tail -n 40 "$work/log"
    exit 1
}
cp "$work"/*.deb "$output"
ls "$output"/*.deb
