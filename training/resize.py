"""MATLAB's imresize with bicubic interpolation, on 8-bit pictures.

Antialiased when it makes smaller: the kernel is stretched by the factor. Each direction is rounded to 8
bits, rows of the picture first, as imresize keeps the class of its input. Beyond the edges the outermost pixel
repeats ("replicate"), which is how the customary x2 sets were made; newer MATLAB mirrors the picture there.
"""

import math

import numpy

KERNEL_WIDTH = 4


def cubic(distance):
    """Keys' kernel with a = -0.5."""
    x = numpy.abs(distance)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return numpy.where(x <= 1, inner, numpy.where(x < 2, outer, 0.0))


def taps(length_in, length_out, factor):
    """Indices and weights, [length_out][taps] each: out[i] = sum over t of weights[i][t] * in[indices[i][t]].

    Pixels are areas, not points: output pixel i has its centre at (i + 0.5) / factor - 0.5.
    """
    stretch = min(factor, 1.0)
    width = KERNEL_WIDTH / stretch
    centre = (numpy.arange(length_out) + 0.5) / factor - 0.5
    first = numpy.floor(centre - width / 2).astype(int)
    indices = first[:, None] + numpy.arange(math.ceil(width) + 2)
    weights = stretch * cubic(stretch * (centre[:, None] - indices))
    weights /= weights.sum(axis=1, keepdims=True)
    used = numpy.any(weights != 0, axis=0)
    return indices[:, used].clip(0, length_in - 1), weights[:, used]


def _along_rows(picture, length_out, factor):
    indices, weights = taps(picture.shape[0], length_out, factor)
    # Weights of 1/2 and 1/4 are multiples of 2^-10: sums of 8-bit values are exact in fp32.
    exact = numpy.all(weights * 1024 == numpy.round(weights * 1024))
    kind = numpy.float32 if exact else numpy.float64
    weights = weights.astype(kind)
    total = numpy.zeros((length_out, *picture.shape[1:]), kind)
    for t in range(weights.shape[1]):
        total += weights[:, t, None, None] * picture[indices[:, t]]
    return numpy.floor(total + 0.5).clip(0, 255).astype(numpy.uint8)


def resize(picture, height, width, factor):
    """uint8 [h][w][channels] -> uint8 [height][width][channels]; factor is output size / input size."""
    rows = _along_rows(picture, height, factor)
    columns = _along_rows(numpy.ascontiguousarray(rows.transpose(1, 0, 2)), width, factor)
    return numpy.ascontiguousarray(columns.transpose(1, 0, 2))


def crop_to_multiple(picture, multiple):
    height, width = (side - side % multiple for side in picture.shape[:2])
    return numpy.ascontiguousarray(picture[:height, :width])


def shrink(picture, scale):
    """The low-resolution picture of one whose sides are multiples of the whole number `scale`."""
    height, width = picture.shape[0] // scale, picture.shape[1] // scale
    if picture.shape[0] != height * scale or picture.shape[1] != width * scale:
        raise ValueError(f"{picture.shape[1]}x{picture.shape[0]} pixels are not a multiple of {scale}")
    return resize(picture, height, width, 1 / scale)
