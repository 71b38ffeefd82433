"""Which files the program takes, what its outputs are called, and when it leaves them alone."""

import os

import pytest

import clip_tools as clips
from picture_tools import header, pixels, scene, write_png

USAGE, INPUT, UNSUPPORTED, OUTPUT = 2, 3, 4, 5


@pytest.fixture
def photo(tmp_path):
    return write_png(tmp_path / "photo.png", scene(20, 14))


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def refused(done, status, *words):
    assert done.returncode == status, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("pipersr:")]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert str(word) in lines[0]


# ------------------------------------------------------------------------------------------ names


def test_default_name_is_beside_the_input(run, tmp_path, photo):
    done = run("upscale", photo)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == ["photo.png", "photo_2x.png"]
    assert header(tmp_path / "photo_2x.png")[:2] == (40, 28)


def test_default_name_in_the_current_folder(run, tmp_path, photo):
    assert run("upscale", "photo.png", cwd=tmp_path).returncode == 0
    assert names(tmp_path) == ["photo.png", "photo_2x.png"]


def test_published_form_gives_the_same_bytes(run, tmp_path, photo):
    assert run("-i", photo, "-o", tmp_path / "short.png").returncode == 0
    assert run("upscale", photo, "-o", tmp_path / "long.png").returncode == 0
    assert (tmp_path / "short.png").read_bytes() == (tmp_path / "long.png").read_bytes()


def test_published_form_takes_several_inputs(run, tmp_path, photo):
    other = write_png(tmp_path / "other.png", scene(9, 9))
    assert run("-i", photo, "-i", other).returncode == 0
    assert names(tmp_path) == ["other.png", "other_2x.png", "photo.png", "photo_2x.png"]


def test_scale_4_is_in_the_name_and_the_size(run, tmp_path, photo):
    done = run("upscale", photo, "--scale", 4, timeout=30)
    assert done.returncode == 0, done.stderr
    assert header(tmp_path / "photo_4x.png")[:2] == (80, 56)


def test_scale_4_is_two_runs(run, tmp_path, photo):
    # The second of two runs reads what the first has rounded to 8 bits; both passes at once need not.
    assert run("upscale", photo, "-o", tmp_path / "a.png").returncode == 0
    assert run("upscale", tmp_path / "a.png", "-o", tmp_path / "b.png").returncode == 0
    same = ("--scale", 4, "--model", "pipersr-x2")
    assert run("upscale", photo, "-o", tmp_path / "c.png", *same, timeout=30).returncode == 0
    difference = abs(pixels(tmp_path / "b.png").astype(int) - pixels(tmp_path / "c.png"))
    assert difference.max() <= 3


def test_dots_in_names(run, tmp_path):
    write_png(tmp_path / "a.b.c.png", scene(8, 8))
    write_png(tmp_path / "plain", scene(8, 8))
    write_png(tmp_path / ".hidden", scene(8, 8))
    for name in ("a.b.c.png", "plain", ".hidden"):
        assert run("upscale", tmp_path / name).returncode == 0
    assert {"a.b.c_2x.png", "plain_2x.png", ".hidden_2x.png"} <= set(names(tmp_path))


def test_strange_names(run, tmp_path):
    odd = ["with space.png", "-dash.png", "quote'\".png", "tab\there.png", "%s%n.png", "grüße.png"]
    for name in odd:
        write_png(tmp_path / name, scene(6, 6))
    done = run("upscale", "--", *odd, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(names(tmp_path)) == 2 * len(odd)
    assert "\t" not in done.stderr


def test_name_that_is_not_utf8(run, tmp_path):
    name = os.fsencode(tmp_path) + b"/latin\xe9.png"
    with open(name, "wb") as file:
        file.write(write_png(tmp_path / "a.png", scene(6, 6)).read_bytes())
    done = run("upscale", os.fsdecode(name), "--json")
    assert done.returncode == 0, done.stderr
    assert "latin\ufffd.png" in done.stdout.decode("utf-8")
    assert os.path.exists(os.fsencode(tmp_path) + b"/latin\xe9_2x.png")


def test_wrong_extension_is_decided_by_content(run, tmp_path, photo):
    lying = tmp_path / "really_a_png.mp4"
    photo.rename(lying)
    done = run("upscale", lying)
    assert done.returncode == 0, done.stderr
    assert "note:" in done.stderr
    assert header(tmp_path / "really_a_png_2x.png")[:2] == (40, 28)


def test_video_with_the_name_of_a_picture(run, tmp_path):
    clip = clips.make_clip(tmp_path / "clip.mp4", size="32x24", seconds=0.3)
    lying = clip.rename(tmp_path / "clip.png")
    done = run("upscale", lying, "--preset", "ultrafast")
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == ["clip.png", "clip_2x.mp4"]


def test_format_decides_over_the_name(run, tmp_path, photo):
    assert run("upscale", photo, "--format", "webp").returncode == 0
    assert (tmp_path / "photo_2x.webp").read_bytes()[8:12] == b"WEBP"


# --------------------------------------------------------------------------------- output folders


def test_output_folder_that_exists(run, tmp_path, photo):
    (tmp_path / "out").mkdir()
    assert run("upscale", photo, "-o", tmp_path / "out").returncode == 0
    assert names(tmp_path / "out") == ["photo_2x.png"]


def test_output_folder_by_its_slash(run, tmp_path, photo):
    assert run("upscale", photo, "-o", f"{tmp_path}/new/").returncode == 0
    assert names(tmp_path / "new") == ["photo_2x.png"]


def test_several_inputs_make_a_folder(run, tmp_path, photo):
    other = write_png(tmp_path / "other.png", scene(9, 9))
    assert run("upscale", photo, other, "-o", tmp_path / "new").returncode == 0
    assert names(tmp_path / "new") == ["other_2x.png", "photo_2x.png"]


def test_several_inputs_refuse_an_output_file(run, tmp_path, photo):
    other = write_png(tmp_path / "other.png", scene(9, 9))
    file = tmp_path / "file.png"
    file.write_bytes(b"mine")
    refused(run("upscale", photo, other, "-o", file, "--force"), USAGE, file)
    assert file.read_bytes() == b"mine"


def test_new_folder_of_a_failed_run_is_removed(run, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = run("upscale", tmp_path / "bad.png", "-o", f"{tmp_path}/new/")
    refused(done, INPUT, "bad.png")
    assert not (tmp_path / "new").exists()


def test_one_name_for_two_inputs(run, tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        write_png(tmp_path / folder / "photo.png", scene(8 if folder == "a" else 9, 8))
    done = run("upscale", tmp_path / "a/photo.png", tmp_path / "b/photo.png", "-o", tmp_path / "o", "-f")
    refused(done, OUTPUT, tmp_path / "b/photo.png")
    assert header(tmp_path / "o/photo_2x.png")[:2] == (16, 16)


# -------------------------------------------------------------------------------- whole folders


@pytest.fixture
def album(tmp_path):
    """Pictures in two levels, and things that are none."""
    album = tmp_path / "album"
    (album / "deep/deeper").mkdir(parents=True)
    for name in ("a.png", "deep/b.png", "deep/deeper/c.png", ".hidden.png", "deep/old_2x.png", "d_4x.png"):
        write_png(album / name, scene(6, 6))
    (album / "notes.txt").write_text("no picture\n")
    return album


def test_folder_needs_recursive(run, tmp_path, album):
    refused(run("upscale", album), INPUT, album, "-r")
    assert not [name for name in names(album) if name.endswith("a_2x.png")]


def test_recursive_beside(run, album):
    before = set(names(album))
    done = run("upscale", "-r", album)
    assert done.returncode == 0, done.stderr
    assert set(names(album)) - before == {"a_2x.png", "deep/b_2x.png", "deep/deeper/c_2x.png"}


def test_recursive_mirrors_the_folders(run, tmp_path, album):
    done = run("upscale", "-r", album, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "out") == ["a_2x.png", "deep/b_2x.png", "deep/deeper/c_2x.png"]


@pytest.mark.parametrize("output", [None, "inside"])
def test_second_run_doubles_nothing_twice(run, album, output):
    options = ["-r", album, "--skip-existing"] + (["-o", album / output] if output else [])
    assert run("upscale", *options).returncode == 0
    before = names(album)
    done = run("upscale", *options)
    assert done.returncode == 0, done.stderr
    assert names(album) == before
    assert not [name for name in before if "_2x_2x" in name]


def test_output_folder_inside_is_no_input(run, album):
    (album / "inside").mkdir()
    write_png(album / "inside/other.png", scene(6, 6))
    assert run("upscale", "-r", album, "-o", album / "inside").returncode == 0
    assert "inside/other_2x.png" not in names(album)
    assert not (album / "inside/inside").exists()


def test_recursive_does_not_follow_folder_links(run, tmp_path, album):
    (album / "loop").symlink_to(album, target_is_directory=True)
    assert run("upscale", "-r", album, "-o", tmp_path / "out", timeout=60).returncode == 0
    assert names(tmp_path / "out") == ["a_2x.png", "deep/b_2x.png", "deep/deeper/c_2x.png"]


def test_folder_without_pictures(run, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "notes.txt").write_text("text\n")
    refused(run("upscale", "-r", folder, "-q"), INPUT, folder)


def test_recursive_with_a_file_among_the_inputs(run, tmp_path, album, photo):
    assert run("upscale", "-r", album, photo, "-o", tmp_path / "out").returncode == 0
    assert names(tmp_path / "out") == ["a_2x.png", "deep/b_2x.png", "deep/deeper/c_2x.png", "photo_2x.png"]


# ---------------------------------------------------------------------------- outputs that exist


def test_existing_output_is_kept(run, tmp_path, photo):
    target = tmp_path / "photo_2x.png"
    target.write_bytes(b"mine")
    refused(run("upscale", photo), OUTPUT, "photo_2x.png", "--force")
    assert target.read_bytes() == b"mine"


def test_force_overwrites(run, tmp_path, photo):
    target = tmp_path / "photo_2x.png"
    target.write_bytes(b"mine")
    assert run("upscale", photo, "--force").returncode == 0
    assert header(target)[:2] == (40, 28)


def test_force_keeps_the_old_output_when_the_input_is_bad(run, tmp_path, photo):
    photo.write_bytes(photo.read_bytes()[:-40])
    target = tmp_path / "photo_2x.png"
    target.write_bytes(b"mine")
    refused(run("upscale", photo, "--force"), INPUT, "photo.png")
    assert target.read_bytes() == b"mine"
    assert names(tmp_path) == ["photo.png", "photo_2x.png"]


def test_skip_existing(run, tmp_path, photo):
    other = write_png(tmp_path / "other.png", scene(9, 9))
    target = tmp_path / "photo_2x.png"
    target.write_bytes(b"mine")
    done = run("upscale", photo, other, "--skip-existing")
    assert done.returncode == 0, done.stderr
    assert "skipped" in done.stderr
    assert target.read_bytes() == b"mine"
    assert header(tmp_path / "other_2x.png")[:2] == (18, 18)


def test_output_that_is_the_input(run, tmp_path, photo):
    before = photo.read_bytes()
    refused(run("upscale", photo, "-o", photo, "--force"), OUTPUT, "photo.png")
    (tmp_path / "link.png").hardlink_to(photo)
    refused(run("upscale", photo, "-o", tmp_path / "link.png", "--force"), OUTPUT, "photo.png")
    assert photo.read_bytes() == before


def test_one_bad_file_does_not_stop_the_rest(run, tmp_path, photo):
    (tmp_path / "bad.png").write_bytes(b"")
    other = write_png(tmp_path / "other.png", scene(9, 9))
    done = run("upscale", photo, tmp_path / "bad.png", tmp_path / "missing.jpg", other)
    assert done.returncode == INPUT
    assert len([line for line in done.stderr.splitlines() if line.startswith("pipersr:")]) == 2
    assert "2 done, 0 skipped, 2 failed" in done.stderr
    assert {"photo_2x.png", "other_2x.png"} <= set(names(tmp_path))


def test_status_is_that_of_the_first_failure(run, tmp_path, photo):
    (tmp_path / "photo_2x.png").write_bytes(b"mine")
    assert run("upscale", photo, tmp_path / "missing.png").returncode == OUTPUT
    assert run("upscale", tmp_path / "missing.png", photo).returncode == INPUT


# -------------------------------------------------------------------------------- mixed inputs


def test_photos_beside_a_video_keep_their_precision(run, tmp_path, photo):
    """--precision auto may mean another arithmetic for videos; photos before and after must not see it."""
    other = write_png(tmp_path / "other.png", scene(22, 16))
    clips.make_clip(tmp_path / "clip.mp4", size="64x48", seconds=0.3)
    together = tmp_path / "together"
    done = run("upscale", photo, tmp_path / "clip.mp4", other, "-o", f"{together}/")
    assert done.returncode == 0, done.stderr
    assert names(together) == ["clip_2x.mp4", "other_2x.png", "photo_2x.png"]
    for source in (photo, other):
        assert run("upscale", source).returncode == 0
        alone = source.with_name(f"{source.stem}_2x.png")
        assert (pixels(alone) == pixels(together / alone.name)).all()
