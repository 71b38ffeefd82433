"""Low-resolution pictures are MATLAB's, bit for bit."""

import numpy
import pytest

import photos
import resize


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_reproduces_the_customary_sets(sets, name):
    originals = photos.photos_in(sets / name / "HR")
    for path in originals:
        wanted = photos.decode((sets / name / "LR" / path.name).read_bytes())
        made = resize.shrink(photos.decode(path.read_bytes()), 2)
        assert numpy.array_equal(made, wanted), path
    assert len(originals) in (5, 14, 100)


def test_flat_and_ramp_survive():
    flat = numpy.full((24, 36, 3), 77, numpy.uint8)
    for factor, size in ((0.5, (12, 18)), (1 / 3, (8, 12)), (0.25, (6, 9)), (2, (48, 72))):
        assert (resize.resize(flat, *size, factor) == 77).all()
    ramp = numpy.tile(numpy.arange(0, 120, 2, dtype=numpy.uint8)[:, None, None], (1, 8, 3))
    small = resize.shrink(ramp, 2)[4:-4, 0, 0].astype(int)
    assert (numpy.diff(small) == 4).all() and small[0] == 17


def test_sizes_must_fit():
    with pytest.raises(ValueError):
        resize.shrink(numpy.zeros((5, 4, 3), numpy.uint8), 2)
