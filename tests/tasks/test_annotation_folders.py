import csv

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone.weights import load
from convcorr_jax.errors import InputError
from convcorr_jax.io import write_image
from convcorr_jax.labels import LabelledObject, LabelledPhotograph, read_labels
from convcorr_jax.tasks.annotation import PEERS, Choice, annotate_by_peers, folders, read_split, write_folder
from tests.builders.command_line import needs_weights


def _spotted(points, size=(120, 160)):
    """A black photograph with a white pixel at each point, and a red one in the middle of them."""
    image = np.zeros((*size, 3), np.uint8)
    for x, y in points:
        image[int(y), int(x)] = 255
    return image


def _brightest(image, place, reach=3):
    x, y = np.round(place).astype(int)
    part = image[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].sum(axis=-1)
    dy, dx = np.unravel_index(part.argmax(), part.shape)
    return np.array([max(0, x - reach) + dx, max(0, y - reach) + dy]), part.max()


def test_a_pasted_object_takes_its_points_along():
    points = np.array([[70.0, 50.0], [90.0, 60.0], [75.0, 75.0]])
    big = _spotted(points).repeat(3, axis=0).repeat(3, axis=1)
    inside = points * 3 + 1
    background = np.zeros((*folders._BACKGROUND, 3), np.uint8)
    for seed in range(4):
        made = folders._pasted(big, inside, background, True, np.random.default_rng(seed))
        for place in made.objects[0]:
            found, light = _brightest(made.image, place)
            assert np.linalg.norm(found - place) < 1.5
            assert light > 300


def test_a_cropped_photograph_loses_the_points_outside():
    points = np.array([[5.0, 5.0], [80.0, 60.0], [150.0, 110.0]])
    picture = folders.Picture(_spotted(points), [points], True)
    lost = 0
    for seed in range(8):
        made = folders._cropped(picture, np.random.default_rng(seed))
        for place in made.objects[0]:
            lost += int(np.isnan(place[0]))
            if not np.isnan(place[0]):
                assert made.image[int(place[1]), int(place[0])].min() == 255
        assert np.isfinite(made.objects[0]).all(axis=1).sum() == (made.image.min(axis=-1) == 255).sum()
    assert lost > 0


def test_composed_faces_lie_apart_with_their_own_points(tmp_path):
    (tmp_path / "imagenet_sample" / "images").mkdir(parents=True)
    write_image(tmp_path / "imagenet_sample" / "images" / "a.png", np.zeros((60, 80, 3), np.uint8))
    points = np.array([[60.0, 30.0], [100.0, 80.0]])
    faces = [
        folders.Picture(_spotted(points).max(axis=(0, 1)) + _spotted(points), [points], k < 4) for k in range(7)
    ]
    choice = Choice(9, False, 0, tmp_path)
    made = list(folders._composed(faces, 3, choice, np.random.default_rng(0)))
    assert [one.is_example for one in made] == [True, False]
    for one in made:
        assert len(one.objects) == 3
        for place in np.concatenate(one.objects):
            assert coords.inside(place, coords.whole_image(folders._BACKGROUND))


def test_a_drawn_animal_shows_its_points_but_those_behind_a_box():
    names, background = [name for name, *_ in folders._BONES], np.full((240, 320, 3), 255, np.uint8)
    near, gone, mirrored = {False: [], True: []}, 0, 0
    for seed in range(24):
        made = folders._animal(background, np.random.default_rng(seed), hidden=seed % 4 > 0)
        points = dict(zip(names, made.objects[0], strict=True))
        seen = {name: made.image[int(y.round()), int(x.round())] for name, (x, y) in points.items() if x == x}
        assert all(pixel.max() < 200 for pixel in seen.values())
        gone += len(points) - len(seen)
        to_left = bool(made.objects[0][names.index("neck"), 0] < made.objects[0][names.index("tailbase"), 0])
        mirrored += to_left
        sides = [seen[f"{side}_fore_paw"].mean() for side in ("left", "right") if f"{side}_fore_paw" in seen]
        near[to_left] += [sides[0] - sides[1]] if len(sides) == 2 else []
    # The side that is nearer is lighter: the left one of an animal that walks to the right.
    assert np.median(near[False]) > 15 > -15 > np.median(near[True])
    assert 0 < gone < 200
    assert 0 < mirrored < 18


def test_a_folder_holds_labels_and_a_split_that_agree(tmp_path):
    points = np.array([[30.0, 40.0], [np.nan, np.nan], [100.0, 90.0]])
    pictures = [folders.Picture(_spotted(points[[0, 2]]), [points], k < 2) for k in range(3)]
    counts = folders._write(tmp_path / "set", ("a", "b", "c"), iter(pictures))
    assert counts == {"examples": 2, "photographs": 3}
    labels = read_labels(tmp_path / "set" / "labels.json")
    np.testing.assert_allclose(labels.photographs[0].objects[0].points, points)
    with (tmp_path / "set" / "split.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["split"] for row in rows] == ["train", "train", "test"]
    assert [row["image"] for row in rows] == [one.path.name for one in labels.photographs]


def test_a_split_orders_the_examples_and_refuses_what_it_does_not_know(tmp_path):
    photographs, split = [LabelledPhotograph(tmp_path / f"{k}.png", ()) for k in range(3)], tmp_path / "s.csv"
    split.write_text("image,split,order\n0.png,train,7\n1.png,test,\n2.png,train,3\n")
    examples, annotated = read_split(photographs, split)
    assert [one.path.name for one in (*examples, *annotated)] == ["2.png", "0.png", "1.png"]
    for text, sentence in (
        ("image,split\n0.png,train\n1.png,test", "no row whose image is 2.png"),
        ("image,split\n0.png,val\n1.png,test\n2.png,test", "the split 'val' and the order '0' of 0.png"),
        ("image,split,order\n0.png,train,one", "the order 'one' of 0.png; train or test and a whole number"),
        ("image\n0.png", "the split None"),
    ):
        split.write_text(text)
        with pytest.raises(InputError, match=sentence):
            read_split(photographs, split)


def test_drawn_people_are_examples_and_others_to_annotate():
    names, pictures = folders._folder("drawn_people", Choice(2, False, 0, None))
    shown = list(pictures)
    assert [one.is_example for one in shown] == [True, True, False, False]
    assert all(len(one.objects[0]) == len(names) == 14 for one in shown)
    assert len({one.image.tobytes() for one in shown}) == 4


def test_a_folder_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(InputError, match="'cats' is no folder of labelled photographs; car, duck"):
        write_folder(tmp_path, "cats", Choice(1, False, 0, None))


@needs_weights
def test_peers_find_the_points_of_the_same_photograph_in_its_larger_copy(rng, tmp_path):
    picture = rng.integers(0, 255, (6, 8, 3), np.uint8).repeat(10, axis=0).repeat(10, axis=1)
    other = rng.integers(0, 255, (6, 8, 3), np.uint8).repeat(10, axis=0).repeat(10, axis=1)
    for name, image in (("a", picture), ("b", other), ("c", other.repeat(2, axis=0).repeat(2, axis=1))):
        write_image(tmp_path / f"{name}.png", image)
    points = np.array([[10.0, 20.0], [np.nan, np.nan], [64.5, 39.5]])
    others = np.array([[30.0, 50.0], [20.0, 10.0], [np.nan, np.nan]])
    examples = [
        LabelledPhotograph(tmp_path / "a.png", (LabelledObject(others),)),
        LabelledPhotograph(tmp_path / "b.png", (LabelledObject(points),)),
    ]
    found = annotate_by_peers(examples, [tmp_path / "c.png"], load("vgg16"))
    assert tuple(found) == PEERS
    assert {one.size for (one,) in found.values()} == {(120, 160)}
    ((copied,), (nearest,), (detected,), (mean,)) = ([one.objects[0] for one in own] for own in found.values())
    np.testing.assert_allclose(copied.points, [[20.5, 40.5], [np.nan, np.nan], [129.5, 79.5]])
    np.testing.assert_array_equal(copied.absent, [False, True, False])
    # A cell has 4 pixels of the copy, and two examples disagree on the first point.
    np.testing.assert_allclose(nearest.points[[0, 2]], copied.points[[0, 2]], atol=3)
    np.testing.assert_allclose(detected.points[2], copied.points[2], atol=3)
    np.testing.assert_allclose(mean.points, [[40.5, 70.5], [40.5, 20.5], [129.5, 79.5]], atol=1e-3)
