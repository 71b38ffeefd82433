#!/usr/bin/env python3
"""Packs photos into a few files of bounded size, to be carried to another machine.

    python3 training/pack.py PHOTOS --out FOLDER [--limit-mib 56] [--test-sets DIR]

The chunks, photos-1.zip and so on, hold the photos' own files: nothing is smaller without a loss. Beside
them lies a checksum of the decoded pixels, so that prepare.py notices a decoder that gives other ones.
"""

import argparse
import json
import pathlib
import zipfile
import zlib

import likeness
import photos

PHOTO_FOLDER, CHECKSUMS = "photos/", "checksums.json"


def pixel_checksum(picture):
    return zlib.crc32(picture.tobytes()) ^ (picture.shape[0] << 16) ^ picture.shape[1]


def spread(sizes, limit):
    """Indices of the items of each chunk: as few chunks as can be, of nearly the same size."""
    count = -(-sum(sizes) // limit)
    while True:
        chunks, filled = [[] for _ in range(count)], [0] * count
        for item in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
            chunk = filled.index(min(filled))
            chunks[chunk].append(item)
            filled[chunk] += sizes[item]
        if max(filled) <= limit:
            return [sorted(chunk) for chunk in chunks]
        if max(sizes) > limit:
            raise SystemExit(f"a photo of {max(sizes)} bytes does not fit the limit of {limit}")
        count += 1


def write_chunk(path, paths):
    checksums = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as chunk:
        for photo in paths:
            data = photo.read_bytes()
            checksums[photo.name] = pixel_checksum(photos.decode(data))
            chunk.writestr(PHOTO_FOLDER + photo.name, data)
        chunk.writestr(CHECKSUMS, json.dumps(checksums))


def read_chunk(path):
    """Yields name, bytes and checksum of each photo in a chunk."""
    with zipfile.ZipFile(path) as chunk:
        names = [name for name in chunk.namelist() if name.startswith(PHOTO_FOLDER)]
        checksums = json.loads(chunk.read(CHECKSUMS)) if names else {}
        for name in names:
            base = name[len(PHOTO_FOLDER) :]
            yield base, chunk.read(name), checksums[base]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--limit-mib", type=float, default=56)
    parser.add_argument("--test-sets", type=pathlib.Path, help="refuse photos that are in these sets")
    options = parser.parse_args()
    paths = photos.photos_in(options.photos)
    if len({path.name for path in paths}) < len(paths):
        raise SystemExit(f"{options.photos}: two photos have the same name: rename one")
    if options.test_sets:
        likeness.refuse_test_pictures(((p.name, photos.decode(p.read_bytes())) for p in paths), options.test_sets)
    options.out.mkdir(parents=True, exist_ok=True)
    # An entry costs about 250 bytes beside its data.
    chunks = spread([path.stat().st_size + 250 for path in paths], int(options.limit_mib * 2**20))
    for number, chunk in enumerate(chunks, 1):
        path = options.out / f"photos-{number}.zip"
        write_chunk(path, [paths[i] for i in chunk])
        print(f"{path}: {len(chunk)} photos, {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
