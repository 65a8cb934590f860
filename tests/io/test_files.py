"""The border with the file system: what is read faithfully, what is refused, and nothing half-written."""

import json
import os

import numpy as np
import pytest
import skimage.data
from PIL import Image as PillowImage

from convcorr_jax.errors import InputError
from convcorr_jax.io import (
    check_writable,
    decode_image,
    decode_labels,
    image_size,
    json_file,
    read_image,
    read_labels,
    write_arrays,
    write_image,
    write_json,
    written_whole,
)
from tests.builders.bad_images import BAD_IMAGES, encoded, write_bad_image

PHOTOGRAPH = skimage.data.chelsea()[100:180, 150:260]


def saved(tmp_path, image, name="a.png", **options):
    image.save(tmp_path / name, **options)
    return read_image(tmp_path / name)


def test_colour_is_read_as_it_is(tmp_path):
    found = saved(tmp_path, PillowImage.fromarray(PHOTOGRAPH))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, PHOTOGRAPH)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_is_repeated_over_the_channels(tmp_path, mode):
    grey = PillowImage.fromarray(PHOTOGRAPH).convert(mode)
    expected = np.asarray(grey.convert("L"))
    np.testing.assert_array_equal(saved(tmp_path, grey), np.stack([expected] * 3, axis=-1))


def test_palettes_are_looked_up(tmp_path):
    palette = PillowImage.fromarray(PHOTOGRAPH).quantize(16)
    np.testing.assert_array_equal(saved(tmp_path, palette), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_laid_over_white(tmp_path, mode):
    alpha = np.zeros(PHOTOGRAPH.shape[:2], np.uint8)
    alpha[:, 40:] = 255
    alpha[:, 20:40] = 128
    opaque = PillowImage.fromarray(PHOTOGRAPH).convert("RGB" if mode == "RGBA" else "L")
    expected = np.asarray(opaque.convert("RGB")).astype(float)
    opaque.putalpha(PillowImage.fromarray(alpha))
    found = saved(tmp_path, opaque)
    share = alpha[..., None] / 255
    np.testing.assert_allclose(found, share * expected + (1 - share) * 255, atol=1)


def test_a_transparent_palette_entry_is_white(tmp_path):
    palette = PillowImage.fromarray(PHOTOGRAPH).quantize(8)
    found = saved(tmp_path, palette, transparency=3)
    clear = np.asarray(palette) == 3
    assert clear.any()
    assert (found[clear] == 255).all()
    np.testing.assert_array_equal(found[~clear], np.asarray(palette.convert("RGB"))[~clear])


# What a camera means by each EXIF orientation: how the stored pixels become the upright picture.
ORIENTATIONS = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_photographs_are_turned_upright(tmp_path, orientation):
    stored = PillowImage.fromarray(PHOTOGRAPH)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    found = saved(tmp_path, stored, exif=exif)
    np.testing.assert_array_equal(found, ORIENTATIONS[orientation](PHOTOGRAPH))
    (path,) = tmp_path.iterdir()
    np.testing.assert_array_equal(read_image(path, upright=False), PHOTOGRAPH)
    assert image_size(path) == PHOTOGRAPH.shape[:2]


def test_labels_are_palette_indices_or_grey_levels(tmp_path):
    labels = np.arange(20 * 24, dtype=np.uint8).reshape(20, 24) % 21
    labels[0] = 255
    palette = PillowImage.fromarray(labels, mode="P")
    palette.putpalette([channel for index in range(256) for channel in (255 - index, index, 7)])
    for image in (palette, PillowImage.fromarray(labels)):
        image.save(tmp_path / "labels.png")
        np.testing.assert_array_equal(read_labels(tmp_path / "labels.png"), labels)
    with pytest.raises(InputError, match="is a RGB image; labels are grey levels"):
        decode_labels(encoded(palette.convert("RGB"), "PNG"), name="a mask")


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [PillowImage.new("RGB", (20, 20), color) for color in ("red", "blue")]
    found = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert (found == [255, 0, 0]).all()


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_what_cannot_be_read_faithfully_is_refused(tmp_path, name):
    path, sentence = write_bad_image(tmp_path, name)
    with pytest.raises(InputError, match=sentence) as refused:
        read_image(path)
    assert str(path) in str(refused.value)


def test_bytes_follow_the_rules_of_files():
    content = encoded(PillowImage.fromarray(PHOTOGRAPH), "PNG")
    np.testing.assert_array_equal(decode_image(content, name="a tar member"), PHOTOGRAPH)
    with pytest.raises(InputError, match=r"^a tar member is damaged or cut short"):
        decode_image(content[:900], name="a tar member")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing.jpg", "does not exist; an image file is expected"),
        (".", "is not a file"),
        ("a" * 300, "may not be read: File name too long"),
    ],
)
def test_paths_that_are_no_files_are_refused(tmp_path, path, sentence):
    with pytest.raises(InputError, match=sentence):
        read_image(tmp_path / path)


def test_a_file_gets_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with written_whole(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "half"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_halfway():
        with written_whole(path) as temporary:
            temporary.write_text("half of the n")
            raise failure

    with pytest.raises(failure):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_as_readable_as_the_umask_lets_them_be(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("check", [check_writable, lambda path: write_json(path, {})])
def test_places_where_nothing_can_be_written_are_refused(tmp_path, check):
    (tmp_path / "file").write_text("")
    for path, sentence in (
        (tmp_path, "is a folder; a file name is expected"),
        (tmp_path / "file" / "a.json", "cannot be (written|created)"),
        (tmp_path / "file" / "deeper" / "a.json", "cannot be (written|created)"),
        (tmp_path / ("a" * 300) / "a.json", "cannot be (written|created)"),
    ):
        with pytest.raises(InputError, match=sentence):
            check(path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc here")
@pytest.mark.parametrize("check", [check_writable, lambda path: write_json(path, {})])
def test_folders_that_refuse_even_the_superuser_are_refused(check):
    for path in ("/proc/a.json", "/proc/new/a.json"):
        with pytest.raises(InputError, match=r"cannot be (written|created)"):
            check(path)


def test_checking_a_place_leaves_no_trace(tmp_path):
    check_writable(tmp_path / "new" / "folder" / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_json_has_neither_nan_nor_infinity(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, 2.5, None]})
    assert json.loads(path.read_text()) == {"a": [1, 2.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("{", "is damaged, or is no list of cats: "),
        ("[" * 100_000, "is damaged, or is no list of cats: "),
        ("{}", r"is damaged, or is no list of cats \(KeyError: 'cats'\)"),
        ("[]", "is no list of cats .TypeError: "),
        ('{"cats": ["-1"]}', "a.json: a cat cannot have -1 legs"),
    ],
)
def test_strange_content_of_json_names_the_file(tmp_path, text, sentence):
    path = tmp_path / "a.json"
    path.write_text(text)

    def read() -> None:
        with json_file(path, "list of cats") as found:
            for legs in map(int, found["cats"]):
                raise InputError(f"a cat cannot have {legs} legs")

    with pytest.raises(InputError, match=sentence):
        read()


def test_images_and_arrays_come_back(tmp_path):
    write_image(tmp_path / "a.png", PHOTOGRAPH)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PHOTOGRAPH)
    write_arrays(tmp_path / "a.npz", flow=np.arange(6.0), settings=np.asarray("{}"))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["flow", "settings"]
        np.testing.assert_array_equal(arrays["flow"], np.arange(6.0))
