"""Shapes are found in synthetic heat-maps with distractors, several of them, within sizes and angles."""

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from convcorr_jax.annotation.search import Pairs, find_objects
from convcorr_jax.annotation.shape import Similarity, points_of
from convcorr_jax.annotation.windows import STRIDE_PX, cells_of

MEAN = np.array([0.5, -0.5, -0.15 - 0.4j, 0.25 + 0.3j])
MEAN = MEAN - MEAN.mean()
CELLS = (48, 64)


def heat_of(*fits, distractors=(), mean=MEAN, strengths=None):
    """Gaussian peaks of probability at the points of shapes, and others of a point at a pixel."""
    rows, columns = np.mgrid[: CELLS[0], : CELLS[1]]
    heat = np.full((*CELLS, len(mean)), 1e-5)
    strengths = strengths or [1.0] * len(fits)
    marks = [
        (k, place, strength)
        for fit, strength in zip(fits, strengths, strict=True)
        for k, place in enumerate(points_of(fit.a * mean + fit.b))
    ]
    for k, place, strength in (*marks, *((*each, 1.0) for each in distractors)):
        x, y = cells_of(np.asarray(place, float))
        heat[..., k] += strength * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2)
    return heat / heat.sum(axis=(0, 1))


def turned(size, degrees, x, y):
    return Similarity(complex(size * np.exp(1j * np.deg2rad(degrees))), complex(x, y))


def find(heat, *, objects=1, sizes_px=(30.0, 120.0), angle_range=np.pi):
    return find_objects(heat, MEAN, sizes_px=sizes_px, angle_range=angle_range, objects=objects)


def assert_at(found, fit):
    distances = np.abs(found.fit.move(MEAN) - fit.move(MEAN))
    assert distances.max() < STRIDE_PX


@pytest.mark.parametrize("degrees", [0, 37, 120, -170])
@pytest.mark.parametrize("size", [40, 90])
def test_a_turned_and_scaled_shape_is_found_among_distractors(degrees, size):
    fit = turned(size, degrees, 130, 95)
    distractors = [(0, (20, 20)), (0, (230, 30)), (1, (30, 170)), (2, (200, 160)), (3, (60, 100))]
    (found,) = find(heat_of(fit, distractors=distractors))
    assert_at(found, fit)


def test_a_shape_without_one_of_its_points_is_found():
    fit = turned(70, 50, 120, 90)
    heat = heat_of(fit)
    heat[..., 2] = 1e-9
    (found,) = find(heat)
    assert_at(found, fit)


def test_several_objects_are_found_once_each_the_best_first():
    fits = [turned(50, 10, 60, 60), turned(60, 200, 190, 120), turned(45, 90, 190, 40)]
    found = find(heat_of(*fits), objects=3)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for fit in fits:
        assert_at(min(found, key=lambda one: abs(one.fit.b - fit.b)), fit)


def test_an_object_of_many_points_does_not_hide_the_others(rng):
    mean = rng.normal(size=15) + 1j * rng.normal(size=15)
    mean = (mean - mean.mean()) / np.abs(mean[:, None] - mean).max()
    fits = [turned(50, 5, 40, 45), turned(55, -5, 130, 120), turned(48, 0, 210, 60)]
    # Two more peaks near each of the first object's make several hundred pairs that fit it.
    near = [turned(50, 5, 40 + 13, 45), turned(50, 5, 40, 45 + 13)]
    heat = heat_of(*fits, *near, mean=mean, strengths=[1.0, 0.2, 0.05, 0.9, 0.9])
    found = find_objects(heat, mean, sizes_px=(30.0, 80.0), angle_range=0.3, objects=9)
    for fit in fits:
        assert min(abs(one.fit.b - fit.b) for one in found) < STRIDE_PX


def test_sizes_and_angles_are_limited():
    heat = heat_of(turned(60, 90, 120, 90))
    assert all(abs(np.angle(one.fit.a)) <= 0.5 for one in find(heat, angle_range=0.4))
    assert all(abs(one.fit.a) <= 45 for one in find(heat, sizes_px=(30.0, 45.0)))
    assert find(np.full((*CELLS, 4), 1e-9)) == []


def naive_choice(heat, shapes, peaks):
    """Evaluate the formula of pairs by loops, for peaks (row, column) of each point."""
    h, w, n = heat.shape
    diameters = [max(abs(one[i] - one[j]) for i in range(n) for j in range(n)) for one in shapes]
    base = 0.05 * np.median(diameters)

    def mass(i, peak):
        return heat[max(peak[0] - 1, 0) : peak[0] + 2, max(peak[1] - 1, 0) : peak[1] + 2, i].sum()

    def place(peak):
        return np.array([4 * peak[1] + 1.5, 4 * peak[0] + 1.5])

    chosen, belief = [], []
    for i in range(n):
        sums = []
        for a in peaks[i]:
            total = np.log(mass(i, a))
            for j in set(range(n)) - {i}:
                message = 0.0
                for b in peaks[j]:
                    densities = []
                    for shape in shapes:
                        d = shape[i] - shape[j]
                        variance = base**2 + (0.15 * abs(d)) ** 2 + 1e-6
                        normal = multivariate_normal((d.real, d.imag), variance * np.eye(2))
                        densities.append(normal.pdf(place(a) - place(b)))
                    message += mass(j, b) * np.mean(densities)
                total += np.log(message + 1 / (16 * h * w)) / 2
            sums.append(total)
        weights = np.exp(sums) / np.exp(sums).sum()
        chosen.append(peaks[i][int(np.argmax(sums))])
        belief.append(weights.max())
    return chosen, belief


def test_pairs_choose_the_peaks_that_suit_the_known_shapes(rng):
    heat = np.full((12, 15, 3), 1e-9)
    # The greatest peak of the first point is one of another object.
    peaks = [[(2, 3), (9, 12)], [(2, 7), (10, 2)], [(6, 3), (3, 13)]]
    for point, places in enumerate(peaks):
        for place, p in zip(places, (0.3, 0.5) if point == 0 else (0.8, 0.1), strict=True):
            heat[(*place, point)] = p
    shapes = (np.array([0, 16, 16j]) + rng.normal(0, 1, (4, 3)) + 1j * rng.normal(0, 1, (4, 3))) + 20
    chosen, belief = Pairs.of(shapes).choose(heat)
    expected, expected_belief = naive_choice(heat, shapes, peaks)
    assert [divmod(int(cell), 15) for cell in chosen] == expected == [(2, 3), (2, 7), (6, 3)]
    np.testing.assert_allclose(belief, expected_belief, rtol=1e-4)


def test_without_known_pairs_the_greatest_peaks_are_chosen():
    heat = np.full((8, 9, 2), 1e-9)
    heat[2, 3, 0], heat[6, 7, 0], heat[4, 4, 1] = 0.6, 0.3, 0.9
    chosen, belief = Pairs.of(np.full((3, 2), complex(np.nan, np.nan))).choose(heat)
    assert [divmod(int(cell), 9) for cell in chosen] == [(2, 3), (4, 4)]
    np.testing.assert_allclose(belief, [2 / 3, 1], rtol=1e-4)


def test_a_point_whose_place_by_the_others_is_beyond_the_border_is_outside(rng):
    shapes = np.array([[0, 40, 80j, 60], [0, 44, 84j, 60], [0, 40, 80j, np.nan]])
    pairs = Pairs.of(shapes)
    size, back = (50, 100), Similarity(0.5 + 0j, 10 + 10j)
    points, weights = np.array([100 + 20j, 140 + 20j, 0, 160 + 20j]), np.array([0.9, 0.5, 0, 0.7])
    means, total = np.zeros(4), np.zeros(4)
    for shape in shapes:
        for i, j in itertools.permutations(range(4), 2):
            if np.isfinite(d := shape[i] - shape[j]):
                variance = (0.05 * np.median(np.abs(pairs.displacements).max(axis=(1, 2)))) ** 2
                variance += (0.15 * abs(d)) ** 2
                place = 0.5 * (points[j] + d) + 10 + 10j
                drawn = place + 0.5 * np.sqrt(variance) * (
                    rng.normal(size=20_000) + 1j * rng.normal(size=20_000)
                )
                inside = (np.abs(drawn.real - 49.5) < 50) & (np.abs(drawn.imag - 24.5) < 25)
                means[i] += weights[j] / variance * (1 - inside.mean())
                total[i] += weights[j] / variance
    found = pairs.outside(points, weights, back, size)
    np.testing.assert_allclose(found, means / total, atol=0.01)
    assert found[2] > 0.9 > 0.2 > found[0]
    assert (Pairs.of(shapes * np.nan).outside(points, weights, back, size) == 0).all()
