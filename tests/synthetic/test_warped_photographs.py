import cv2
import numpy as np
import pytest
from scipy import linalg

from convcorr_jax import coords
from convcorr_jax.datasets import load_image, selection
from convcorr_jax.synthetic import (
    MODERATE_WARP,
    Warp,
    WarpedPair,
    draw_warp,
    least_area,
    warped_pair,
    warped_photographs,
)
from convcorr_jax.synthetic.warped_photographs import pixel_grid


@pytest.fixture(scope="module")
def pairs() -> list[WarpedPair]:
    return [warped_pair(index, seed=4, longest_px=128) for index in range(len(selection.photographs()))]


def thin_plate_spline(knots: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The textbook spline (Bookstein 1989): r² log r² kernels and an affine part."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        squared = ((a[:, None] - b[None]) ** 2).sum(-1)
        return squared * np.log(np.where(squared > 0, squared, 1.0))

    affine = np.column_stack([np.ones(len(knots)), knots])
    system = np.block([[kernel(knots, knots), affine], [affine.T, np.zeros((3, 3))]])
    weights = linalg.solve(system, np.concatenate([values, np.zeros((3, 2))]))
    return np.column_stack([kernel(at, knots), np.ones(len(at)), at]) @ weights


def test_the_warp_is_the_thin_plate_spline_through_its_lattice():
    # The sides are 3 k + 1, so that the 4 x 4 lattice is on pixels and can be read from the map.
    size = coords.Size(61, 91)
    position = draw_warp(size, np.random.default_rng(8), MODERATE_WARP)
    pixels = pixel_grid(size)
    lattice = pixels[::20, ::30].reshape(-1, 2)
    expected = thin_plate_spline(lattice, position[::20, ::30].reshape(-1, 2), pixels.reshape(-1, 2))
    np.testing.assert_allclose(position.reshape(-1, 2), expected, atol=1e-9)
    assert np.abs(position - pixels).max() > 3  # it is a warp


@pytest.mark.parametrize("seed", range(5))
def test_a_strong_warp_does_not_fold(seed: int):
    position = draw_warp(coords.Size(40, 60), np.random.default_rng(seed), Warp(bend=0.3))
    assert least_area(position) > 0


def test_least_area_is_the_determinant_and_negative_for_a_mirror():
    pixels = pixel_grid(coords.Size(7, 9))
    matrix = np.array([[1.5, 0.25], [-0.5, 2.0]])
    np.testing.assert_allclose(least_area(pixels @ matrix.T), np.linalg.det(matrix))
    assert least_area(pixels * [-1.0, 1.0]) == pytest.approx(-1)


def test_one_bright_pixel_moves_by_the_flow(monkeypatch: pytest.MonkeyPatch):
    bright = np.zeros((90, 120, 3), np.uint8)
    bright[50, 70] = 255
    black = np.zeros_like(bright)
    with_pixel = selection.Photograph("bright", bright, "")
    without = selection.Photograph("black", black, "")
    monkeypatch.setattr(warped_photographs, "photographs", lambda: (with_pixel, without))
    monkeypatch.setattr(warped_photographs, "relight", lambda image, rng, light: image)
    for seed in range(5):
        pair = warped_pair(0, seed=seed, longest_px=120, warp=Warp(shift=0.01))
        source = load_image(pair.source)[..., 0].astype(float)
        # The bilinear weights of the pixel in the source follow from the flow alone.
        distance = np.abs(pixel_grid(pair.source.size) + pair.flow_px - [70, 50])
        expected = 255 * np.clip(1 - distance, 0, 1).prod(axis=-1)
        assert expected.max() > 60
        np.testing.assert_allclose(source, expected, atol=0.51)  # rounding to grey levels


def test_a_pair_is_the_same_in_every_call(pairs: list[WarpedPair]):
    again = warped_pair(2, seed=4, longest_px=128)
    for name in ("flow_px", "visible"):
        np.testing.assert_array_equal(getattr(again, name), getattr(pairs[2], name))
    for side in ("source", "target"):
        np.testing.assert_array_equal(getattr(again, side).image, getattr(pairs[2], side).image)
        np.testing.assert_array_equal(getattr(again, side).points, getattr(pairs[2], side).points)
    assert not np.array_equal(warped_pair(2, seed=5, longest_px=128).flow_px, pairs[2].flow_px)


def test_keypoints_follow_the_flow_and_are_in_the_boxes(pairs: list[WarpedPair]):
    for pair in pairs:
        columns, rows = pair.source.points.astype(int).T
        np.testing.assert_array_equal(pair.source.points + pair.flow_px[rows, columns], pair.target.points)
        assert pair.visible[rows, columns].all()
        assert 5 <= len(rows) <= 24
        for record in (pair.source, pair.target):
            x0, y0, x1, y1 = record.box
            assert (record.points >= [x0, y0]).all()
            assert (record.points <= [x1, y1]).all()
            assert (x0, y0) >= (0, 0)
            assert x1 <= record.size.width - 1
            assert y1 <= record.size.height - 1


def test_the_target_warped_back_by_the_flow_looks_like_the_source(pairs: list[WarpedPair]):
    for pair in pairs:
        position = (pixel_grid(pair.source.size) + pair.flow_px).astype(np.float32)
        back = cv2.remap(load_image(pair.target), position[..., 0], position[..., 1], cv2.INTER_LINEAR)
        source = load_image(pair.source).mean(axis=-1)
        matched = np.corrcoef(source[pair.visible], back.mean(axis=-1)[pair.visible])[0, 1]
        assert matched > 0.85, pair.source.source_id
        # The background was replaced, so the images differ in it.
        hidden = ~pair.visible
        assert np.corrcoef(source[hidden], back.mean(axis=-1)[hidden])[0, 1] < 0.7
