"""From photos to patches: chunks, the split, test pictures refused, crops that belong together."""

import json
import zipfile

import numpy
import pytest
from PIL import Image

import pack
import photos
import resize
import synthetic
from corpus import Chooser, Corpus
from detail import CELL_PX, Detail


@pytest.fixture(scope="module")
def photo_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for n in range(6):
        Image.fromarray(synthetic.make(n, 90 + 2 * n)).save(folder / f"{n}.png")
    return folder


def test_chunks_hold_every_photo_within_the_limit(photo_folder, tmp_path, script):
    size = sum(path.stat().st_size for path in photo_folder.iterdir())
    limit = size / 2**20 / 2.2
    script("pack.py", photo_folder, "--out", tmp_path, "--limit-mib", limit)
    chunks = sorted(tmp_path.glob("photos-*.zip"))
    assert len(chunks) >= 3 and all(path.stat().st_size <= limit * 2**20 for path in chunks)
    found = {name: data for path in chunks for name, data, _ in pack.read_chunk(path)}
    assert found == {path.name: path.read_bytes() for path in photo_folder.iterdir()}

    script("prepare.py", "--out", tmp_path / "a", "--photos", *chunks, "--copies", "0.7")
    script("prepare.py", "--out", tmp_path / "b", "--photos", photo_folder, "--copies", "0.7")
    names = [
        {p["name"]: p["height"] for p in json.loads((tmp_path / x / "pictures.json").read_text())["pictures"]}
        for x in "ab"
    ]
    assert names[0] == names[1] and len(names[0]) == 6 + sum(not photos.is_validation(f"{n}.png") for n in range(6))


def test_another_decoder_is_noticed(photo_folder, tmp_path, script):
    script("pack.py", photo_folder, "--out", tmp_path)
    whole = tmp_path / "photos-1.zip"
    with zipfile.ZipFile(whole) as chunk, zipfile.ZipFile(tmp_path / "odd.zip", "w") as odd:
        for name in chunk.namelist():
            data = chunk.read(name)
            odd.writestr(name, json.dumps({**json.loads(data), "0.png": 1}) if name == pack.CHECKSUMS else data)
    done = script("prepare.py", "--out", tmp_path / "c", "--photos", tmp_path / "odd.zip")
    assert "warning: 1 photos were decoded to other pixels" in done.stdout


def test_test_pictures_are_refused(photo_folder, tmp_path, script):
    """A mirrored, smaller, recompressed copy of a photo counts as the photo."""
    sets = tmp_path / "sets"
    sets.mkdir()
    photo = Image.fromarray(synthetic.make(3, 400))
    photo.transpose(Image.FLIP_LEFT_RIGHT).resize((260, 260)).save(sets / "copy.jpg", quality=60)
    script("likeness.py", photo_folder, tmp_path / "sets")  # 96 pixels of picture 3 are another picture
    guilty = tmp_path / "guilty"
    guilty.mkdir()
    photo.save(guilty / "photo.png")
    assert "looks like copy.jpg" in script("likeness.py", guilty, sets, status=1).stderr
    done = script("prepare.py", "--out", tmp_path / "d", "--photos", guilty, "--test-sets", sets, status=1)
    assert "looks like copy.jpg" in done.stderr and not (tmp_path / "d" / "pictures.json").exists()


def test_split_is_fixed_by_the_name():
    names = [f"photo_{n:04d}.jpg" for n in range(2000)]
    held_back = [name for name in names if photos.is_validation(name)]
    assert 60 < len(held_back) < 140
    assert all(photos.is_validation(name.replace("jpg", "webp")) for name in held_back)


def as_bytes(patch):
    return (patch.permute(1, 2, 0) * 255).round().byte().numpy()


def test_patches_fit_together_in_every_symmetry(corpus_folder):
    corpus = Corpus([corpus_folder])
    assert corpus.kinds() == ["synthetic"]
    chooser = Chooser(corpus, 8, 24, seed=3)
    choices = chooser.of_steps(0, 1)[0]
    choices[1:] = choices[0]
    for symmetry in range(8):
        choices[symmetry, 4] = symmetry
    low, high = corpus.patches(choices, 24)
    assert low.shape == (8, 3, 24, 24) and high.shape == (8, 3, 48, 48)
    assert len({as_bytes(patch).tobytes() for patch in low}) == 8
    for symmetry in range(8):
        made, wanted = resize.shrink(as_bytes(high[symmetry]), 2), as_bytes(low[symmetry])
        if symmetry & 4:  # rows and columns swapped back: imresize shrinks rows first
            made = resize.shrink(numpy.ascontiguousarray(as_bytes(high[symmetry]).transpose(1, 0, 2)), 2)
            wanted = wanted.transpose(1, 0, 2)
        assert numpy.array_equal(made[3:-3, 3:-3], wanted[3:-3, 3:-3]), symmetry


def test_a_step_sees_the_same_whenever_it_is_drawn(corpus_folder):
    corpus = Corpus([corpus_folder])
    chooser = Chooser(corpus, 16, 20, seed=5)
    assert (chooser.of_steps(0, 9)[4:7] == chooser.of_steps(4, 3)).all()
    assert (chooser.of_steps(0, 1) != Chooser(corpus, 16, 20, seed=6).of_steps(0, 1)).any()
    held_back = [p for p in corpus.pictures if not p["training"]]
    starts = chooser.of_steps(0, 200)[:, :, 0]
    for picture in held_back:
        begin, end = picture["lr_start_px"], picture["lr_start_px"] + picture["height"] * picture["width"]
        assert not ((starts >= begin) & (starts < end)).any()
    assert held_back and len(starts.unique()) > 1000


def test_detail_is_the_mean_of_the_laplacian(corpus_folder):
    corpus = Corpus([corpus_folder])
    pictures = corpus.pictures[:3]
    measured = Detail(corpus, pictures)
    for number, picture in enumerate(pictures):
        green = corpus.whole(picture)[0][..., 1].numpy().astype(int)
        y, x = CELL_PX, 2 * CELL_PX  # at a cell's corner it is exact
        inside = green[y - 1 : y + 2 * CELL_PX + 1, x - 1 : x + 2 * CELL_PX + 1]
        wanted = 4 * inside[1:-1, 1:-1] - inside[:-2, 1:-1] - inside[2:, 1:-1] - inside[1:-1, :-2] - inside[1:-1, 2:]
        for off in (0, CELL_PX - 1):
            found = measured.of(numpy.array([number]), numpy.array([y + off]), numpy.array([x]), 2 * CELL_PX)
            assert found == pytest.approx(abs(wanted).mean())
        height, width = picture["height"], picture["width"]
        corner = measured.of(numpy.array([number]), numpy.array([height - 9]), numpy.array([width - 9]), 9)
        assert numpy.isfinite(corner).all() and corner >= 0


def test_candidates_hold_more_detail(corpus_folder):
    corpus = Corpus([corpus_folder])

    def detail(candidates):
        chooser = Chooser(corpus, 64, 16, seed=2, candidates=candidates)
        low, _ = corpus.patches(chooser.of_steps(0, 4).reshape(-1, 5), 16)
        green = low[:, 1]
        across, down = green.diff(dim=2)[:, :-1].abs(), green.diff(dim=1)[:, :, :-1].abs()
        return float((across + down).mean())

    assert 1.02 * detail(1) < detail(2) and 1.02 * detail(2) < detail(8)


def test_evenness_weighs_pictures_by_their_size(tmp_path, script):
    sides = [64, 64, 64, 128, 192]
    (tmp_path / "photos").mkdir()
    names = [f"{n}.png" for n in range(99) if not photos.is_validation(f"{n}.png")]
    for name, side in zip(names, sides):
        Image.fromarray(synthetic.make(1, side)).save(tmp_path / "photos" / name)
    script("prepare.py", "--out", tmp_path / "corpus", "--photos", tmp_path / "photos", "--copies", "")
    corpus = Corpus([tmp_path / "corpus"])
    ends = numpy.cumsum([p["height"] * p["width"] for p in corpus.pictures])

    def shares(evenness):
        starts = Chooser(corpus, 64, 16, seed=7, evenness=evenness).of_steps(0, 60)[:, :, 0]
        return numpy.bincount(numpy.searchsorted(ends, starts.ravel(), side="right"), minlength=5) / starts.numel()

    for evenness in (1.0, 0.5, 0.0):
        weights = numpy.array([(side / 2 - 15) ** (2 * evenness) for side in sides])
        assert shares(evenness) == pytest.approx(weights / weights.sum(), abs=0.025)
