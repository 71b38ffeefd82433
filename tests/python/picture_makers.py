"""Pictures for tests: small, with edges and smooth areas."""

import numpy

TOP = {"uint8": 255, "uint16": 65535, "float32": 1}


def scene(height=24, width=31, channels=3, sample="uint8"):
    """height x width x channels, or height x width where channels is 0."""
    y, x = numpy.mgrid[0:height, 0:width] / max(height, width)
    planes = [0.5 + 0.45 * numpy.sin(9 * x + 5 * y), 0.1 + 0.8 * y, 0.9 - 0.7 * x]
    planes[0][(x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.06] = 0.95
    if channels < 3:
        planes = [sum(planes) / 3]
    if channels in (2, 4):
        planes.append(numpy.clip(1.6 - 3 * numpy.hypot(x - 0.5, y - 0.4), 0, 1))
    samples = numpy.stack(planes, -1) * TOP[sample]
    samples = samples.astype("float32") if sample == "float32" else numpy.rint(samples).astype(sample)
    return samples if channels else samples[..., 0]


def as_unit(array):
    """The same as floats from 0 to 1."""
    return numpy.asarray(array).astype(float) / TOP[numpy.asarray(array).dtype.name]
