"""The corpus in memory, on the device that trains, and the choice of patches from it.

Pictures stay 8-bit and are cut by indexing, so that no loader stands between a step and the next. What a step
sees follows from the seed and the step's number alone: a run that was broken off needs no random state to go on.
"""

import json
import pathlib

import numpy
import torch

from detail import Detail


class Corpus:
    """One or more folders from prepare.py, of the same scale, joined."""

    def __init__(self, folders, device="cpu"):
        self.pictures, highs, lows, self.scale = [], [], [], None
        high_px = low_px = 0
        for folder in map(pathlib.Path, folders):
            path = folder / "pictures.json"
            if not path.is_file():
                raise SystemExit(f"{folder}: no corpus: make one with training/prepare.py")
            about = json.loads(path.read_text())
            if self.scale not in (None, about["scale"]):
                raise SystemExit(f"{folder}: scale {about['scale']}, the others have {self.scale}")
            self.scale = about["scale"]
            high = numpy.fromfile(folder / "hr.u8", numpy.uint8).reshape(-1, 3)
            low = numpy.fromfile(folder / "lr.u8", numpy.uint8).reshape(-1, 3)
            for picture in about["pictures"]:
                picture["hr_start_px"] += high_px
                picture["lr_start_px"] += low_px
                self.pictures.append(picture)
            high_px, low_px = high_px + len(high), low_px + len(low)
            highs.append(high)
            lows.append(low)
        self.high, self.low = (_joined(parts).to(device) for parts in (highs, lows))
        self.device = self.high.device

    def kinds(self):
        return sorted({picture["kind"] for picture in self.pictures if picture["training"]})

    def whole(self, picture, most_px=None):
        """(low, high) of a picture, uint8 [h][w][3]; at most its middle most_px x most_px low pixels."""
        height, width = picture["height"], picture["width"]
        low = self.low[picture["lr_start_px"] :][: height * width].view(height, width, 3)
        high = self.high[picture["hr_start_px"] :][: height * width * self.scale**2]
        high = high.view(height * self.scale, width * self.scale, 3)
        if most_px:
            y, x = max(0, height - most_px) // 2, max(0, width - most_px) // 2
            low = low[y : y + most_px, x : x + most_px]
            high = high[y * self.scale :, x * self.scale :][: low.shape[0] * self.scale, : low.shape[1] * self.scale]
        return low, high

    def patches(self, choices, side_px):
        """Patches of a step's choices (int64 [n][5]) as NCHW floats in 0..1: low, and high of scale x the side.

        Both lie in memory with the channels last.
        """
        return (
            _cut(self.low, choices[:, 0], choices[:, 1], choices[:, 4], side_px),
            _cut(self.high, choices[:, 2], choices[:, 3], choices[:, 4], side_px * self.scale),
        )


def _joined(parts):
    return torch.from_numpy(parts[0] if len(parts) == 1 else numpy.concatenate(parts))


def _cut(pixels, start, row_px, symmetry, side_px):
    """Gathers n squares; `symmetry` 0..7: bit 0 mirrors rows, bit 1 columns, bit 2 swaps them."""
    ramp = torch.arange(side_px, device=pixels.device)
    ramps = torch.stack([ramp, side_px - 1 - ramp])
    first, second = ramps[symmetry & 1], ramps[symmetry >> 1 & 1]  # [n][side]
    swap = (symmetry >> 2).view(-1, 1, 1).bool()
    down, across = first[:, :, None], second[:, None, :]
    y = torch.where(swap, across, down)
    x = torch.where(swap, down, across)
    index = start.view(-1, 1, 1) + y * row_px.view(-1, 1, 1) + x
    cut = pixels[index.reshape(-1)].view(*index.shape, 3)
    return cut.permute(0, 3, 1, 2).float() / 255


class Chooser:
    """Draws the patches of each step: kinds by share, within a kind a picture, within a picture a position.

    A picture is drawn in proportion to its positions to the power of `evenness`: at 1 every position of every picture
    is alike, at 0 every picture is. Of `candidates` positions in it, all alike, the one with the most detail is taken.
    """

    def __init__(self, corpus, batch, side_px, seed, shares=None, evenness=1.0, candidates=1):
        self.batch, self.side_px, self.seed, self.scale = batch, side_px, seed, corpus.scale
        self.candidates = candidates
        self.tables, weights = [], []
        usable = [p for p in corpus.pictures if p["training"] and min(p["height"], p["width"]) >= side_px]
        for kind in corpus.kinds():
            pictures = [p for p in usable if p["kind"] == kind]
            share = (shares or {}).get(kind)
            if not pictures or share == 0:
                continue
            table = numpy.array([[p["lr_start_px"], p["width"], p["hr_start_px"], p["height"]] for p in pictures])
            positions = (table[:, 1] - side_px + 1) * (table[:, 3] - side_px + 1)
            detail = Detail(corpus, pictures) if candidates > 1 else None
            self.tables.append((table, positions, numpy.cumsum(positions**evenness), detail))
            weights.append(share if share is not None else float(table[:, 1] @ table[:, 3]))
        if not self.tables:
            raise SystemExit(f"no picture for training is {side_px} low-resolution pixels wide and high")
        self.limits = numpy.cumsum(weights) / sum(weights)

    def of_steps(self, first, count):
        """int64 [count][batch][5], for steps first .. first + count - 1: start and row of low, of high, symmetry."""
        return torch.from_numpy(numpy.stack([self._of_step(first + i) for i in range(count)]))

    def _of_step(self, step):
        random = numpy.random.default_rng([self.seed, self.side_px, step])
        kind = numpy.searchsorted(self.limits, random.random(self.batch), side="right")
        kind = kind.clip(0, len(self.tables) - 1)
        where, symmetry = random.random(self.batch), random.integers(8, size=self.batch)
        more = random.random((self.candidates - 1, self.batch))
        chosen = numpy.empty((self.batch, 5), numpy.int64)
        for k, (table, positions, ends, detail) in enumerate(self.tables):
            mine = kind == k
            place = where[mine] * ends[-1]
            picture = numpy.searchsorted(ends, place, side="right").clip(0, len(ends) - 1)
            begin = numpy.concatenate([[0], ends])[picture]
            # The place within a picture's share of the line is as good as one more random number.
            within = numpy.concatenate([((place - begin) / (ends[picture] - begin))[None], more[:, mine]])
            low_start, width, high_start, _ = table[picture].T
            position = (within * positions[picture]).astype(numpy.int64).clip(0, positions[picture] - 1)
            y, x = numpy.divmod(position, width - self.side_px + 1)
            taken = self._most_detail(detail, picture, y, x)
            y, x = (numpy.take_along_axis(each, taken, 0)[0] for each in (y, x))
            chosen[mine, 0] = low_start + y * width + x
            chosen[mine, 1] = width
            chosen[mine, 2] = high_start + (y * width * self.scale + x) * self.scale
            chosen[mine, 3] = width * self.scale
        chosen[:, 4] = symmetry
        return chosen

    def _most_detail(self, detail, picture, y, x):
        """[1][patches]: which of the [candidates][patches] positions."""
        if detail is None:
            return numpy.zeros((1, len(picture)), numpy.int64)
        return detail.of(numpy.broadcast_to(picture, y.shape), y, x, self.side_px).argmax(0)[None]
