"""Weights with which the network is bicubic interpolation, so that training starts from a good picture.

The blocks add nothing yet, so the network is tail(2 * head(x)), which is linear. Some channels of the head carry
copies of the picture, moved by up to one pixel; the tail weighs them into the phases of the bicubic kernel, whose
taps reach two pixels to each side. With 27 channels or more these are the 3x3 neighbours of each colour,
with fewer the four corners, from which the tail reaches all taps as well. The other channels start at random,
and nothing reads them yet.
"""

import itertools

import torch

import resize

COLOURS = 3
NEIGHBOURS = list(itertools.product((-1, 0, 1), repeat=2))
CORNERS = list(itertools.product((-1, 1), repeat=2))


def phases(scale):
    """[scale][5]: weights of the input pixels -2 .. 2 around it in each of the pixels that one becomes."""
    size = 16
    indices, weights = resize.taps(size, size * scale, scale)
    table = torch.zeros(scale, 5, dtype=torch.float64)
    for phase in range(scale):
        row = size // 2 * scale + phase
        for index, weight in zip(indices[row], weights[row]):
            if weight:
                table[phase, index - size // 2 + 2] += weight
    return table


def _ways(tap, moves):
    """How tap -2 .. 2 is made of a move by the head and one by the tail: [(head, tail)]; the least of the tail."""
    ways = [(move, tap - move) for move in moves if abs(tap - move) <= 1]
    least = min(abs(tail) for _, tail in ways)
    return [way for way in ways if abs(way[1]) == least]


def set_bicubic(head, head_bias, tail, tail_bias, scale):
    """Fills head [C][3][3][3] and tail [3 scale^2][C][3][3]; C >= 12. The rest of `head` stays as it is."""
    moves = NEIGHBOURS if head.shape[0] >= COLOURS * len(NEIGHBOURS) else CORNERS
    if head.shape[0] < COLOURS * len(moves):
        raise ValueError(f"{head.shape[0]} channels cannot carry the picture: 12 are the least")
    steps = sorted({move[0] for move in moves})
    table = phases(scale)
    head_bias.zero_()
    tail_bias.zero_()
    tail.zero_()
    head[: COLOURS * len(moves)].zero_()
    for colour, (n, (dy, dx)) in itertools.product(range(COLOURS), enumerate(moves)):
        head[colour * len(moves) + n, colour, dy + 1, dx + 1] = 1
    for colour, i, j in itertools.product(range(COLOURS), range(scale), range(scale)):
        out = colour * scale * scale + i * scale + j
        for tap_y, tap_x in itertools.product(range(-2, 3), repeat=2):
            weight = 0.5 * float(table[i, tap_y + 2] * table[j, tap_x + 2])  # half: the head counts twice
            ways = list(itertools.product(_ways(tap_y, steps), _ways(tap_x, steps)))
            for (head_y, tail_y), (head_x, tail_x) in ways:
                channel = colour * len(moves) + moves.index((head_y, head_x))
                tail[out, channel, tail_y + 1, tail_x + 1] += weight / len(ways)
