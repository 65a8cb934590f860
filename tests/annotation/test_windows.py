"""Windows show a bright pixel where their similarity maps it, whatever turns, scales and shifts them."""

import numpy as np
import pytest

from convcorr_jax.annotation.shape import Similarity, complex_of, points_of
from convcorr_jax.annotation.stages import Draw, Example, Jitter, _paste, draw_whole, render
from convcorr_jax.annotation.windows import (
    Extractor,
    Photograph,
    View,
    cells_of,
    centered,
    look,
    pixels_of,
    whole,
)
from convcorr_jax.backbone.weights import load

SPOT = np.array([[101.0, 67.0]])


def spot_photograph():
    """A smooth spot, which outlives shrinking and interpolation with its centre."""
    rows, columns = np.mgrid[:140, :190]
    light = 255 * np.exp(-((columns - SPOT[0, 0]) ** 2 + (rows - SPOT[0, 1]) ** 2) / (2 * 5.0**2))
    return np.repeat(light.round().astype(np.uint8)[..., None], 3, axis=-1)


def centroid(window):
    light = window[..., 0].astype(float) * (window[..., 0] > 20)
    rows, columns = np.mgrid[: window.shape[0], : window.shape[1]]
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


@pytest.mark.parametrize("scale", [0.37, 0.8, 1.0, 1.7])
@pytest.mark.parametrize("degrees", [0, 33, 90, -145])
@pytest.mark.parametrize("shift", [0.0, 7.3 - 4.6j])
def test_a_window_shows_the_spot_where_the_similarity_maps_it(scale, degrees, shift):
    a = scale * np.exp(1j * np.deg2rad(degrees))
    to_window = Similarity(complex(a), complex(80, 60) - complex(a) * complex(*SPOT[0]) + shift)
    window = View(to_window, (120, 160)).cut(spot_photograph())
    assert np.linalg.norm(centroid(window) - to_window(SPOT)) < 0.2


def test_a_whole_photograph_lies_in_the_middle():
    to_window = whole((140, 190), (70, 120), scale=0.5)
    corners = np.array([[-0.5, -0.5], [189.5, 139.5]])
    np.testing.assert_allclose(to_window(corners), [[12, -0.5], [107, 69.5]])
    assert np.linalg.norm(centroid(View(to_window, (70, 120)).cut(spot_photograph())) - to_window(SPOT)) < 0.2


def test_a_centred_window_removes_the_angle_and_the_border_is_repeated():
    angle, center = 0.7, 90 + 50j
    to_window = centered(center, angle, 2.0, 96)
    np.testing.assert_allclose(to_window(points_of(np.array([center]))), [[47.5, 47.5]])
    along = to_window(points_of(np.array([center + 3 * np.exp(1j * angle)])))
    np.testing.assert_allclose(along, [[53.5, 47.5]])
    bright = np.full((10, 10, 3), 200, np.uint8)
    assert (View(centered(0j, 1.0, 1.5, 32), (32, 32)).cut(bright) == 200).all()


def test_cells_and_pixels_are_inverse_and_the_first_cell_covers_four_pixels(rng):
    points = rng.uniform(0, 100, (5, 2))
    np.testing.assert_allclose(pixels_of(cells_of(points)), points)
    np.testing.assert_allclose(cells_of(np.array([[1.5, 5.5]])), [[0, 1]])


def test_features_of_a_near_view_are_read_and_others_are_computed_and_kept(tmp_path, rng):
    image, reads = rng.integers(0, 255, (90, 120, 3)).astype(np.uint8), []
    photograph = Photograph(lambda: reads.append(1) or image, (90, 120), tmp_path / "features" / "face")
    extract = Extractor.fit([image[:64, :64], image[20:84, 50:114]], load("vgg16"))

    def views(*shifts, mirrored=False):
        return [(photograph, View(Similarity(1, -shift), (64, 64), mirrored)) for shift in shifts]

    seen, first = look(extract, views(10, 40 + 9j), kind="whole")
    assert seen == [view for _, view in views(10, 40 + 9j)]
    assert len(reads) == 1
    for layer, plain in zip(first, extract([image[:64, 10:74], image[9:73, 40:104]]), strict=True):
        np.testing.assert_array_equal(layer, plain)
    again, second = look(extract, views(40 + 8j, 11), kind="whole")
    assert again == seen[::-1]
    assert len(reads) == 1
    np.testing.assert_array_equal(second[0], first[0][::-1])
    for others in (views(10, 43), views(10, mirrored=True), views(10)):
        seen, _ = look(extract, others, kind="whole")
        assert seen == [view for _, view in others]
    assert len(reads) == 4
    path = next((tmp_path / "features").iterdir())
    halved = extract._replace(directions=tuple(one._replace(basis=one.basis / 2) for one in extract.directions))
    np.testing.assert_allclose(look(halved, views(10), kind="whole")[1][0], first[0][:1] / 2, atol=1e-3)
    look(extract, views(12), kind="exact")
    assert look(extract, views(11), kind="exact")[0] == [view for _, view in views(12)]
    path.write_bytes(path.read_bytes()[:-1000])
    np.testing.assert_array_equal(look(extract, views(10), kind="whole")[1][0], first[0][:1])


def test_a_view_is_near_if_its_pixels_are(rng):
    view = View(centered(60 + 50j, 0.4, 1.3, 100), (100, 100))
    for turn, size, shift, near in [
        (0.05, 1, 0, True), (0, 1.06, 0, True), (0, 1, 2.5, True), (0.08, 1.05, 1, False), (np.pi, 1, 0, False),
        (0, 1, 3.5j, False),
    ]:  # fmt: skip
        other = view._replace(to_window=centered(60 + 50j + shift / 1.3, 0.4 + turn, 1.3 * size, 100))
        assert view.is_near(other) == other.is_near(view) == near
    points = rng.uniform(0, 99, (5, 2))
    mirrored = view._replace(mirrored=True)
    np.testing.assert_allclose(mirrored.back(points), view.back(points * (-1, 1) + (99, 0)))


class Shown(Extractor):
    """An extractor that returns the windows."""

    def __call__(self, windows):
        return (np.stack(list(windows)).astype(np.float16),)


@pytest.mark.parametrize("mirrored", [False, True])
def test_points_follow_bent_windows(rng, mirrored):
    points, image = np.array([[60.0, 40], [200, 150], [250, 60], [90, 160]]), np.zeros((224, 320, 3), np.uint8)
    for x, y in points.astype(int):
        image[y - 2 : y + 3, x - 2 : x + 3] = 255
    still = Similarity(1 + 0j, 0j)
    example = Example(Photograph(lambda: image, (224, 320)), (complex_of(points),), (still,), (False,), (None,))
    draws, moved = [Draw(0, View(still, (224, 320), mirrored))] * 4, []
    windows = render([example], draws, Shown(load("vgg16"), ()), swaps=(1, 0, 2, 3), rng=rng, bent=True)
    for shown, cells in zip(windows.features[0], windows.targets.cells[:, 0], strict=True):
        for place in pixels_of(cells):
            x, y = place.round().astype(int)
            assert shown[y - 1 : y + 2, x - 1 : x + 2].mean() > 120
        plain = pixels_of(cells)[[1, 0, 2, 3]] * (-1, 1) + (319, 0) if mirrored else pixels_of(cells)
        moved.append(np.linalg.norm(plain - points, axis=1))
    assert 4 < np.median(moved) < 16


def test_pasted_objects_are_mirrored_in_their_place_on_the_same_background(rng):
    points, image = np.array([[90.0, 60], [200, 90], [160, 160]]), np.zeros((224, 320, 3), np.uint8)
    behind = np.array([[15.0, 15], [300, 200]])
    for x, y in np.concatenate([points, behind]).astype(int):
        image[y - 2 : y + 3, x - 2 : x + 3] = 255
    still = Similarity(1 + 0j, 0j)
    example = Example(Photograph(lambda: image, (224, 320)), (complex_of(points),), (still,), (False,), (None,))
    jitter = Jitter(0.0, 0.0, 0.0)
    draws = draw_whole([example], [still], (224, 320), jitter, count=40, mirror=True, pasted=True, rng=rng)
    moved = [draw for draw in draws if draw.background is not None]
    assert 20 < len(moved) < 40
    assert 5 < sum(draw.view.mirrored for draw in moved) < len(moved) - 5
    windows = render([example], moved, Shown(load("vgg16"), ()), swaps=(1, 0, 2), rng=rng)
    for shown, cells in zip(windows.features[0], windows.targets.cells[:, 0], strict=True):
        seen = pixels_of(cells)
        for x, y in np.concatenate([seen, behind]).round().astype(int):
            assert shown[y - 1 : y + 2, x - 1 : x + 2].mean() > 120
        # The second point of an object that is mirrored is the first one's partner, which is on its left.
        assert (seen[1] - seen[0])[0] > 60
        gone = [place for place in points if np.linalg.norm(seen - place, axis=1).min() > 8]
        mirrored = behind * (-1, 1) + (319, 0)
        for x, y in np.round([*gone, *mirrored]).astype(int):
            assert shown[y - 1 : y + 2, x - 1 : x + 2].mean() < 120
    for objects in (example.objects * 2, (np.where(np.arange(3) == 1, example.objects[0], np.nan),)):
        others = [example._replace(objects=objects)]
        drawn = draw_whole(others, [still], (224, 320), jitter, count=9, mirror=True, pasted=True, rng=rng)
        assert all(draw.background is None for draw in drawn)


def test_small_objects_that_are_pasted_are_no_ghosts():
    bright, dark = np.full((60, 80, 3), 255, np.uint8), np.zeros((60, 80, 3), np.uint8)
    points, view = (
        complex_of(np.array([[30.0, 30], [42, 30], [36, 38]])),
        View(Similarity(1 + 0j, 0j), (60, 80)),
    )
    pasted = _paste(bright, dark, [view, view], points)
    for x, y in points_of(points).astype(int):
        assert pasted[y, x].min() > 220
    assert pasted[5, 5].max() == 0
