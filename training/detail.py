"""How much detail a patch holds, for choosing patches by it.

The measure is the mean of |Laplacian| over the low-resolution green channel: near what is hard to enlarge, known without
a network, and cheap: it is summed once for each picture over cells of CELL_PX x CELL_PX pixels, into a table whose
differences are the sums over rectangles of cells (a summed-area table).
"""

import numpy

CELL_PX = 8


def _table(green):
    """uint8 [h][w] -> float64 [h / CELL_PX + 1][w / CELL_PX + 1]; a rest at the right and at the bottom is left out."""
    padded = numpy.pad(green.astype(numpy.int16), 1, mode="edge")
    laplacian = 4 * padded[1:-1, 1:-1] - padded[:-2, 1:-1] - padded[2:, 1:-1] - padded[1:-1, :-2] - padded[1:-1, 2:]
    rows, columns = (side // CELL_PX for side in green.shape)
    whole = numpy.abs(laplacian[: rows * CELL_PX, : columns * CELL_PX])
    cells = whole.reshape(rows, CELL_PX, columns, CELL_PX).sum((1, 3), dtype=numpy.float64)
    return numpy.pad(cells.cumsum(0).cumsum(1), ((1, 0), (1, 0)))


class Detail:
    """Of some pictures of a corpus, numbered as they are given."""

    def __init__(self, corpus, pictures):
        tables, self.starts, self.rows = [], [], []
        start = 0
        for picture in pictures:
            table = _table(corpus.whole(picture)[0][..., 1].cpu().numpy())
            tables.append(table.ravel())
            self.starts.append(start)
            self.rows.append(table.shape)
            start += table.size
        self.sums = numpy.concatenate(tables)
        self.starts, self.rows = numpy.array(self.starts), numpy.array(self.rows)

    def of(self, pictures, y, x, side_px):
        """Means over patches' cells, from that of their corner on; all but side_px are arrays of one shape."""
        rows, columns = numpy.moveaxis(self.rows[pictures], -1, 0)
        top, left = y // CELL_PX, x // CELL_PX
        bottom = numpy.minimum(top + max(1, side_px // CELL_PX), rows - 1)
        right = numpy.minimum(left + max(1, side_px // CELL_PX), columns - 1)

        def at(row, column):
            return self.sums[self.starts[pictures] + row * columns + column]

        total = at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left)
        return total / numpy.maximum(1, (bottom - top) * (right - left) * CELL_PX**2)
