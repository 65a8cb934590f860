"""Similarities against NumPy's least squares, and what the mean shape and its residual say of known sets."""

import numpy as np
import pytest

from convcorr_jax.annotation import fit_similarity, mean_shape, shape_residual
from convcorr_jax.annotation.shape import (
    Similarity,
    complex_of,
    diameter,
    find_mirrored,
    fit_robustly,
    is_chiral,
    mirror_shape,
    points_of,
    swap_sides,
    symmetric,
)
from convcorr_jax.annotation.stages import Example, Jitter, draw_around
from convcorr_jax.annotation.windows import Photograph
from convcorr_jax.errors import InputError


def shape(rng, n=6):
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def copies(base, rng, count, *, noise=0.0):
    turns = 30 * np.exp(rng.normal(0, 0.3, count) + 1j * rng.uniform(-np.pi, np.pi, count))
    shifts = 100 * shape(rng, count)
    return [a * (base + noise * shape(rng, len(base))) + b for a, b in zip(turns, shifts, strict=True)]


def test_the_similarity_is_that_of_least_squares_over_known_pairs(rng):
    source, target = shape(rng, 8), shape(rng, 8)
    source[1] = target[4] = np.nan
    fit = fit_similarity(source, target)
    known = np.isfinite(source) & np.isfinite(target)
    x, y, ones, zeros = source[known].real, source[known].imag, np.ones(6), np.zeros(6)
    rows = np.block([[np.stack([x, -y, ones, zeros], 1)], [np.stack([y, x, zeros, ones], 1)]])
    solved, *_ = np.linalg.lstsq(rows, np.concatenate([target[known].real, target[known].imag]))
    np.testing.assert_allclose([fit.a.real, fit.a.imag, fit.b.real, fit.b.imag], solved)
    points = rng.normal(size=(5, 2))
    np.testing.assert_allclose(fit.inverse(fit(points)), points)
    np.testing.assert_allclose((fit @ fit)(points), fit(fit(points)))


def test_one_pair_is_a_shift_and_none_is_refused():
    one = np.array([1 + 2j, np.nan])
    assert fit_similarity(one, one + 3) == (1, 3)
    with pytest.raises(InputError, match="no point in common"):
        fit_similarity(one, one[::-1])


def test_the_mean_of_similar_shapes_with_missing_points_is_their_shape(rng):
    base = shape(rng)
    shapes = copies(base, rng, 12)
    for number, one in enumerate(shapes):
        one[number % 6] = np.nan
    mean = mean_shape(shapes)
    fit = fit_similarity(base, mean.points)
    np.testing.assert_allclose(fit.a * base + fit.b, mean.points, atol=1e-6)
    assert np.abs(mean.points[:, None] - mean.points).max() == pytest.approx(1)
    assert mean.angle_range(rigid=True) == np.pi
    with pytest.raises(InputError, match="two points at different places"):
        mean_shape([np.full(6, 3 + 3j)])


def test_the_angle_range_of_a_fixed_view_is_small(rng):
    base = shape(rng)
    tilted = [np.exp(1j * angle) * base for angle in (-0.1, 0.0, 0.1)]
    assert 0.1 < mean_shape(tilted).angle_range(rigid=True) < 0.5


def test_a_single_tilted_pose_of_an_articulated_object_does_not_turn_it(rng):
    base = shape(rng)
    tilted = mean_shape([np.exp(1j * angle) * base for angle in (-0.1, 0.0, 0.1, -0.05, 0.05, 0.9)])
    assert tilted.angle_range(rigid=True) == np.pi
    assert tilted.angle_range(rigid=False) < 0.6
    turned = mean_shape([np.exp(1j * angle) * base for angle in (0.0, 2.0, -2.0, 3.0)])
    assert turned.angle_range(rigid=False) == np.pi


def test_the_residual_tells_rigid_from_articulated_sets(rng):
    base = shape(rng)
    rigid, loose = (shape_residual(copies(base, rng, 8, noise=noise)) for noise in (0.0, 0.3))
    assert rigid == pytest.approx(0, abs=1e-9)
    assert loose > 0.05
    assert np.isnan(shape_residual([base]))
    assert np.isnan(shape_residual([base[:2], 2 * base[:2]]))


def test_mirrored_copies_are_found_whatever_the_most_complete_shape_is(rng):
    base, swaps = shape(rng), (1, 0, 2, 3, 4, 5)
    plain = copies(base, rng, 5, noise=0.02)
    some = [mirror_shape(one, swaps) if k in (1, 4) else one for k, one in enumerate(plain)]
    some[0], some[2] = (np.where(np.arange(6) == k, np.nan, some[k]) for k in (0, 2))
    assert find_mirrored(some, swaps) == [False, True, False, False, True]
    np.testing.assert_allclose(mirror_shape(mirror_shape(base, swaps), swaps), base)
    assert is_chiral(base, swaps)


def test_shapes_with_two_equal_sides_are_no_mirrored_copies(rng):
    nose, eye, ear = 0j, 0.3 + 0.4j, 1 + 0.7j
    base = np.array([nose, eye, -eye.conjugate(), ear, -ear.conjugate()])
    swaps = (0, 2, 1, 4, 3)
    assert not is_chiral(base, swaps)
    assert not any(find_mirrored(copies(base, rng, 6, noise=0.02), swaps))


def test_faces_that_look_to_either_side_are_no_mirrored_copies(rng):
    eye, mouth = 0.5 - 0.3j, 0.3 + 0.5j
    front = np.array([-eye.conjugate(), eye, -mouth.conjugate(), mouth, 0.1j])
    swaps = (1, 0, 3, 2, 4)
    aside = [front + np.array([0.04, 0.0, 0.04, 0.0, 0.16]) * side for side in (1, 1, -1, 1, -1, 1)]
    assert not any(find_mirrored([one for base in aside for one in copies(base, rng, 1)], swaps))


def test_a_map_between_mirrored_images_is_the_map_of_their_pixels(rng):
    fit = Similarity(1.3 - 0.4j, 20 + 5j)
    points = rng.uniform(0, 50, (7, 2))
    flip = np.array([-1, 1])
    mirrored = fit.between_mirrored(64, 96)(points * flip + (63, 0))
    np.testing.assert_allclose(mirrored, fit(points) * flip + (95, 0))


def test_a_robust_fit_ignores_the_points_that_disagree(rng):
    base = shape(rng, 9)
    fit = Similarity(3.0 + 2j, 40 - 7j)
    target = fit.move(base)
    target[[2, 6]] += [8 + 3j, -9j]
    found = fit_robustly(base, target, np.ones(9), scale=0.05)
    assert abs(fit_similarity(base, target).a - fit.a) > 0.3
    np.testing.assert_allclose([found.a, found.b], [fit.a, fit.b], atol=0.02)


FACE = {
    **{"left_eye_0": -30 + 0j, "left_eye_3": -12 + 1j, "right_eye_0": 12 + 1j, "right_eye_3": 30 + 0j},
    **{"nostril_0": -8 + 30j, "nostril_4": 8 + 30j, "jaw_8": 70j, "bright_spot": 3 + 35j},
}


@pytest.mark.parametrize("turn", [1, np.exp(0.4j), 3 * np.exp(-2j)])
def test_numbered_points_are_paired_by_their_places(turn, rng):
    places = np.array([*FACE.values()])
    noisy = turn * (places + rng.normal(0, 2, 8) + 1j * rng.normal(0, 2, 8))
    assert swap_sides([*FACE], noisy) == (3, 2, 1, 0, 5, 4, 6, 7)
    # Numbers of one order are kept.
    legs = ["left_leg_1", "left_leg_2", "right_leg_1", "right_leg_2"]
    assert swap_sides(legs, turn * np.array([-9 + 0j, -9 + 20j, 9 + 0j, 9 + 20j])) == (2, 3, 0, 1)


def test_numbered_points_without_a_partner_or_a_place_are_paired_by_name():
    names = ["left_eye_0", "left_eye_3", "right_eye_0", "nose"]
    places = np.array([-30 + 0j, -12 + 1j, 12 + 1j, 40j])
    assert swap_sides(names, places) == (2, 1, 0, 3)
    assert swap_sides([*FACE], np.full(8, np.nan + 0j)) == (2, 3, 0, 1, 4, 5, 6, 7)
    # Without sides, numbers say nothing: the object may have none.
    assert swap_sides(["tip_0", "tip_1"], np.array([-1 + 0j, 1 + 0j])) == (0, 1)


def test_the_mean_of_a_shape_and_its_mirrored_copy_is_symmetric_and_upright():
    front = np.array([0j, -10 + 20j, 10 + 20j, 40j])
    swaps = (0, 2, 1, 3)
    aside = 3 * np.exp(0.3j) * (front + np.array([0, 2, 2, -3])) + 7
    before = mean_shape([aside])
    found = symmetric(before, swaps)
    np.testing.assert_allclose(found.points, mirror_shape(found.points, swaps), atol=1e-12)
    assert diameter(found.points) == pytest.approx(1)
    # The example is turned from the upright mean by its tilt, by that of its axis at most.
    assert before.angles == pytest.approx([0], abs=1e-9)
    assert 0.2 < found.angles[0] < 0.4
    fit = fit_similarity(found.points, aside)
    assert np.abs(fit.move(found.points) - aside).max() < 0.1 * diameter(aside)
    assert symmetric(before, (0, 1, 2, 3)) is before
    long = mean_shape([np.array([0j, 40 + 3j, 90 + 40j, 10 + 9j])])
    assert symmetric(long, swaps) is long
    lying = symmetric(mean_shape([aside * np.exp(-0.3j) * 1j]), swaps)
    assert lying.angles == pytest.approx([0], abs=1e-9)


def test_sides_are_read_from_names_in_one_word():
    names = ["lEye", "rEye", "earL", "earR", "LFoot", "RFoot", "Rear", "Leg"]
    assert swap_sides(names, np.arange(8) * 1j) == (1, 0, 3, 2, 5, 4, 6, 7)
    # Of two points with the name of one partner, the first has it.
    assert swap_sides(["L_eye", "l_eye", "r_eye"], np.arange(3) * 1j) == (2, 1, 0)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["FL", "FR", "HL", "HR", "TAIL", "EAR"], (1, 0, 3, 2, 4, 5)),
        (["FL", "FR", "RL", "RR"], (1, 0, 3, 2)),
        (["LF", "RF", "LR", "RR", "RIB{}"], (1, 0, 3, 2, 4)),
        (["LFpaw", "RFpaw", "LHpaw", "RHpaw"], (1, 0, 3, 2)),
        (["UL", "LL", "UR", "LR"], (2, 3, 0, 1)),
        (["pawFR", "paw_HL", "pawFL", "paw_HR"], (2, 3, 0, 1)),
        (["lPaw", "rPaw", "paw1L", "paw1R", "paw2L", "paw2R"], (1, 0, 3, 2, 5, 4)),
        # The ends of these are no sides, but their beginnings are.
        (["LEFT_EAR", "RIGHT_EAR", "L_HEEL", "R_HEEL"], (1, 0, 3, 2)),
        (["FL", "Fr", "HR", "TAIL", "TAIR_1", "EAR", "EAL_", "STEEL", "wheeL", "wheeR1"], tuple(range(10))),
    ],
)
def test_a_last_capital_is_a_side_if_its_partner_is_there(names, expected):
    assert swap_sides(names, np.full(len(names), np.nan + 0j)) == expected


@pytest.mark.parametrize("yaw", [0.0, 0.4, 0.8])
def test_numbered_points_are_paired_in_a_face_that_looks_aside(yaw):
    names = [f"{side}_eye_{k}" for side in ("left", "right") for k in (0, 1)] + ["nose", "mouth_0", "mouth_1"]
    across = np.array([-35.0, -15, 15, 35, 0, -20, 20])
    down, depth = np.array([0.0, 0, 0, 0, 35, 60, 60]), np.array([0.0, 5, 5, 0, 30, 12, 12])
    seen = across * np.cos(yaw) + depth * np.sin(yaw) + 1j * down
    assert swap_sides(names, seen) == (3, 2, 1, 0, 4, 6, 5)


@pytest.mark.parametrize("turn", [0.0, 1.1, -2.5])
def test_upright_windows_of_mirrored_objects_are_upright(turn, rng):
    swaps, front = (0, 2, 1, 3), np.array([0j, -10 + 20j, 10 + 20j, 40j])
    mean = mean_shape([front]).points * np.exp(1j * turn)
    points = 50 * np.exp(0.7j) * mean + 90 + 80j
    example = Example(
        Photograph(lambda: None, (200, 200)), (points,), (fit_similarity(mean, points),), (False,), (None,)
    )
    draws = draw_around(
        [example], 96, 60, Jitter(0, 0, 0), count=20, mirror=True, upright=True, elsewhere=False, rng=rng,
        twice=float(np.angle(fit_similarity(mirror_shape(mean, swaps), mean).a)),
    )  # fmt: skip
    assert {draw.view.mirrored for draw in draws} == {False, True}
    for draw in draws:
        shown = complex_of(draw.view.move(points_of(points)))
        shown = shown[list(swaps)] if draw.view.mirrored else shown
        np.testing.assert_allclose(shown, 60 * mean + complex(47.5, 47.5), atol=1e-6)
