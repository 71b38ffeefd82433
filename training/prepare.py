#!/usr/bin/env python3
"""Makes the corpus that training reads: pairs of pictures, high and low resolution, as bytes ready to be mapped.

    python3 training/prepare.py --out CORPUS --photos PATH ... [--clips ZIP ...] [--synthetic N]

PATH is a folder of photos or a chunk from pack.py. Low resolution is made by MATLAB's bicubic (resize.py).
Photos for training come also in smaller copies, so that fine structure is seen at several sizes; photos for
validation (photos.py) in their own size only. With --test-sets a photo that is in these sets stops it.

The corpus is a folder: hr.u8 and lr.u8 hold pixels (R, G, B) of all pictures one after the other, row by row,
pictures.json says where each picture lies.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import time

import clips
import likeness
import pack
import photos
import resize
import synthetic

COPIES = "0.84,0.71,0.59"


def pair(kind, name, training, high, low):
    about = {"kind": kind, "name": name, "training": training, "height": low.shape[0], "width": low.shape[1]}
    return about, high.tobytes(), low.tobytes()


def photo_pairs(job):
    """(name, bytes or path, checksum, factors, clips of the photo, scale) -> what becomes of one photo."""
    name, data, checksum, factors, photo_clips, scale = job
    picture = photos.decode(data if isinstance(data, bytes) else pathlib.Path(data).read_bytes())
    odd = checksum is not None and checksum != pack.pixel_checksum(picture)
    training = not photos.is_validation(name)
    pairs = []
    for factor in [1.0, *factors] if training else [1.0]:
        copy = picture
        if factor != 1:
            height, width = (int(side * factor) for side in picture.shape[:2])
            copy = resize.resize(picture, height, width, factor)
        high = resize.crop_to_multiple(copy, scale)
        if min(high.shape[:2]) >= 8 * scale:
            pairs.append(pair("photo", f"{name}@{factor:g}", training, high, resize.shrink(high, scale)))
    for clip_name, frame_name, high, low in clips.frames_of(photo_clips, picture):
        pairs.append(pair("video", f"{clip_name}/{frame_name}", training, high, low))
    hash_row = likeness.difference_hash(picture)
    return name, odd, hash_row, pairs


def synthetic_pairs(job):
    number, side, scale = job
    high = resize.crop_to_multiple(synthetic.make(number, side), scale)
    training = number % photos.VALIDATION_SHARE != 0
    return pair("synthetic", f"synthetic_{number}", training, high, resize.shrink(high, scale))


def photo_jobs(sources, factors, clips_by_photo, scale):
    for source in sources:
        if source.is_dir():
            for path in photos.photos_in(source):
                yield path.name, str(path), None, factors, clips_by_photo.pop(path.name, []), scale
        else:
            for name, data, checksum in pack.read_chunk(source):
                yield name, data, checksum, factors, clips_by_photo.pop(name, []), scale


class Writer:
    """Appends pairs to a corpus under construction; nothing is in place before close()."""

    def __init__(self, folder, scale):
        self.folder, self.scale, self.about = folder, scale, []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pictures.json").unlink(missing_ok=True)
        self.high, self.low = open(folder / "hr.u8", "wb"), open(folder / "lr.u8", "wb")
        self.high_px = self.low_px = 0

    def add(self, about, high, low):
        self.about.append({**about, "hr_start_px": self.high_px, "lr_start_px": self.low_px})
        self.high.write(high)
        self.low.write(low)
        self.high_px += len(high) // 3
        self.low_px += len(low) // 3

    def close(self):
        self.high.close()
        self.low.close()
        temporary = self.folder / "pictures.json.part"
        temporary.write_text(json.dumps({"scale": self.scale, "pictures": self.about}))
        os.replace(temporary, self.folder / "pictures.json")


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--photos", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--clips", type=pathlib.Path, nargs="*", default=[], help="from video_clips.py")
    parser.add_argument("--synthetic", type=int, default=0, metavar="N", help="so many pictures of synthetic.py")
    parser.add_argument("--side", type=int, default=512, help="of synthetic pictures, pixels (512)")
    parser.add_argument("--copies", default=COPIES, help=f"sizes of smaller copies ({COPIES}); '' for none")
    parser.add_argument("--scale", type=int, default=2, choices=(2, 3, 4))
    parser.add_argument("--test-sets", type=pathlib.Path, help="folder of pictures that must not be among the photos")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    started = time.monotonic()
    if options.clips and options.scale != 2:
        raise SystemExit("--clips: clips are made for scale 2")
    test_names, test_hashes = likeness.hashes_of_sets(options.test_sets) if options.test_sets else ([], None)
    factors = [float(factor) for factor in options.copies.split(",") if factor]
    clips_by_photo = clips.by_photo(options.clips)
    writer = Writer(options.out, options.scale)
    n_odd = n_photos = 0
    with multiprocessing.Pool(options.jobs) as pool:
        jobs = photo_jobs(options.photos, factors, clips_by_photo, options.scale)
        for name, odd, hash_row, pairs in pool.imap(photo_pairs, jobs):
            if test_hashes is not None and (hash_row != test_hashes).sum(axis=1).min() < likeness.LEAST_DISTANCE:
                nearest = test_names[int((hash_row != test_hashes).sum(axis=1).argmin())]
                raise SystemExit(f"{name} looks like {nearest} of the test sets: take it out of the photos")
            n_photos += 1
            n_odd += odd
            for made in pairs:
                writer.add(*made)
        numbers = [(number, options.side, options.scale) for number in range(options.synthetic)]
        for made in pool.imap(synthetic_pairs, numbers):
            writer.add(*made)
    if not writer.about:
        raise SystemExit("nothing to prepare: name --photos or --synthetic")
    writer.close()
    if n_odd:
        print(f"warning: {n_odd} photos were decoded to other pixels than where they were packed")
    if clips_by_photo:
        print(f"warning: clips of {len(clips_by_photo)} photos left out, as the photos are not here")
    n_held_back = sum(not about["training"] for about in writer.about)
    print(
        f"{options.out}: {n_photos} photos, {len(writer.about)} pictures ({n_held_back} for validation), "
        f"{writer.high_px / 1e6:.1f} megapixels, {time.monotonic() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
