"""A sheet shows every record, its points in the colours of their sides, and its label map beside it."""

from dataclasses import replace

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets import Record
from convcorr_jax.report import contact_sheet, draw_annotations, found_sheet
from convcorr_jax.synthetic import render
from tests.builders.pages import bright_photographs

LEFT, RIGHT, NEITHER = ([0, 158, 255], [255, 128, 0], [255, 255, 255])


@pytest.fixture(scope="module")
def face() -> Record:
    return render("face", seed=2, index=1, size=(64, 64))


def shows(image: np.ndarray, color: list[int], tolerance: int = 12) -> int:
    return int((np.abs(image.astype(int) - color).max(axis=-1) <= tolerance).sum())


def three_points(face: Record, names: tuple[str, str, str], **changes) -> Record:
    """A grey image with a left or right point, its counterpart, and a point without a side."""
    grey = replace(face, image=np.full((64, 64, 3), 90, np.uint8), label_map=None, box=None, part_sets={})
    points = np.array([[10.0, 20.0], [50.0, 20.0], [30.0, 50.0]])
    options = {"visible": np.ones(3, bool), "left_right_pairs": ((0, 1),)} | changes
    return replace(grey, names=names, points=points, **options)


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (("l_eye", "r_eye", "chin"), 0),
        (("r_eye", "l_eye", "chin"), 1),
        (("lower_lip_right", "lower_lip_left", "chin"), 1),
        (("L_Eye", "R_Eye", "Chin"), 0),
        (("jaw_0", "jaw_16", "jaw_8"), 0),
    ],
)
def test_sides_have_their_colours_whatever_the_order_of_the_pair(
    names: tuple[str, str, str], left: int, face: Record
):
    record = three_points(face, names)
    found = draw_annotations(record, longest_px=320)
    at = np.rint(coords.resize((64, 64), (320, 320))(record.points)).astype(int)
    colors = [found[y, x].tolist() for x, y in at]
    expected = [LEFT, RIGHT] if left == 0 else [RIGHT, LEFT]
    np.testing.assert_allclose(colors, [*expected, NEITHER], atol=3)


def test_hidden_points_are_rings_and_absent_ones_are_not_drawn(face: Record):
    record = three_points(face, ("l", "r", "top"), visible=np.array([True, False, True]))
    found = draw_annotations(record, longest_px=320)
    x, y = np.rint(coords.resize((64, 64), (320, 320))(record.points[1:2])[0]).astype(int)
    assert found[y, x].tolist() == [90, 90, 90]
    assert shows(found[y - 8 : y + 9, x - 8 : x + 9], RIGHT, 40) > 8
    points = np.where(np.arange(3)[:, None] == 1, np.nan, record.points)
    assert shows(draw_annotations(replace(record, points=points), longest_px=320), RIGHT, 40) == 0


def test_boxes_are_outlined(face: Record):
    record = three_points(face, ("l", "r", "top"))
    boxed = replace(record, box=coords.Box(5.0, 5.0, 60.0, 60.0))
    both = replace(boxed, other_boxes={"head": coords.Box(20.0, 20.0, 40.0, 40.0)})
    white = [shows(draw_annotations(each, longest_px=320), NEITHER) for each in (record, boxed, both)]
    assert white[0] < white[1] < white[2]


def test_a_label_map_stands_beside_its_photograph(face: Record):
    without = contact_sheet([replace(face, label_map=None)] * 2, columns=2, cell_px=160)
    with_labels = contact_sheet([face], columns=2, cell_px=160)
    assert with_labels.shape == without.shape
    # One record takes two places.
    assert contact_sheet([face], columns=1, cell_px=160).shape[0] > 1.8 * with_labels.shape[0]
    ignored = replace(face, label_map=np.full((64, 64), 255, np.uint8))
    assert shows(contact_sheet([ignored], columns=2, cell_px=160)[:, 180:], [255, 255, 255], 200)


def test_rows_fill_in_reading_order_and_long_names_stay_in_their_cells(face: Record):
    plain = three_points(face, ("l", "r", "top"))
    sheets = [
        contact_sheet([replace(plain, source_id=name)] * 3, columns=2, cell_px=160) for name in ("a", "b" * 500)
    ]
    assert sheets[0].shape == sheets[1].shape
    # Text never reaches the next cell, nor the border.
    assert (sheets[1][:, -4:] == 255).all()
    assert (sheets[1][-80:, 180:] == 255).all()


def test_a_sheet_of_what_was_found_is_framed_by_verdict_with_the_most_useful_first(tmp_path):
    found, _ = bright_photographs(tmp_path)
    sheet = found_sheet(found, columns=3, cell_px=200)
    green, yellow, red = [0, 158, 115], [230, 159, 0], [213, 94, 0]
    firsts = [
        next(x for x in range(sheet.shape[1]) if shows(sheet[:, x : x + 1], color, 2))
        for color in (red, yellow, green)
    ]
    assert firsts == sorted(firsts)
    # A point whose confidence is low is a grey ring, a sure one is a dot in the first colour of the names.
    assert shows(sheet, [115, 115, 115], 20) > 30
    assert shows(sheet, [255, 53, 25], 30) > 30
    assert shows(found_sheet(found, most=1, columns=1, cell_px=200), green, 2) == 0
